//! The only source of random numbers of the website: the operating system's.

use protocol::{EdgeId, FaceId};

/// `N` random bytes.
///
/// # Panics
/// When the operating system has none to give: nothing that needs a secret can go on then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system's random numbers are always available");
    bytes
}

/// A random number.
pub fn number() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A secret of 192 bits as 32 characters of the id alphabet.
pub fn token() -> String {
    format!("{}{}", FaceId::from_random(bytes()), FaceId::from_random(bytes()))
}

/// An edge id.
pub fn edge_id() -> EdgeId {
    EdgeId::from_random(bytes())
}

/// A join code: 8 characters without look-alikes (no 0 and O, no 1, I and L), 39 bits.
pub fn join_code() -> String {
    const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
    // The modulus of a 64-bit number is biased by less than one in 10^17.
    (0..8).map(|_| char::from(ALPHABET[(number() % ALPHABET.len() as u64) as usize])).collect()
}
