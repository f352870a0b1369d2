//! Any bytes, read as packets of either protocol.

use crate::codec::decode::{Frame, frame};
use crate::codec::encode::{self, Dup};
use crate::codec::packet::{ClientLimits, Delivery, MqttVersion, Packet, Publish, QoS};
use crate::codec::properties::AliasedTopic;
use crate::codec::v5;
use crate::codec::v5::publish::{Outbound, TopicForm};
use crate::session::write_buffer::WriteBuffer;
use bytes::BytesMut;

/// Longer packets are refused before they are looked at.
const PACKET_BYTES: usize = 1 << 20;

/// Reads one packet after the other.
///
/// # Panics
/// When one reaches behind its bytes, or is another packet when it is written and read again.
pub fn decode(mut bytes: &[u8]) {
    while let Ok(Some(packet)) = frame(bytes, PACKET_BYTES) {
        assert!(packet.bytes <= bytes.len() && packet.body.len() < packet.bytes, "within its bytes");
        let _ = packet.first_packet();
        if let Ok(four) = packet.packet() {
            again(&four, MqttVersion::V4);
        }
        if let Ok(five) = v5::decode::packet(packet.first, packet.body) {
            again(&five, MqttVersion::V5(ClientLimits::default()));
        }
        bytes = &bytes[packet.bytes..];
    }
}

/// What a server can send as well is written, and must be read as the same packet.
fn again(packet: &Packet<'_>, version: MqttVersion) {
    let mut out = WriteBuffer::new(version, 0);
    match packet {
        Packet::PubAck(id, reason) => out.puback(*id, *reason),
        Packet::PubRec(id, reason) => out.pubrec(*id, *reason),
        Packet::PubRel(id, reason) => out.pubrel(*id, *reason),
        Packet::PubComp(id, reason) => out.pubcomp(*id, *reason),
        Packet::Publish(publish) => write(publish, version, &mut out.bytes),
        Packet::Subscribe(_) | Packet::Unsubscribe(..) | Packet::Ping | Packet::Disconnect(_) => return,
    }
    let Ok(Some(frame)) = frame(&out.bytes, usize::MAX) else { panic!("{packet:?} was not written whole") };
    assert_eq!(frame.bytes, out.bytes.len());
    match (read(&frame, version), packet) {
        (Packet::Publish(read), Packet::Publish(said)) => {
            assert_eq!((read.topic, read.payload), (said.topic, said.payload));
            assert_eq!((read.retain, read.delivery), (said.retain, said.delivery));
            let user = |publish: &Publish<'_>| {
                publish.properties.user.pairs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Vec<_>>()
            };
            assert_eq!(user(&read), user(said));
            assert_eq!(read.properties.expiry_s, said.properties.expiry_s);
            assert_eq!(read.properties.response_topic, said.properties.response_topic);
        }
        (read, said) => assert_eq!(read, *said),
    }
}

fn read<'a>(frame: &Frame<'a>, version: MqttVersion) -> Packet<'a> {
    let read = match version {
        MqttVersion::V4 => frame.packet().ok(),
        MqttVersion::V5(_) => v5::decode::packet(frame.first, frame.body).ok(),
    };
    read.expect("what was written can be read")
}

fn write(publish: &Publish<'_>, version: MqttVersion, out: &mut BytesMut) {
    let Publish { topic, payload, retain, delivery, properties } = publish;
    let id = match *delivery {
        Delivery::Zero => None,
        Delivery::One(id) => Some((id, QoS::One, Dup::First)),
        Delivery::Two(id) => Some((id, QoS::Two, Dup::First)),
    };
    let (name, alias) = match *topic {
        AliasedTopic::Name(name) => (name, TopicForm::Name),
        AliasedTopic::Defines(name, alias) => (name, TopicForm::NameAndAlias(alias)),
        AliasedTopic::Alias(alias) => ("", TopicForm::AliasOnly(alias)),
    };
    if version == MqttVersion::V4 {
        return encode::publish(out, name.as_bytes(), payload, *retain, id);
    }
    let mut lasting = Vec::new();
    properties.write_lasting(&mut lasting);
    let (topic, expiry_s, retain) = (name.as_bytes(), properties.expiry_s, *retain);
    Outbound { topic, alias, payload, retain, id, expiry_s, lasting: &lasting, identifiers: &[] }.write(out);
}
