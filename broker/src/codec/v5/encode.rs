//! The packets that a server sends, but CONNACK and PUBLISH. A reason string is left out when the packet
//! would otherwise be larger than the client can take.

use crate::codec::encode::length;
use crate::codec::fields::PacketId;
use crate::codec::packet::QoS;
use crate::codec::properties::put_binary;
use crate::codec::reason::{AckReason, DisconnectReason, ReleaseReason, SubscribeReason, UnsubscribeReason};
use bytes::{BufMut, BytesMut};

/// Bytes of a variable number.
pub fn variable_bytes(number: usize) -> usize {
    match number {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Bytes of a packet with such a body.
pub fn packet_bytes(body: usize) -> usize {
    1 + variable_bytes(body) + body
}

/// A packet's reason, with a text for people if there is one and the client wants it.
#[derive(Debug, Clone, Copy)]
pub struct Why<'a, R> {
    /// The code.
    pub reason: R,
    /// The text.
    pub text: Option<&'a str>,
}

/// PUBACK.
pub fn puback(out: &mut BytesMut, id: PacketId, why: Why<'_, AckReason>, packet_max: usize) {
    acknowledge(out, 0x40, id, (why.reason as u8, why.text), packet_max);
}

/// PUBREC.
pub fn pubrec(out: &mut BytesMut, id: PacketId, why: Why<'_, AckReason>, packet_max: usize) {
    acknowledge(out, 0x50, id, (why.reason as u8, why.text), packet_max);
}

/// PUBREL.
pub fn pubrel(out: &mut BytesMut, id: PacketId, reason: ReleaseReason) {
    acknowledge(out, 0x62, id, (reason as u8, None), usize::MAX);
}

/// PUBCOMP.
pub fn pubcomp(out: &mut BytesMut, id: PacketId, reason: ReleaseReason) {
    acknowledge(out, 0x70, id, (reason as u8, None), usize::MAX);
}

fn acknowledge(
    out: &mut BytesMut,
    first: u8,
    id: PacketId,
    (reason, text): (u8, Option<&str>),
    packet_max: usize,
) {
    let [high, low] = id.get().to_be_bytes();
    let Some(text) = fitting(text, 3, packet_max) else {
        // Success may be left out.
        return match reason {
            0 => out.put_slice(&[first, 2, high, low]),
            _ => out.put_slice(&[first, 3, high, low, reason]),
        };
    };
    out.put_u8(first);
    length(out, 3 + text.section_bytes());
    out.put_slice(&[high, low, reason]);
    text.put(out);
}

/// A reason string, as the only property of a packet.
pub struct Text<'a>(&'a str);

/// The text, if a packet with it and `other` bytes in its body is not too large.
pub fn fitting(text: Option<&str>, other: usize, packet_max: usize) -> Option<Text<'_>> {
    let text = Text(text?);
    (packet_bytes(other + text.section_bytes()) <= packet_max).then_some(text)
}

impl Text<'_> {
    fn property_bytes(&self) -> usize {
        3 + self.0.len()
    }

    /// Bytes of a section with nothing else in it.
    pub fn section_bytes(&self) -> usize {
        variable_bytes(self.property_bytes()) + self.property_bytes()
    }

    /// Writes that section.
    pub fn put(&self, out: &mut BytesMut) {
        length(out, self.property_bytes());
        out.put_u8(0x1f);
        put_binary(out, self.0.as_bytes());
    }
}

/// Bytes of a SUBACK or UNSUBACK for so many filters.
pub fn answer_bytes(filters: usize) -> usize {
    packet_bytes(3 + filters)
}

/// SUBACK: for each filter the granted QoS, or why it was refused.
pub fn suback(out: &mut BytesMut, id: PacketId, granted: &[Result<QoS, SubscribeReason>]) {
    out.put_u8(0x90);
    length(out, 3 + granted.len());
    out.put_u16(id.get());
    out.put_u8(0);
    out.extend(granted.iter().map(|granted| match granted {
        Ok(qos) => *qos as u8,
        Err(reason) => *reason as u8,
    }));
}

/// UNSUBACK: what became of each filter.
pub fn unsuback(out: &mut BytesMut, id: PacketId, ended: &[UnsubscribeReason]) {
    out.put_u8(0xb0);
    length(out, 3 + ended.len());
    out.put_u16(id.get());
    out.put_u8(0);
    out.extend(ended.iter().map(|reason| *reason as u8));
}

/// DISCONNECT.
pub fn disconnect(out: &mut BytesMut, why: Why<'_, DisconnectReason>, packet_max: usize) {
    match fitting(why.text, 1, packet_max) {
        None => out.put_slice(&[0xe0, 1, why.reason as u8]),
        Some(text) => {
            out.put_u8(0xe0);
            length(out, 1 + text.section_bytes());
            out.put_u8(why.reason as u8);
            text.put(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode::frame;
    use crate::codec::packet::Packet;
    use crate::codec::v5::decode::packet;

    fn read(bytes: &BytesMut) -> Packet<'_> {
        let frame = frame(bytes, 1_000_000).unwrap().unwrap();
        assert_eq!(frame.bytes, bytes.len());
        packet(frame.first, frame.body).unwrap()
    }

    #[test]
    fn acknowledgements_are_read_as_they_were_written() {
        let id = PacketId::new(300).unwrap();
        for reason in (0..=255).filter_map(AckReason::from_byte) {
            for (text, packet_max) in [(None, 4), (Some("because"), 5), (Some("because"), 100)] {
                let why = Why { reason, text };
                let (mut ack, mut rec) = (BytesMut::new(), BytesMut::new());
                puback(&mut ack, id, why, packet_max);
                pubrec(&mut rec, id, why, packet_max);
                assert_eq!(read(&ack), Packet::PubAck(id, reason));
                assert_eq!(read(&rec), Packet::PubRec(id, reason));
                assert_eq!(ack.len() > 5, text.is_some() && packet_max == 100);
            }
        }
        for reason in (0..=255).filter_map(ReleaseReason::from_byte) {
            let (mut rel, mut comp) = (BytesMut::new(), BytesMut::new());
            pubrel(&mut rel, id, reason);
            pubcomp(&mut comp, id, reason);
            assert_eq!(read(&rel), Packet::PubRel(id, reason));
            assert_eq!(read(&comp), Packet::PubComp(id, reason));
        }
    }

    #[test]
    fn a_text_is_left_out_where_it_does_not_fit() {
        let long = "x".repeat(200);
        for packet_max in 0..300 {
            let mut out = BytesMut::new();
            let why = Why { reason: DisconnectReason::Malformed, text: Some(&long) };
            disconnect(&mut out, why, packet_max);
            let whole = 1 + 2 + 1 + 2 + 3 + 200;
            assert_eq!(out.len(), if packet_max < whole { 3 } else { whole });
            read(&out);
        }
    }

    #[test]
    fn subscriptions_are_answered_one_by_one() {
        let id = PacketId::new(7).unwrap();
        let mut out = BytesMut::new();
        suback(&mut out, id, &[Ok(QoS::Two), Err(SubscribeReason::NotAuthorised)]);
        unsuback(&mut out, id, &[UnsubscribeReason::Success, UnsubscribeReason::NoSubscription]);
        assert_eq!(out[..], b"\x90\x05\x00\x07\x00\x02\x87\xb0\x05\x00\x07\x00\x00\x11"[..]);
    }
}
