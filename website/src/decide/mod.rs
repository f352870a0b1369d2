//! Every decision of the website as a pure function: state and event in, new state and commands out.
//!
//! Architecture invariant: no clock, no randomness, no I/O in here. The loops fetch, call and store; a
//! simulator can run the same functions with a world of its own.

pub mod fleet;
pub mod issue;
pub mod progress;
pub mod totals;
