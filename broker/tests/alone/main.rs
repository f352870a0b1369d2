//! The stand-alone broker as a process, through real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod asked;
mod client;
mod denials;
mod encrypted;
mod limits;
mod open;
#[path = "../door/paper.rs"]
mod paper;
mod process;
mod program;
mod revoked;
mod serve;
mod service;
mod tail;
