//! The words both sides of Regulars speak: ids, topics, messages, the digest and the signatures.
//!
//! Architecture invariant: no I/O, no async, no clock and no randomness in this crate. Whoever needs the time
//! or a random number hands it in, so that everything here can run inside a simulator.

mod bounded;
pub mod codec;
pub mod digest;
mod ids;
mod instant;
pub mod message;
mod name;
mod numbers;
mod sign;
mod topic;
mod vector;

pub use digest::{BUCKETS, BucketDigests, Digest, DigestKey, RowHash, bucket_of};
pub use ids::{EdgeId, FaceId, IdError, LocationId, SpaceId};
pub use instant::UnixMs;
pub use name::{Name, NameError};
pub use numbers::{Epoch, Nonce, Round, Seq, StreamId};
pub use sign::{BadSignature, PublicKey, Signature, SigningKey, SigningKeyError};
pub use topic::{NotOurs, Topic, filters};
pub use vector::{Embedding, EmbeddingError, MAX_DIMENSION};
