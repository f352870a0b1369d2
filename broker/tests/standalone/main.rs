//! The stand-alone broker as a process, through real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod auth_cache;
mod auth_http;
#[path = "../mqtt/certificates.rs"]
mod certificates;
mod client;
mod denials;
mod encrypted;
mod limits;
mod open;
mod process;
mod program;
mod revoked;
mod serve;
mod tail;
