//! Seeing, on real networks and real pictures. The pictures are not part of the project: where they are absent, the
//! tests that need them say so and pass.
#![allow(clippy::unwrap_used, missing_docs)]

mod clips;
mod data;
mod golden;
mod people;
mod proof;
mod sources;
mod tilted;
mod turned;
mod world;
