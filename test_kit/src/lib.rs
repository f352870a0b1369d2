//! What the tests of every crate share. It depends on none of our crates, so that all of them may use it: whatever is
//! tested is known here by its address only.
#![allow(clippy::unwrap_used)]

mod disk;
mod face_data;
pub mod mqtt;
pub mod postgres;
mod skip;
mod until;

pub use disk::Disk;
pub use face_data::face_data;
pub use skip::{Lack, skip};
pub use until::{Answer, until, until_async};
