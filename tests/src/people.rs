//! People who do not exist, as vectors: every one a direction of their own.

/// The face of person `n`, 512 components. Two of them are nearly at right angles.
pub fn person(n: u64) -> Vec<f32> {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut unit = move || {
        // xorshift64* (Vigna 2016), good enough for a direction.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..512).map(|_| unit()).collect()
}

/// The same person seen another time: `person(n)` with a part of noise, at a cosine of about 0.8.
pub fn noisy(n: u64, time: u64) -> Vec<f32> {
    let noise = person(u64::MAX - n.wrapping_mul(1_000_003) - time);
    person(n).iter().zip(noise).map(|(a, b)| a + 0.75 * b).collect()
}
