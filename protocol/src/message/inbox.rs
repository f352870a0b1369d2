//! What the website says to one edge. On `store/<location>/edges/<edge>/inbox`, not retained.

use super::{Change, PAGE_ITEMS, Roster};
use crate::{Epoch, FaceId, Round, Seq, StreamId, UnixMs, bounded, codec::Message};
use serde::{Deserialize, Serialize};

/// One message to one edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inbox {
    /// An answer to a repair.
    Roster(Roster),
    /// A row that the edge wanted.
    Change {
        /// The conversation in which it was wanted.
        round: Round,
        /// The row.
        change: Change,
    },
    /// Visits are stored.
    Settled(Settled),
    /// Receipts are stored.
    ReceiptsStored(ReceiptsStored),
    /// Something to do.
    Command(Command),
}

/// Every visit of `stream` from `from` to `through` is stored: the edge may let go of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The website's epoch.
    pub epoch: Epoch,
    /// The location's seq when they were stored. A face enrolled by one of them that has no row at a verified
    /// head of at least this seq is not going to have one.
    pub seq: Seq,
    /// The stream.
    pub stream: StreamId,
    /// The first of them: the edge's first unsettled number as the website heard it. After a restore an edge may have
    /// gone back to an earlier one, of which this says nothing.
    pub from: u64,
    /// The highest number up to which all of them are stored.
    pub through: u64,
    /// The website's clock.
    pub at: UnixMs,
}

/// The website holds these receipts: the edge need not repeat them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptsStored {
    /// At most [`PAGE_ITEMS`].
    #[serde(deserialize_with = "bounded::list::<PAGE_ITEMS, _, _>")]
    pub receipts: Vec<ReceiptKey>,
}

/// Names one receipt of an edge: it proves exactly this removal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReceiptKey {
    /// The removed face.
    pub face_id: FaceId,
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The seq of the removal.
    pub seq: Seq,
}

/// Something the website wants an edge to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Report at once, new or not.
    Report,
    /// Distrust the cache: compare it with the website's rows.
    Repair,
}

impl Message for Inbox {
    const MAX_BYTES: usize = 40 * 1024;
}
