//! MQTT 5.0 through real sockets.

mod aliases;
mod connecting;
mod hostile;
mod messages;
mod options;
mod sequences;
mod sessions;
mod shared;
mod wills;
