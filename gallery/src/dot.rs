//! The inner loop: f16 rows against one f32 query.

use half::{f16, slice::HalfFloatSliceExt};

/// How many components are widened at a time: 8 KiB, which stays in the first-level cache.
const BLOCK: usize = 2048;

/// As many sums side by side as fill the vector registers; one sum would wait for itself at every addition.
const LANES: usize = 16;

/// Calls `each(row, dot product)` for every row of `rows`, which has `query.len()` components a row.
///
/// Widening is by the processor's own conversion where it has one (`half` looks at run time).
pub(crate) fn each_row(rows: &[f16], query: &[f32], mut each: impl FnMut(usize, f32)) {
    let dimension = query.len();
    if dimension == 0 {
        return;
    }
    let at_once = (BLOCK / dimension).max(1);
    let mut wide = vec![0.0_f32; at_once * dimension];
    for (block, narrow) in rows.chunks(at_once * dimension).enumerate() {
        let wide = &mut wide[..narrow.len()];
        narrow.convert_to_f32_slice(wide);
        for (row, values) in wide.chunks_exact(dimension).enumerate() {
            each(block * at_once + row, dot(values, query));
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
