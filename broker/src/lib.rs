//! An MQTT broker to be embedded: rumqttd's router as the live bus, behind our own door.

mod access;
mod backlog;
mod broker;
mod client;
mod connection;
mod counters;
mod decode;
mod dispatch;
mod door;
mod encode;
mod handshake;
mod index;
mod lane;
mod limits;
mod listener;
mod message;
mod packet;
mod principal;
mod replay;
mod report;
mod retained;
mod router;
mod session;
mod sessions;
mod state;
mod topic;
mod window;

pub use access::{Action, may};
pub use broker::{Broker, Config, Failure, Plaintext, StartError};
pub use counters::Counters;
pub use limits::{Limits, Quota};
pub use principal::{Credentials, Login, LoginFuture, Principal, Refused, Scope};
