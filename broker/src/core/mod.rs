//! The broker without its sockets: what lanes, sessions and subscriptions do together.

pub mod core;
pub mod dispatch;
pub mod due_wills;
pub mod failure;
pub mod fanout;
pub mod report;
