//! The inner loop: f16 rows against one f32 query.

use half::f16;

/// As many sums side by side as fill the vector registers; one sum would wait for itself at every addition.
const LANES: usize = 16;

/// The bias of an f32's exponent is 112 more than that of an f16's. This is 2^112.
const REBIAS: f32 = f32::from_bits((127 + 112) << 23);

/// Calls `each(row, dot product)` for every row of `rows`, which has `query.len()` components a row. The rows must be
/// finite, and the components of the query at most 2^15.
///
/// Every processor does the same additions in the same order, so all of them give the same answer to the bit.
pub(crate) fn each_row(rows: &[f16], query: &[f32], mut each: impl FnMut(usize, f32)) {
    if query.is_empty() {
        return;
    }
    let rebiased: Vec<f32> = query.iter().map(|component| component * REBIAS).collect();
    for (number, row) in rows.chunks_exact(query.len()).enumerate() {
        each(number, dot(row, &rebiased));
    }
}

fn dot(row: &[f16], query: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (row_lanes, row_rest) = row.as_chunks::<LANES>();
    let (query_lanes, query_rest) = query.as_chunks::<LANES>();
    for (row, query) in row_lanes.iter().zip(query_lanes) {
        for lane in 0..LANES {
            sums[lane] += widened(row[lane]) * query[lane];
        }
    }
    let rest: f32 = row_rest.iter().zip(query_rest).map(|(a, b)| widened(*a) * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// A finite `half`, divided by 2^112: its sign, exponent and fraction moved to where an f32 has them. Three plain
/// operations on integers, which the compiler does for whole registers; a conversion by the processor's own instruction
/// would be a call for every eight components, because no unsafe code is allowed here.
#[inline(always)]
fn widened(half: f16) -> f32 {
    let sign_extended = (u32::from(half.to_bits()) << 16).cast_signed() >> 3;
    f32::from_bits(sign_extended.cast_unsigned() & 0x8FFF_E000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_is_widened_exactly() {
        let finite = (0..=u16::MAX).map(f16::from_bits).filter(|half| half.is_finite());
        for half in finite {
            let (ours, theirs) = (widened(half) * REBIAS, half.to_f32());
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{:#06x}", half.to_bits());
        }
    }

    #[test]
    fn a_row_of_any_length_gives_its_dot_product() {
        for dimension in [1, 2, 15, 16, 17, 31, 32, 100] {
            let row: Vec<f16> = (0..2 * dimension).map(|n| f16::from_f32(n as f32 / 64.0)).collect();
            let query: Vec<f32> = (0..dimension).map(|n| 1.0 - n as f32 / 32.0).collect();
            let mut answers = Vec::new();
            each_row(&row, &query, |number, dot| answers.push((number, dot)));
            let plain = |row: &[f16]| -> f32 { row.iter().zip(&query).map(|(a, b)| a.to_f32() * b).sum() };
            let expected: Vec<f32> = row.chunks(dimension).map(plain).collect();
            assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
            for ((_, ours), theirs) in answers.iter().zip(&expected) {
                assert!((ours - theirs).abs() <= theirs.abs() * 1e-5 + 1e-5, "{dimension}: {ours} {theirs}");
            }
        }
        each_row(&[], &[], |_, _| panic!("there is no row"));
    }
}
