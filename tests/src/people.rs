//! People who do not exist, as vectors: every one a direction of their own.

use crate::Random;

/// The face of person `n`, 512 components. Two of them are nearly at right angles.
pub fn person(n: u64) -> Vec<f32> {
    let mut random = Random::of(n);
    let mut unit = || (random.number() >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
    (0..512).map(|_| unit()).collect()
}

/// The same person seen another time: `person(n)` with a part of noise, at a cosine of about 0.8.
pub fn noisy(n: u64, time: u64) -> Vec<f32> {
    let noise = person(u64::MAX - n.wrapping_mul(1_000_003) - time);
    person(n).iter().zip(noise).map(|(a, b)| a + 0.75 * b).collect()
}
