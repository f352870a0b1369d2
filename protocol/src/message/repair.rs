//! The conversation that puts right whatever an edge missed.

use super::PAGE_ITEMS;
use crate::{BUCKETS, BucketDigests, Epoch, FaceId, Round, Seq, bounded};
use serde::{Deserialize, Serialize};

/// An edge whose digest differs asks which of its buckets do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The edge's epoch.
    pub epoch: Epoch,
    /// This conversation.
    pub round: Round,
    /// The edge's buckets.
    pub buckets: BucketDigests,
}

/// One page of the website's answer: every live row of the buckets that differ, all read in one snapshot. The
/// last page of a round without any bucket says that nothing differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The website's epoch.
    pub epoch: Epoch,
    /// The conversation this answers.
    pub round: Round,
    /// The location's seq in the snapshot. A row that is newer than this says nothing by its absence.
    pub as_of_seq: Seq,
    /// Counted from 0.
    pub page: u32,
    /// How many pages the round has; the edge acts when it holds all of them.
    pub pages: u32,
    /// The buckets that differ, ascending; the rows of one may go on over several pages.
    #[serde(deserialize_with = "bounded::list::<BUCKETS, _, _>")]
    pub buckets: Vec<BucketRoster>,
}

/// Live rows of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRoster {
    /// Which bucket, below [`BUCKETS`].
    pub bucket: u16,
    /// Its rows, by face id.
    #[serde(deserialize_with = "bounded::list::<PAGE_ITEMS, _, _>")]
    pub rows: Vec<RosterRow>,
}

/// One live row in a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterRow {
    /// Whose row.
    pub face_id: FaceId,
    /// The seq of its last change.
    pub seq: Seq,
    /// The short row hash: after damage or a restore the same seq can have other content.
    #[serde(with = "postcard::fixint::le")]
    pub hash: u64,
}

/// One page of the rows an edge lacks. The website sends each as a `Change` of the same round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The edge's epoch.
    pub epoch: Epoch,
    /// The conversation.
    pub round: Round,
    /// At most [`PAGE_ITEMS`].
    #[serde(deserialize_with = "bounded::list::<PAGE_ITEMS, _, _>")]
    pub faces: Vec<FaceId>,
}
