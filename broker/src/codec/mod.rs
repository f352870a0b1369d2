//! MQTT 3.1.1 and 5.0 on the wire: bytes to packets, packets to bytes. No socket, no session, no clock.

pub mod decode;
pub mod encode;
pub mod error;
pub mod fields;
pub mod packet;
pub mod properties;
pub mod reason;
pub mod v5;
