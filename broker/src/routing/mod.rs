//! From a published message to its lane and its readers: topics and filters, the lanes with their retained messages,
//! the router, and the index of subscriptions.

pub mod filter;
pub mod index;
pub mod lane;
pub mod message;
pub mod retained;
pub mod router;
pub mod topic;
