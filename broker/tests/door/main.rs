//! The broker through its public door: real sockets, on loopback.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod away;
mod client_library;
mod five;
mod flood;
mod goodbye;
mod hostile;
mod login;
mod order;
mod paper;
mod raw;
mod retained;
mod sessions;
mod support;
mod tls;
mod websocket;
mod wills;
