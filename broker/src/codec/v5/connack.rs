//! CONNACK of MQTT 5.0.

use super::encode::{Why, fitting, packet_bytes, variable_bytes};
use crate::codec::encode::length;
use crate::codec::properties::put_binary;
use crate::codec::reason::ConnectReason;
use bytes::{BufMut, BytesMut};

/// The longest packet that the protocol has a length for, less its first bytes.
const PACKET_BYTES_MAX: u32 = 268_435_455;

/// The CONNACK of an accepted client. `None` is what the client asked for, or the protocol's default.
#[derive(Debug, Default)]
pub struct Connack {
    /// The session is the one the client left.
    pub session_present: bool,
    /// The session's expiry, if it is not the one asked for.
    pub session_expiry_s: Option<u32>,
    /// QoS 1 and 2 messages that the client may send at once.
    pub receive_max: u16,
    /// Bytes of one packet of the client.
    pub packet_bytes: u32,
    /// Topic aliases the client may use.
    pub alias_max: u16,
    /// The client id, if the client left it to the server.
    pub client_id: Option<String>,
    /// The keep-alive, if it is not the one asked for.
    pub keep_alive_s: Option<u16>,
}

/// Accepts a client.
pub fn accept(out: &mut BytesMut, connack: &Connack) {
    let Connack {
        session_present,
        session_expiry_s,
        receive_max,
        packet_bytes,
        alias_max,
        client_id,
        keep_alive_s,
    } = connack;
    let mut properties = BytesMut::new();
    if let Some(seconds) = session_expiry_s {
        properties.put_u8(0x11);
        properties.put_u32(*seconds);
    }
    properties.put_u8(0x22);
    properties.put_u16(*alias_max);
    if let Some(client_id) = client_id {
        properties.put_u8(0x12);
        put_binary(&mut properties, client_id.as_bytes());
    }
    if let Some(seconds) = keep_alive_s {
        properties.put_u8(0x13);
        properties.put_u16(*seconds);
    }
    // A maximum that no packet can exceed is left out.
    if *packet_bytes < PACKET_BYTES_MAX {
        properties.put_u8(0x27);
        properties.put_u32(*packet_bytes);
    }
    properties.put_u8(0x21);
    properties.put_u16(*receive_max);
    out.put_u8(0x20);
    length(out, 2 + variable_bytes(properties.len()) + properties.len());
    out.put_slice(&[u8::from(*session_present), 0]);
    length(out, properties.len());
    out.put_slice(&properties);
}

/// Refuses a client; writes nothing if it cannot take even the shortest packet.
pub fn refuse(out: &mut BytesMut, why: Why<'_, ConnectReason>, packet_max: usize) {
    match fitting(why.text, 2, packet_max) {
        None if packet_max < packet_bytes(3) => {}
        None => out.put_slice(&[0x20, 3, 0, why.reason as u8, 0]),
        Some(text) => {
            out.put_u8(0x20);
            length(out, 2 + text.section_bytes());
            out.put_slice(&[0, why.reason as u8]);
            text.put(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_what_differs_from_what_it_asked_for() {
        let mut out = BytesMut::new();
        let first = Connack { receive_max: 200, packet_bytes: 65_536, alias_max: 10, ..Connack::default() };
        accept(&mut out, &first);
        assert_eq!(out[..], b"\x20\x0e\x00\x00\x0b\x22\x00\x0a\x27\x00\x01\x00\x00\x21\x00\xc8"[..]);
        out.clear();
        let more = Connack {
            session_present: true,
            session_expiry_s: Some(1),
            client_id: Some("c".into()),
            keep_alive_s: Some(2),
            ..first
        };
        accept(&mut out, &more);
        assert_eq!(out[..5], b"\x20\x1a\x01\x00\x17"[..]);
        assert_eq!(out[5..10], b"\x11\x00\x00\x00\x01"[..]);
        assert_eq!(out[10..20], b"\x22\x00\x0a\x12\x00\x01c\x13\x00\x02"[..]);
        out.clear();
        accept(&mut out, &Connack { packet_bytes: PACKET_BYTES_MAX, receive_max: 20, ..Connack::default() });
        assert_eq!(out[..], b"\x20\x09\x00\x00\x06\x22\x00\x00\x21\x00\x14"[..]);
    }

    #[test]
    fn a_client_is_told_why_it_is_turned_away_if_it_can_take_so_much() {
        let why = Why { reason: ConnectReason::BadLogin, text: Some("no") };
        for (packet_max, expected) in
            [(10, &b"\x20\x03\x00\x86\x00"[..]), (100, b"\x20\x08\x00\x86\x05\x1f\x00\x02no")]
        {
            let mut out = BytesMut::new();
            refuse(&mut out, why, packet_max.min(9 + packet_max / 100));
            assert_eq!(out[..], expected[..]);
        }
    }
}
