//! `broker.toml`.

pub mod file;
pub mod limits;
pub mod listeners;
