//! Messages to bytes and back: postcard, the first byte being the version.
//!
//! Architecture invariant: the only home of postcard's framing. A decoder refuses a message that is too long
//! before it reads it, an unknown version, and trailing bytes; and a length inside a message never makes it
//! allocate more than the bytes that are really there.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A message that stands alone on a topic.
pub trait Message: Serialize + DeserializeOwned {
    /// The longest encoding accepted, in bytes.
    const MAX_BYTES: usize;

    /// The message as bytes of the newest version.
    fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(&Written::V1(self))
            .expect("ids, numbers, texts and bytes always have a postcard form")
    }

    /// Reads a message of any version.
    ///
    /// # Errors
    /// When `bytes` are not exactly one message of a version this program knows.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(DecodeError::TooLong { len: bytes.len(), max: Self::MAX_BYTES });
        }
        match bytes.first() {
            None => return Err(DecodeError::Empty),
            Some(0) => {}
            Some(version) => return Err(DecodeError::UnknownVersion(u16::from(*version) + 1)),
        }
        match postcard::take_from_bytes(bytes) {
            Ok((Read::V1(message), [])) => Ok(message),
            Ok((_, rest)) => Err(DecodeError::TrailingBytes(rest.len())),
            // The cause may quote what was read, and that may be a name.
            Err(_) => Err(DecodeError::Malformed),
        }
    }
}

#[derive(Serialize)]
enum Written<'a, M> {
    V1(&'a M),
}

#[derive(Deserialize)]
enum Read<M> {
    V1(M),
}

/// Why bytes are not a message. Says nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An empty payload. On a retained topic this means "cleared" and is no error: ask before decoding.
    #[error("the message is empty")]
    Empty,
    /// Longer than any message of this kind.
    #[error("the message has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// What came.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// Written by a newer program.
    #[error("the message is of version {0}, this program knows version 1: update it")]
    UnknownVersion(u16),
    /// Right so far, but something follows.
    #[error("{0} bytes follow the message")]
    TrailingBytes(usize),
    /// Not the bytes of any message of this kind.
    #[error("the message is malformed")]
    Malformed,
}
