//! Every decision of the website as a pure function: state and event in, new state and commands out.
//!
//! Architecture invariant: no clock, no randomness, no I/O in here. The loops fetch, call and store; a
//! simulator can run the same functions with a world of its own.

pub mod applied;
pub mod certificate;
pub mod difference;
pub mod epoch;
pub mod erasure;
pub mod fleet;
pub mod issue;
pub mod poll;
pub mod polled;
pub mod polls;
pub mod progress;
pub mod repair;
pub mod revocation;
#[cfg(test)]
pub(crate) mod sample;
pub mod settle;
pub mod tombstone;
pub mod totals;
pub mod visit;
pub mod withdrawal;
