//! MQTT clients of which a test decides every byte: 3.1.1 and 5.0, on the same packets.

pub mod packet;
pub mod v3;
pub mod v5;
