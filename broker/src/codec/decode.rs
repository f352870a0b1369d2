//! Bytes to packets. Any bytes give a packet, "incomplete" or an error; nothing here panics, and nothing is
//! allocated but the list of filters of one packet that has arrived completely.

use super::error::{Fault, Malformed};
use super::fields::Fields;
use super::packet::{
    Connect, Delivery, Disconnect, MqttVersion, Options, Packet, Publish, QoS, Subscribe, WillOnDisconnect,
    WillPacket,
};
use super::properties::{AliasedTopic, Properties};
use super::reason::{AckReason, ReleaseReason};

/// A DISCONNECT of MQTT 3.1.1.
const NORMAL_DISCONNECT: Disconnect = Disconnect { will: WillOnDisconnect::Discard, session_expiry_s: None };

/// The first byte of every CONNECT.
const CONNECT: u8 = 0x10;

/// One packet as it lies in the buffer, complete but not decoded yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte: type and flags.
    pub first: u8,
    /// What is behind the remaining length.
    pub body: &'a [u8],
    /// Bytes of the whole packet.
    pub bytes: usize,
}

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstPacket<'a> {
    /// A CONNECT of a protocol that is served.
    Connect(Connect<'a>),
    /// A CONNECT of MQTT 5.0 that must be refused with a reason.
    Invalid(Fault),
    /// MQTT, but a version this broker does not serve.
    UnsupportedVersion(u8),
}

/// Whether these first bytes of a connection can still become a CONNECT: decided by the first one, so that
/// a client of another protocol is closed at once.
pub fn may_be_connect(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| *first == CONNECT)
}

/// Cuts the first packet off `bytes`; `None` when it has not arrived completely. Lengths are checked before the
/// packet is waited for.
pub fn frame(bytes: &[u8], max_bytes: usize) -> Result<Option<Frame<'_>>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let mut length = 0usize;
    for (at, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        let header = at + 2;
        if header + length > max_bytes {
            return Err(Malformed::TooLong);
        }
        if byte & 0x80 == 0 {
            let body = rest.get(at + 1..at + 1 + length);
            return Ok(body.map(|body| Frame { first, body, bytes: header + length }));
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(Malformed::Length) }
}

impl<'a> Frame<'a> {
    /// Decodes the first packet of a connection, which must be CONNECT.
    pub fn first_packet(&self) -> Result<FirstPacket<'a>, Malformed> {
        if self.first != CONNECT {
            return Err(if self.first >> 4 == 1 { Malformed::Flags } else { Malformed::Type });
        }
        let mut fields = Fields(self.body);
        let name = fields.text()?;
        let version = fields.byte()?;
        match (name, version) {
            ("MQTT", 4) => Ok(FirstPacket::Connect(connect(fields)?)),
            ("MQTT", 5) => Ok(crate::codec::v5::connect::connect(fields)
                .map_or_else(FirstPacket::Invalid, FirstPacket::Connect)),
            ("MQTT" | "MQIsdp", other) => Ok(FirstPacket::UnsupportedVersion(other)),
            _ => Err(Malformed::Protocol),
        }
    }

    /// Decodes a packet of MQTT 3.1.1 after CONNECT.
    pub fn packet(&self) -> Result<Packet<'a>, Malformed> {
        let flags = self.first & 0x0f;
        let mut fields = Fields(self.body);
        let packet = match self.first >> 4 {
            3 => return publish(flags, fields),
            kind @ (4..=7 | 8 | 10) => {
                let expected = if matches!(kind, 4 | 5 | 7) { 0 } else { 2 };
                if flags != expected {
                    return Err(Malformed::Flags);
                }
                let id = fields.id()?;
                match kind {
                    4 => Packet::PubAck(id, AckReason::Success),
                    5 => Packet::PubRec(id, AckReason::Success),
                    6 => Packet::PubRel(id, ReleaseReason::Success),
                    7 => Packet::PubComp(id, ReleaseReason::Success),
                    8 => Packet::Subscribe(Subscribe { id, filters: subscriptions(&mut fields)? }),
                    _ => Packet::Unsubscribe(id, filters(&mut fields)?),
                }
            }
            kind @ (12 | 14) if flags == 0 => {
                if kind == 12 {
                    Packet::Ping
                } else {
                    Packet::Disconnect(NORMAL_DISCONNECT)
                }
            }
            12 | 14 => return Err(Malformed::Flags),
            _ => return Err(Malformed::Type),
        };
        fields.end()?;
        Ok(packet)
    }
}

