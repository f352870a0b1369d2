//! The stand-alone broker as a process, through real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod asked;
mod client;
mod limits;
mod process;
mod program;
mod serve;
mod service;
mod tail;
