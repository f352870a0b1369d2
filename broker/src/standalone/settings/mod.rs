//! `broker.toml`.

pub mod error;
pub mod file;
pub mod limits;
pub mod listeners;
