//! The digest: one number that says whether two galleries hold the same rows with the same content.
//!
//! A row's hash is BLAKE3 in keyed mode over the row's canonical bytes; the digest is the sum of the hashes
//! modulo 2^128, so one change costs one subtraction and one addition however many rows there are. The key is
//! the location's own and never passes the broker: whoever runs that cannot forge rows that add up. The 1,024
//! bucket digests are the same sum, modulo 2^64, over the rows of one bucket; a repair compares those.

use crate::{FaceId, Seq, message::Customer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Into how many buckets a repair divides a location's rows.
pub const BUCKETS: usize = 1024;

/// A location's secret, 32 bytes; edges get it when they join.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, to be stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes one row: BLAKE3 (keyed, first 16 bytes, little-endian) over the postcard encoding of
    /// `(face_id, seq, customer)`, which is the same bytes as in the row's `Change`.
    pub fn hash(&self, face_id: &FaceId, seq: Seq, customer: &Customer) -> RowHash {
        let bytes = postcard::to_stdvec(&(face_id, seq, customer))
            .expect("ids, numbers, texts and bytes always have a postcard form");
        let hash = blake3::keyed_hash(&self.0, &bytes);
        let mut first = [0; 16];
        first.copy_from_slice(&hash.as_bytes()[..16]);
        RowHash(u128::from_le_bytes(first))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

/// The keyed hash of one live row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowHash(pub u128);

impl RowHash {
    /// The 64 bits that stand in rosters and add up to bucket digests.
    pub fn short(self) -> u64 {
        self.0 as u64
    }

    /// 16 bytes, little-endian, as a table stores them.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The inverse of [`RowHash::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

/// The sum of the hashes of every live row of a location, modulo 2^128.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of no rows.
    pub const EMPTY: Digest = Digest([0; 16]);

    /// The digest with one more row.
    #[must_use]
    pub fn plus(self, row: RowHash) -> Digest {
        Digest(u128::from_le_bytes(self.0).wrapping_add(row.0).to_le_bytes())
    }

    /// The digest with one row less.
    #[must_use]
    pub fn minus(self, row: RowHash) -> Digest {
        Digest(u128::from_le_bytes(self.0).wrapping_sub(row.0).to_le_bytes())
    }

    /// The digest of all these rows.
    pub fn of(rows: impl IntoIterator<Item = RowHash>) -> Digest {
        rows.into_iter().fold(Digest::EMPTY, Digest::plus)
    }

    /// 16 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The inverse of [`Digest::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    /// 32 hexadecimal digits, the most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_le_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which bucket a face falls into: the first two bytes of BLAKE3 of its id, little-endian, modulo [`BUCKETS`].
pub fn bucket_of(face_id: &FaceId) -> u16 {
    let hash = blake3::hash(face_id.as_str().as_bytes());
    u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]) % BUCKETS as u16
}

/// The sum of the rows' short hashes, modulo 2^64, for each of the [`BUCKETS`] buckets.
///
/// On the wire one byte string of 8,192 bytes, little-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketDigests(Box<[u64; BUCKETS]>);

impl BucketDigests {
    /// Adds up rows given as (face, hash).
    pub fn of<'a>(rows: impl IntoIterator<Item = (&'a FaceId, RowHash)>) -> Self {
        let mut sums = Box::new([0_u64; BUCKETS]);
        for (face_id, hash) in rows {
            let sum = &mut sums[usize::from(bucket_of(face_id))];
            *sum = sum.wrapping_add(hash.short());
        }
        Self(sums)
    }

    /// The buckets, ascending, in which the two sides differ.
    pub fn differing(&self, other: &BucketDigests) -> Vec<u16> {
        (0..BUCKETS as u16).filter(|b| self.0[usize::from(*b)] != other.0[usize::from(*b)]).collect()
    }
}

impl fmt::Debug for BucketDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketDigests(..)")
    }
}

impl Serialize for BucketDigests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for BucketDigests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&serde_bytes::Bytes>::deserialize(deserializer)?;
        if bytes.len() != BUCKETS * 8 {
            return Err(de::Error::invalid_length(bytes.len(), &"1,024 sums of 8 bytes"));
        }
        let mut sums = Box::new([0_u64; BUCKETS]);
        for (sum, chunk) in sums.iter_mut().zip(bytes.chunks_exact(8)) {
            *sum = chunk.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        }
        Ok(Self(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(n: u32) -> FaceId {
        format!("face_{n}").parse().unwrap()
    }

    #[test]
    fn the_sum_does_not_depend_on_the_order_and_forgets_what_is_taken_away() {
        let rows = [RowHash(u128::MAX), RowHash(7), RowHash(1 << 100)];
        let all = Digest::of(rows);
        assert_eq!(all, Digest::of([rows[2], rows[0], rows[1]]));
        assert_eq!(all.minus(rows[1]), Digest::of([rows[0], rows[2]]));
        assert_eq!(all.minus(rows[0]).minus(rows[1]).minus(rows[2]), Digest::EMPTY);
    }

    #[test]
    fn only_the_bucket_of_a_different_row_differs() {
        let faces: Vec<FaceId> = (0..5000).map(face).collect();
        let hash = |n: usize, salt: u128| RowHash((n as u128 + 1) * 0x9E37_79B9_7F4A_7C15 + salt);
        let ours = BucketDigests::of(faces.iter().enumerate().map(|(n, f)| (f, hash(n, 0))));
        let theirs =
            BucketDigests::of(faces.iter().enumerate().map(|(n, f)| (f, hash(n, u128::from(n == 42)))));
        assert_eq!(ours.differing(&theirs), [bucket_of(&faces[42])]);
        assert_eq!(ours.differing(&ours.clone()), [0_u16; 0]);
    }
}
