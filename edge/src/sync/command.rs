//! What goes into the core, and what it asks for.

use super::{history::Total, outbox::VisitKey};
use protocol::{
    Epoch, FaceId, RowHash, Seq, UnixMs,
    message::{Change, Command as Order, Customer, Head, ReceiptKey, Settled},
};

/// Something happened. Heads come only with their signature checked, messages only well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pushed change, and the keyed hash of its content when it is live.
    Change(Box<Change>, Option<RowHash>),
    /// An empty retained payload: a tombstone was cleared.
    Cleared,
    /// A head.
    Head(Head),
    /// Visits are stored.
    Settled(Settled),
    /// Receipts are stored.
    ReceiptsStored(Vec<ReceiptKey>),
    /// The website asks for something.
    Order(Order),
    /// The session with the broker began.
    SessionBegan(SessionPast),
    /// The session with the broker ended.
    SessionEnded,
    /// Time went by.
    Tick,
}

/// Whether the broker remembers the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPast {
    /// It does: what was missed comes by itself.
    Resumed,
    /// It does not: the edge has subscribed, and every retained message comes.
    New,
}

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Store the row, then let the gallery know it.
    Put(Box<Put>),
    /// Take the face out of the gallery, then out of every file, probe, and keep a receipt.
    Remove {
        /// Which removal.
        key: ReceiptKey,
        /// The customer it turned out to be, where it was merged.
        merged_into: Option<FaceId>,
    },
    /// The website does not have this row: out of the gallery, then out of the store. What is remembered of it is the
    /// seq.
    Drop {
        /// Whose row.
        face_id: FaceId,
        /// As of which seq it is known to be gone.
        as_of: Seq,
    },
    /// Store the row beside the others.
    Stage(Box<Put>),
    /// A face collected beside the others is removed.
    Unstage(FaceId),
    /// Take these rows over from beside, store them, then let the gallery know them.
    Adopt(Vec<FaceId>),
    /// Forget what stands beside.
    ClearStage,
    /// Every row counts to this epoch.
    AdoptEpoch(Epoch),
    /// A provisional face is one no longer.
    EndProvisional(FaceId, Fate),
    /// The visit that proposed this face is stored.
    SettleProvisional(FaceId, (Epoch, Seq)),
    /// These visits are stored, as of the website's clock.
    MarkSettled(Vec<VisitKey>, UnixMs),
    /// Nobody needs these visits any longer.
    ForgetVisits(Vec<VisitKey>),
    /// Every settled visit waits again.
    Unsettle,
    /// The website holds these receipts.
    ForgetReceipts(Vec<ReceiptKey>),
    /// The rows were found right.
    Verified(Seq, Total),
    /// Give up the session, and subscribe anew without a past.
    SubscribeAnew,
}

/// A row to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Whose.
    pub face_id: FaceId,
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The seq of its last change.
    pub seq: Seq,
    /// The keyed hash of its content.
    pub hash: RowHash,
    /// The content.
    pub customer: Customer,
}

/// What became of a provisional face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The website made it a customer: its row is there.
    Customer,
    /// The website has answered and made no customer of it, or not yet: its vector goes from every file, and the
    /// person counts as somebody without identity for the rest of the stay.
    Declined,
    /// It may be of somebody who was removed: its vector goes from everywhere.
    Nobody,
}