fn connect(mut fields: Fields<'_>) -> Result<Connect<'_>, Malformed> {
    let flags = fields.byte()?;
    let keep_alive_s = fields.number()?;
    let client_id = fields.text()?;
    let (has_will, qos, retain) = (flags & 0x04 != 0, flags >> 3 & 3, flags & 0x20 != 0);
    if flags & 0x01 != 0 || (!has_will && (qos != 0 || retain)) {
        return Err(Malformed::Flags);
    }
    let will = if has_will {
        let qos = QoS::from_bits(qos).ok_or(Malformed::Value)?;
        let (topic, payload, properties) = (fields.text()?, fields.binary()?, Properties::default());
        Some(WillPacket { topic, payload, qos, retain, delay_s: 0, properties })
    } else {
        None
    };
    let has_username = flags & 0x80 != 0;
    let has_password = flags & 0x40 != 0;
    if has_password && !has_username {
        return Err(Malformed::Flags);
    }
    let username = if has_username { Some(fields.text()?) } else { None };
    let password = if has_password { Some(fields.binary()?) } else { None };
    fields.end()?;
    let clean_start = flags & 0x02 != 0;
    let session_expiry_s = if clean_start { 0 } else { u32::MAX };
    let version = MqttVersion::V4;
    Ok(Connect { version, client_id, clean_start, session_expiry_s, keep_alive_s, will, username, password })
}

fn publish(flags: u8, mut fields: Fields<'_>) -> Result<Packet<'_>, Malformed> {
    let qos = QoS::from_bits(flags >> 1 & 3).ok_or(Malformed::Value)?;
    let topic = AliasedTopic::Name(fields.text()?);
    let delivery = match qos {
        // A QoS 0 message is never sent again, so it cannot be a duplicate.
        QoS::Zero if flags & 0x08 != 0 => return Err(Malformed::Flags),
        QoS::Zero => Delivery::Zero,
        QoS::One => Delivery::One(fields.id()?),
        QoS::Two => Delivery::Two(fields.id()?),
    };
    let (payload, properties) = (fields.rest(), Properties::default());
    Ok(Packet::Publish(Publish { topic, payload, retain: flags & 1 != 0, delivery, properties }))
}

fn subscriptions<'a>(fields: &mut Fields<'a>) -> Result<Vec<(&'a str, Options)>, Malformed> {
    let mut list = Vec::new();
    while !fields.is_empty() {
        let filter = fields.text()?;
        list.push((filter, Options::of_qos(QoS::from_bits(fields.byte()?).ok_or(Malformed::Value)?)));
    }
    if list.is_empty() { Err(Malformed::Value) } else { Ok(list) }
}

fn filters<'a>(fields: &mut Fields<'a>) -> Result<Vec<&'a str>, Malformed> {
    let mut list = Vec::new();
    while !fields.is_empty() {
        list.push(fields.text()?);
    }
    if list.is_empty() { Err(Malformed::Value) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, Malformed> {
        frame(bytes, 1000)?.map(|frame| frame.packet()).transpose()
    }

    #[test]
    fn packets_are_decoded() {
        let id = crate::codec::fields::PacketId::new(7).unwrap();
        let cases: &[(&[u8], Packet<'_>)] = &[
            (
                b"\x33\x07\x00\x01a\x00\x07hi",
                Packet::Publish(Publish {
                    topic: AliasedTopic::Name("a"),
                    payload: b"hi",
                    retain: true,
                    delivery: Delivery::One(id),
                    properties: Properties::default(),
                }),
            ),
            (
                b"\x30\x03\x00\x01a",
                Packet::Publish(Publish {
                    topic: AliasedTopic::Name("a"),
                    payload: b"",
                    retain: false,
                    delivery: Delivery::Zero,
                    properties: Properties::default(),
                }),
            ),
            (b"\x40\x02\x00\x07", Packet::PubAck(id, AckReason::Success)),
            (b"\x50\x02\x00\x07", Packet::PubRec(id, AckReason::Success)),
            (b"\x62\x02\x00\x07", Packet::PubRel(id, ReleaseReason::Success)),
            (b"\x70\x02\x00\x07", Packet::PubComp(id, ReleaseReason::Success)),
            (
                b"\x82\x06\x00\x07\x00\x01#\x01",
                Packet::Subscribe(Subscribe { id, filters: vec![("#", Options::of_qos(QoS::One))] }),
            ),
            (b"\xa2\x05\x00\x07\x00\x01#", Packet::Unsubscribe(id, vec!["#"])),
            (b"\xc0\x00", Packet::Ping),
            (b"\xe0\x00", Packet::Disconnect(NORMAL_DISCONNECT)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(packet(bytes).unwrap().as_ref(), Some(expected));
            for cut in 0..bytes.len() {
                assert_eq!(packet(&bytes[..cut]), Ok(None), "{expected:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let cases: &[(&[u8], Malformed)] = &[
            (b"\x00\x00", Malformed::Type),
            (b"\x10\x00", Malformed::Type),
            (b"\x20\x02\x00\x00", Malformed::Type),
            (b"\xf0\x00", Malformed::Type),
            (b"\xc1\x00", Malformed::Flags),
            (b"\xc0\x01x", Malformed::Fields),
            (b"\x36\x05\x00\x01a\x00\x07", Malformed::Value),
            (b"\x38\x03\x00\x01a", Malformed::Flags),
            (b"\x32\x05\x00\x01a\x00\x00", Malformed::Value),
            (b"\x32\x04\x00\x01a\x00", Malformed::Fields),
            (b"\x30\x03\x00\x02a", Malformed::Fields),
            (b"\x30\x03\x00\x01\xff", Malformed::Text),
            (b"\x30\x03\x00\x01\x00", Malformed::Text),
            (b"\x60\x02\x00\x07", Malformed::Flags),
            (b"\x40\x03\x00\x07x", Malformed::Fields),
            (b"\x82\x02\x00\x07", Malformed::Value),
            (b"\x82\x06\x00\x07\x00\x01#\x03", Malformed::Value),
            (b"\x82\x05\x00\x07\x00\x01#", Malformed::Fields),
            (b"\xa2\x02\x00\x07", Malformed::Value),
            (b"\x30\xff\xff\xff\x7f", Malformed::TooLong),
            (b"\x30\x80\x80\x80\x80\x01", Malformed::Length),
        ];
        for (bytes, expected) in cases {
            assert_eq!(packet(bytes), Err(*expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_connect_is_decoded_or_told_from_other_versions() {
        let first = |bytes: &'static [u8]| frame(bytes, 1000).unwrap().unwrap().first_packet();
        assert_eq!(
            first(
                b"\x10\x1a\x00\x04MQTT\x04\xf6\x00\x3c\x00\x01c\x00\x01w\x00\x02\xff\xff\x00\x01u\x00\x01p"
            ),
            Ok(FirstPacket::Connect(Connect {
                version: MqttVersion::V4,
                client_id: "c",
                clean_start: true,
                session_expiry_s: 0,
                keep_alive_s: 60,
                will: Some(WillPacket {
                    topic: "w",
                    payload: b"\xff\xff",
                    qos: QoS::Two,
                    retain: true,
                    delay_s: 0,
                    properties: Properties::default(),
                }),
                username: Some("u"),
                password: Some(b"p"),
            }))
        );
        assert_eq!(first(b"\x10\x07\x00\x04MQTT\x06"), Ok(FirstPacket::UnsupportedVersion(6)));
        assert_eq!(first(b"\x10\x09\x00\x06MQIsdp\x03"), Ok(FirstPacket::UnsupportedVersion(3)));
        let cases: &[(&'static [u8], Malformed)] = &[
            (b"\x10\x07\x00\x04HTTP\x04", Malformed::Protocol),
            (b"\xc0\x00", Malformed::Type),
            (b"\x11\x00", Malformed::Flags),
            (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00", Malformed::Flags),
            (b"\x10\x0c\x00\x04MQTT\x04\x22\x00\x00\x00\x00", Malformed::Flags),
            (b"\x10\x0f\x00\x04MQTT\x04\x42\x00\x00\x00\x00\x00\x01p", Malformed::Flags),
            (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x00x", Malformed::Fields),
        ];
        for (bytes, expected) in cases {
            assert_eq!(first(bytes), Err(*expected), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(Some(frame)) = frame(&bytes, 64) {
                prop_assert!(frame.bytes <= 64 && frame.bytes <= bytes.len());
                let _ = frame.first_packet();
                let _ = frame.packet();
            }
        }

        #[test]
        fn any_body_of_any_type_gives_a_value_or_an_error(
            first in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = vec![first, body.len() as u8];
            bytes.extend(body);
            let frame = frame(&bytes, 100).expect("short").expect("complete");
            let _ = frame.first_packet();
            let _ = frame.packet();
        }
    }
}
