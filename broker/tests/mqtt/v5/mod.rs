//! MQTT 5.0 through the public door.

mod aliases;
pub mod client;
mod connecting;
mod hostile;
mod messages;
mod options;
mod sequences;
mod sessions;
mod shared;
mod wills;
