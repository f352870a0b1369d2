//! That somebody came in.

use crate::{Embedding, Epoch, FaceId, Seq, SpaceId, StreamId, UnixMs, codec::Message};
use serde::{Deserialize, Serialize};

/// One visit, on `store/<location>/visits/<edge>`. Sent again until it is settled, stored once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The number space: one start of the edge.
    pub stream: StreamId,
    /// Counts from 1 within the stream, without gaps.
    pub n: u64,
    /// The lowest number of this stream that is not settled yet, as the edge knows it.
    pub first_unsettled: u64,
    /// The edge's clock when the person was seen.
    pub at: UnixMs,
    /// The edge's clock when this was sent: with the time of arrival it tells how far that clock is off.
    pub sent_at: UnixMs,
    /// Who.
    pub seen: Seen,
    /// What the decision was made on.
    pub basis: Basis,
}

/// Whom an edge saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A customer it holds, or a face it minted itself a moment ago.
    Known {
        /// Who.
        face_id: FaceId,
        /// How alike.
        similarity: Similarity,
    },
    /// A face nobody knew: a proposal to enrol it.
    New {
        /// Minted by the edge.
        face_id: FaceId,
        /// The space of `embedding`.
        space: SpaceId,
        /// The face.
        embedding: Embedding,
    },
    /// Somebody, counted without identity.
    Anonymous,
}

/// The cosine of two faces, in ten-thousandths: -10,000 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Similarity(pub i16);

impl Similarity {
    /// Rounds a cosine; what lies outside -1 to 1 is clamped, a NaN is 0.
    pub fn from_cosine(cosine: f32) -> Self {
        Self((cosine.clamp(-1.0, 1.0) * 10_000.0).round() as i16)
    }

    /// The cosine.
    pub fn cosine(self) -> f32 {
        f32::from(self.0) / 10_000.0
    }
}

/// What a decision was made on: not the highest seq applied, but the highest one verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The history `verified` counts in.
    pub epoch: Epoch,
    /// The edge's verified floor.
    pub verified: Seq,
    /// The age of the newest verified head, in seconds.
    pub staleness_s: u32,
}

impl Message for Visit {
    const MAX_BYTES: usize = 8 * 1024;
}
