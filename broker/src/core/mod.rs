//! The broker without its sockets: what lanes, sessions and subscriptions do together.

pub mod core;
pub mod dispatch;
pub mod fanout;
pub mod report;
