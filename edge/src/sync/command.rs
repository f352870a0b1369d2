//! What goes into the core, and what it asks for.

use super::{history::Total, outbox::VisitKey, repair::Diagnosis};
use protocol::{
    Epoch, FaceId, Round, RowHash, Seq, UnixMs,
    message::{Change, Command as Order, Customer, Head, ReceiptKey, Report, Roster, Settled},
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
    /// A page of the answer to a repair.
    Roster(Roster),
    /// A row that the edge wanted in this round, and the keyed hash of its content when it is live.
    Wanted(Round, Box<Change>, Option<RowHash>),
    /// Visits are stored.
    Settled(Settled),
    /// Receipts are stored.
    ReceiptsStored(Vec<ReceiptKey>),
    /// The website asks for something.
    Order(Order),
    /// The session with the broker began.
    SessionBegan,
    /// The session with the broker ended.
    SessionEnded,
    /// Time went by.
    Tick,
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
    /// Too many receipts wait: these are lost, and counted as such.
    LoseReceipts(Vec<ReceiptKey>),
    /// The rows were found right.
    Verified(Seq, Total),
    /// Say this to the website, once what stands before is stored.
    Say(Report),
    /// Read the rows from the store again: the website does not trust them.
    ReadAgain,
    /// Every row, every face of the edge's own and the lease go; why is kept.
    GiveUp(Diagnosis),
}

impl Command {
    /// Whether the cache has to be written for it.
    pub fn concerns_cache(&self) -> bool {
        match self {
            Self::Put(_)
            | Self::Remove { .. }
            | Self::Drop { .. }
            | Self::AdoptEpoch(_)
            | Self::GiveUp(_)
            | Self::EndProvisional(..)
            | Self::SettleProvisional(..)
            | Self::ForgetReceipts(_)
            | Self::LoseReceipts(_) => true,
            Self::MarkSettled(..)
            | Self::ForgetVisits(_)
            | Self::Unsettle
            | Self::Verified(..)
            | Self::Say(_)
            | Self::ReadAgain => false,
        }
    }

    /// Whether the outbox has to be written for it.
    pub fn concerns_outbox(&self) -> bool {
        match self {
            Self::Remove { .. }
            | Self::Drop { .. }
            | Self::EndProvisional(_, Fate::Declined | Fate::Nobody)
            | Self::MarkSettled(..)
            | Self::ForgetVisits(_)
            | Self::Unsettle
            | Self::ForgetReceipts(_)
            | Self::LoseReceipts(_)
            | Self::GiveUp(_) => true,
            Self::Put(_)
            | Self::AdoptEpoch(_)
            | Self::EndProvisional(_, Fate::Customer)
            | Self::SettleProvisional(..)
            | Self::Verified(..)
            | Self::Say(_)
            | Self::ReadAgain => false,
        }
    }

    /// Whether losing it to a power cut would lose more than work: that a receipt is owed no longer may be lost, because
    /// the website takes a receipt twice.
    pub fn must_last(&self) -> bool {
        self.concerns_cache() && !matches!(self, Self::ForgetReceipts(_) | Self::LoseReceipts(_))
    }

    /// Whether it takes a face out of a file: out of the cache, or out of the outbox, where the visit that proposed the
    /// face holds it too.
    pub fn erases(&self) -> bool {
        match self {
            Self::Remove { .. } | Self::Drop { .. } | Self::GiveUp(_) => true,
            Self::EndProvisional(_, fate) => *fate != Fate::Customer,
            Self::Put(_)
            | Self::AdoptEpoch(_)
            | Self::SettleProvisional(..)
            | Self::MarkSettled(..)
            | Self::ForgetVisits(_)
            | Self::Unsettle
            | Self::ForgetReceipts(_)
            | Self::LoseReceipts(_)
            | Self::Verified(..)
            | Self::Say(_)
            | Self::ReadAgain => false,
        }
    }

    /// The face that it takes out of the live gallery, if it takes out one.
    pub fn takes_out(&self) -> Option<&FaceId> {
        match self {
            Self::Remove { key, merged_into: _ } => Some(&key.face_id),
            Self::Drop { face_id, as_of: _ } => Some(face_id),
            Self::EndProvisional(face_id, Fate::Declined | Fate::Nobody) => Some(face_id),
            Self::EndProvisional(_, Fate::Customer)
            | Self::Put(_)
            | Self::AdoptEpoch(_)
            | Self::SettleProvisional(..)
            | Self::MarkSettled(..)
            | Self::ForgetVisits(_)
            | Self::Unsettle
            | Self::ForgetReceipts(_)
            | Self::LoseReceipts(_)
            | Self::Verified(..)
            | Self::Say(_)
            | Self::ReadAgain
            | Self::GiveUp(_) => None,
        }
    }
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
