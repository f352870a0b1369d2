//! The state of a client that outlives its connection: subscriptions, backlog, messages in flight, wills.

pub mod backlog;
pub mod inflight;
pub mod outgoing;
pub mod replay;
pub mod session;
pub mod sessions;
pub mod state;
pub mod wills;
pub mod write_buffer;
