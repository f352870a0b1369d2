//! The exact comparison: one f16 row against one f32 query.

use half::f16;
use protocol::MAX_DIMENSION;

/// As many sums side by side as fill the vector registers; one sum would wait for itself at every addition.
const LANES: usize = 16;

/// The bias of an f32's exponent is 112 more than that of an f16's. This is 2^112.
const REBIAS: f32 = f32::from_bits((127 + 112) << 23);

/// How far [`Query::dot`] may lie from the true dot product of a query of length one and an embedding.
///
/// A product is rounded once, and again by every addition that it goes through: one a row of lanes, one a lane, and
/// one for what is left over; these are `LANES - 2` fewer than are counted here. Each adds at most half an epsilon of the sum of
/// all products' absolute values, which by the inequality of Cauchy and Schwarz is at most 1.006, the product of the
/// lengths (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
pub(crate) const ERROR: f64 = (MAX_DIMENSION / LANES + 2 * LANES) as f64 * (f32::EPSILON as f64 / 2.0);

/// A query, its components multiplied with 2^112.
pub(crate) struct Query(Vec<f32>);

impl Query {
    /// Of these components, at most 2^15 each.
    pub(crate) fn new(components: &[f32]) -> Self {
        Self(components.iter().map(|component| component * REBIAS).collect())
    }

    /// The dot product with a row of as many finite components.
    ///
    /// Every processor does the same additions in the same order, so all of them give the same answer to the bit.
    pub(crate) fn dot(&self, row: &[f16]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        let (row_lanes, row_rest) = row.as_chunks::<LANES>();
        let (query_lanes, query_rest) = self.0.as_chunks::<LANES>();
        for (row, query) in row_lanes.iter().zip(query_lanes) {
            for lane in 0..LANES {
                sums[lane] += widened(row[lane]) * query[lane];
            }
        }
        let rest: f32 = row_rest.iter().zip(query_rest).map(|(a, b)| widened(*a) * b).sum();
        sums.iter().sum::<f32>() + rest
    }
}

/// A finite `half` as an f32.
#[inline(always)]
pub(crate) fn exactly(half: f16) -> f32 {
    widened(half) * REBIAS
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
            let (ours, theirs) = (exactly(half), half.to_f32());
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{:#06x}", half.to_bits());
        }
    }

    #[test]
    fn a_row_of_any_length_gives_its_dot_product() {
        for dimension in [1, 2, 15, 16, 17, 31, 32, 100] {
            let row: Vec<f16> = (0..dimension).map(|n| f16::from_f32(n as f32 / 64.0)).collect();
            let query: Vec<f32> = (0..dimension).map(|n| 1.0 - n as f32 / 32.0).collect();
            let ours = Query::new(&query).dot(&row);
            let theirs: f32 = row.iter().zip(&query).map(|(a, b)| a.to_f32() * b).sum();
            assert!((ours - theirs).abs() <= theirs.abs() * 1e-5 + 1e-5, "{dimension}: {ours} {theirs}");
        }
    }
}
