//! The messages, version 1. A shipped version is never edited: a new one is appended beside it.
//!
//! Everything under `store/` is one of [`Change`], [`SignedHead`], [`Inbox`], [`Report`] and [`Visit`].

mod applied;
mod change;
mod head;
mod inbox;
mod repair;
mod visit;

pub use applied::{Applied, Probe, Receipt, RepairCounts, Report, SignedApplied, Start, SyncState};
pub use change::{Change, Customer, CustomerState, Flag, ParseFlagError};
pub use head::{EnrolPolicy, Head, ParseEnrolPolicyError, SignedHead};
pub use inbox::{Command, Inbox, ReceiptKey, ReceiptsStored, Settled};
pub use repair::{BucketRoster, Repair, Roster, RosterRow, Want};
pub use visit::{Basis, Seen, Similarity, Visit};

/// How many faces, receipts or roster rows stand on one page of a long message, so that a page stays below
/// 32 KiB even with ids of 64 characters.
pub const PAGE_ITEMS: usize = 320;
