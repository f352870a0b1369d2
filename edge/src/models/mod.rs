//! Models anybody can get: which sets are known, where they lie, and how they come there, with their licences agreed to
//! and every byte compared with what a manifest says.
//!
//! ```text
//! pull: licence -> fetch (address, part) -> convert -> checked by hash -> place
//! ```
//!
//! Architecture invariant: under its own name lies only what is complete and right; whatever is on its way is called
//! `.part`, and one process at a time works in a folder.

pub mod address;
mod check;
pub mod command;
pub mod convert;
pub mod fetch;
pub mod library;
pub mod licence;
mod list;
mod part;
pub mod place;
mod progress;
mod pull;

pub use address::Address;
pub use command::ModelsCommand;
pub use fetch::{Fetcher, Wanted};
