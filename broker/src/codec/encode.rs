//! Packets to bytes, appended to what is waiting to be written.

use super::fields::PacketId;
use super::packet::QoS;
use super::reason::SubscribeReason;
use bytes::{BufMut, BytesMut};

/// CONNACK return codes of MQTT 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectCode {
    /// Accepted.
    Accepted {
        /// The broker still has the client's session.
        session_present: bool,
    },
    /// A version of MQTT that is not served here.
    BadVersion,
    /// The client id is not the one this login must use, too long, or missing.
    BadClientId,
    /// The login cannot be checked at the moment.
    Unavailable,
    /// Unknown name or wrong password.
    BadLogin,
    /// Not allowed.
    NotAuthorised,
}

/// CONNACK.
pub fn connack(out: &mut BytesMut, code: ConnectCode) {
    let (present, code) = match code {
        ConnectCode::Accepted { session_present } => (u8::from(session_present), 0),
        ConnectCode::BadVersion => (0, 1),
        ConnectCode::BadClientId => (0, 2),
        ConnectCode::Unavailable => (0, 3),
        ConnectCode::BadLogin => (0, 4),
        ConnectCode::NotAuthorised => (0, 5),
    };
    out.put_slice(&[0x20, 2, present, code]);
}

/// PUBLISH. `id` is `None` exactly for QoS 0.
pub fn publish(
    out: &mut BytesMut,
    topic: &[u8],
    payload: &[u8],
    retain: bool,
    id: Option<(PacketId, QoS, Dup)>,
) {
    let (bits, id_bytes) = match id {
        None => (0, 0),
        Some((_, qos, dup)) => ((qos as u8) << 1 | u8::from(dup == Dup::Again) << 3, 2),
    };
    out.reserve(5 + 2 + topic.len() + id_bytes + payload.len());
    out.put_u8(0x30 | bits | u8::from(retain));
    length(out, 2 + topic.len() + id_bytes + payload.len());
    out.put_u16(u16::try_from(topic.len()).expect("topics are checked to be short when they arrive"));
    out.put_slice(topic);
    if let Some((id, ..)) = id {
        out.put_u16(id.get());
    }
    out.put_slice(payload);
}

/// Whether a PUBLISH has been sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dup {
    /// For the first time.
    First,
    /// Once more, because it was not acknowledged.
    Again,
}

/// PUBACK.
pub fn puback(out: &mut BytesMut, id: PacketId) {
    short(out, 0x40, id);
}

/// PUBREC.
pub fn pubrec(out: &mut BytesMut, id: PacketId) {
    short(out, 0x50, id);
}

/// PUBREL.
pub fn pubrel(out: &mut BytesMut, id: PacketId) {
    short(out, 0x62, id);
}

/// PUBCOMP.
pub fn pubcomp(out: &mut BytesMut, id: PacketId) {
    short(out, 0x70, id);
}

/// UNSUBACK.
pub fn unsuback(out: &mut BytesMut, id: PacketId) {
    short(out, 0xb0, id);
}

/// SUBACK: the granted QoS of each filter; there is one code for all refusals.
pub fn suback(out: &mut BytesMut, id: PacketId, granted: &[Result<QoS, SubscribeReason>]) {
    out.put_u8(0x90);
    length(out, 2 + granted.len());
    out.put_u16(id.get());
    out.extend(granted.iter().map(|qos| qos.map_or(0x80, |qos| qos as u8)));
}

/// PINGRESP.
pub fn pingresp(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

fn short(out: &mut BytesMut, first: u8, id: PacketId) {
    let [high, low] = id.get().to_be_bytes();
    out.put_slice(&[first, 2, high, low]);
}

/// A variable number, such as the bytes that follow.
pub fn length(out: &mut BytesMut, mut bytes: usize) {
    while bytes > 0x7f {
        out.put_u8(bytes as u8 & 0x7f | 0x80);
        bytes >>= 7;
    }
    out.put_u8(bytes as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode::frame;
    use crate::codec::packet::{Delivery, Packet, Publish};
    use crate::codec::properties::{AliasedTopic, Properties};

    #[test]
    fn a_publish_is_read_as_it_was_written() {
        let id = PacketId::new(300).unwrap();
        for payload_bytes in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let payload = vec![b'x'; payload_bytes];
            for (with, delivery) in [
                (None, Delivery::Zero),
                (Some((id, QoS::One, Dup::Again)), Delivery::One(id)),
                (Some((id, QoS::Two, Dup::First)), Delivery::Two(id)),
            ] {
                let mut out = BytesMut::new();
                publish(&mut out, "a/é".as_bytes(), &payload, true, with);
                let frame = frame(&out, 100_000).unwrap().unwrap();
                assert_eq!(frame.bytes, out.len());
                let (topic, properties) = (AliasedTopic::Name("a/é"), Properties::default());
                let expected = Publish { topic, payload: &payload, retain: true, delivery, properties };
                assert_eq!(frame.packet().unwrap(), Packet::Publish(expected));
            }
        }
    }
}
