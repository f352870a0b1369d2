//! Customers who do not exist.

use anyhow::Result;
use edge::{Space, Thresholds};
use protocol::{
    Embedding, FaceId, Name,
    message::{Customer, Flag},
};

/// Components of a face vector: 1,024 bytes.
pub const DIMENSION: usize = 512;

/// How the edges' model sees.
pub fn space() -> Result<Space> {
    let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
    Ok(Space { id: "simulated-512".parse()?, dimension: DIMENSION, thresholds })
}

/// The id of customer number `n`: 16 characters.
pub fn face(n: usize) -> Result<FaceId> {
    Ok(format!("{:016x}", mixed(n as u64)).parse()?)
}

/// What edges hold of customer number `n`.
pub fn customer(n: usize) -> Result<Customer> {
    let name: Name = format!("Customer {n}").parse()?;
    Ok(Customer { name, flag: Flag::None, space: space()?.id, embedding: Embedding::from_f32(&vector(n))? })
}

/// The face of customer number `n`; any two are nearly at right angles. A component is the sum of four even numbers, so that
/// the largest is about three times the usual one, as in a real face.
pub fn vector(n: usize) -> Vec<f32> {
    let at = |component: usize| {
        let bits = mixed((n * DIMENSION + component) as u64 ^ 0x5EED);
        (0..4).map(|part| f32::from((bits >> (16 * part)) as u16)).sum::<f32>() / 65_535.0 - 2.0
    };
    (0..DIMENSION).map(at).collect()
}

/// SplitMix64: every number to another one, without a pattern.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
