//! What an edge does with what it is told: pure decisions, without a clock, without I/O, without randomness.
//!
//! An [`Event`] and the time go into [`Core::apply`], [`Command`]s come out; whoever owns the store, the gallery and
//! the session carries them out in their order. Signatures are checked before anything gets here. The rules are those
//! of the protocol: only a newer seq wins, nothing at or below the verified floor is believed, another epoch's word is
//! ignored, and only a signed head with an equal digest makes the edge *verified*.
//!
//! Architecture invariant: nothing in this folder knows of files, sockets, threads or clocks, so that a simulator can
//! drive it through any schedule.

mod audit;
mod command;
mod core;
mod grace;
mod history;
mod lease;
mod loaded;
mod now;
mod outbox;
mod provisional;
mod receipts;
mod repair;
mod reporting;
mod rows;
mod talk;

pub use self::core::{Claim, Core, ReportContext};
pub use audit::{Audit, Finding, Slice};
pub use command::{Command, Event, Fate, Put};
pub use grace::{Grace, Rightness};
pub use history::{History, Total};
pub use lease::{Freshness, Lease};
pub use loaded::{Loaded, Standing};
pub use now::{Now, Ran};
pub use outbox::{Entry, Outbox, Overflow, Settlement, VisitKey, WAITING_MAX, Weight};
pub use provisional::{Provisional, Provisionals};
pub use receipts::Receipts;
pub use repair::{Diagnosis, Repairs};
pub use reporting::{Reporting, Told};
pub use rows::{Comparison, Row, Rows, Ruling};
