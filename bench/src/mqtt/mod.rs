//! The load generator: as much of an MQTT 3.1.1 client as the figures need, over a raw socket, and as little work
//! a message as possible, so that what is measured is the broker.

mod client;
mod encode;
mod input;
mod stream;

pub use client::{Client, Login};
pub use encode::{Retain, puback, publish};
pub use input::Packet;
pub use stream::Road;
