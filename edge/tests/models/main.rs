//! Models anybody can get: fetched from a server of this machine that behaves or does not, converted, checked. The
//! published files are not part of the project: where they are absent, the tests that need them are skipped.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

mod converting;
#[path = "../face/data.rs"]
mod data;
mod fetching;
mod program;
mod pulling;
mod server;
mod small;
#[path = "../face/world.rs"]
mod world;
