//! MQTT 5.0 on the wire (OASIS standard of 7 March 2019): bytes to packets, packets to bytes. The files
//! above hold what both versions share.

pub mod aliases;
pub mod connack;
pub mod connect;
pub mod decode;
pub mod encode;
pub mod publish;

#[cfg(test)]
mod tests;
