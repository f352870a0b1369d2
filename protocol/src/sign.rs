//! Ed25519 signatures (RFC 8032). Every signed text begins with a context of its own, so that a signature made
//! for one purpose proves nothing for another.

use ed25519_dalek::{Signer, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The private half of a key pair: the website's, or one edge's own.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// The public half, 32 bytes; as text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// 64 bytes that prove who wrote something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// The signature does not belong to this text and this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

/// The text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hexadecimal digits that name a point of the curve")]
pub struct SigningKeyError;

impl SigningKey {
    /// Takes 32 random bytes, the seed of RFC 8032.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The seed, to be stored in a file of mode 0600.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `context`, a zero byte, and `text`.
    pub fn sign(&self, context: &str, text: &[u8]) -> Signature {
        Signature(self.0.sign(&framed(context, text)).to_bytes())
    }
}

impl Signature {
    /// Takes 64 bytes; whether they are a signature shows only when it is verified.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub fn to_bytes(self) -> [u8; 64] {
        self.0
    }
}

impl PublicKey {
    /// Takes the 32 bytes of a public key.
    ///
    /// # Errors
    /// When they name no point of the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, SigningKeyError> {
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| SigningKeyError)
    }

    /// The 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Checks that `signature` is this key's over `context` and `text`.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self, context: &str, text: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&framed(context, text), &signature).map_err(|_| BadSignature)
    }
}

fn framed(context: &str, text: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], text].concat()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = SigningKeyError;

    fn from_str(text: &str) -> Result<Self, SigningKeyError> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(SigningKeyError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(SigningKeyError);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&serde_bytes::Bytes>::deserialize(deserializer)?;
        <[u8; 64]>::try_from(&**bytes)
            .map(Self)
            .map_err(|_| serde::de::Error::invalid_length(bytes.len(), &"a signature of 64 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_its_context_and_its_text_only() {
        let key = SigningKey::from_seed([7; 32]);
        let signature = key.sign("head", b"text");
        assert_eq!(key.public().verify("head", b"text", &signature), Ok(()));
        assert_eq!(key.public().verify("receipt", b"text", &signature), Err(BadSignature));
        assert_eq!(key.public().verify("head", b"texts", &signature), Err(BadSignature));
        let other = SigningKey::from_seed([8; 32]).public();
        assert_eq!(other.verify("head", b"text", &signature), Err(BadSignature));
    }

    #[test]
    fn a_public_key_survives_its_text() {
        let key = SigningKey::from_seed([7; 32]).public();
        assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<PublicKey>().is_err());
        }
    }
}
