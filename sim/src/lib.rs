//! The sync, broken in every way a seed can think of, in one thread.
//!
//! The real core of the edge, its gallery, its clock and its stays; the real decisions of the website; between them a
//! broker that loses, doubles, reorders and forgets, and around them power cuts between any two steps of the edge's plan, restored
//! databases, boxes rolled back, replaced and cloned, rotten rows and clocks that jump. Every run follows from its
//! seed alone, so a failing one replays exactly: `sim trace SEED`.
//!
//! What a run checks is in [`truth`]. What it leaves to others: bytes and signatures (the rims' tests), access of one
//! location to another's topics (the door's tests), files and their log (the store's tests).

mod broker;
mod dice;
mod edge_box;
mod letter;
mod people;
pub mod rules;
mod site;
pub mod truth;
mod world;

pub use rules::{Rule, Rules};
pub use truth::Violation;
pub use world::{Log, run};
