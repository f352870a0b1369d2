//! Random secrets that open something: a login link, a session, an API token.

use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// 256 random bits. Whoever holds them may in, so `Debug` hides them and only their hash is ever stored.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// SHA-256 of a [`Secret`]. A plain hash is enough: nobody can guess through 256 random bits.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl Secret {
    /// A new secret of the operating system's random source.
    pub fn random() -> Self {
        Self(crate::random::bytes())
    }

    /// Reads what [`Secret::reveal`] wrote; anything else is nobody's secret.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| Self(bytes))
    }

    /// The secret as 64 hexadecimal digits, to be handed to its owner once.
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// What the database keeps of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl SecretHash {
    /// The 32 bytes as a column holds them.
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Whether a stored hash is this one, in a time that does not tell where they differ.
    pub fn equals(&self, stored: &[u8]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_text_and_only_its_own_hash_fits() {
        let (one, other) = (Secret::random(), Secret::random());
        let read = Secret::parse(&one.reveal()).unwrap();
        assert!(read.hash().equals(&one.hash().to_vec()));
        assert!(!read.hash().equals(&other.hash().to_vec()));
        assert!(!read.hash().equals(&[]));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66), "é"] {
            assert!(Secret::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::random();
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "Secret(..) SecretHash(..)");
    }
}
