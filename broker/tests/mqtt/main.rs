//! The broker through real sockets, on loopback.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod away;
mod certificates;
mod client_library;
mod close;
mod flood;
mod hostile;
mod login;
mod order;
mod retained;
mod sessions;
mod support;
mod tls;
mod v5;
mod websocket;
mod wills;
