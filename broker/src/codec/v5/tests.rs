//! The rules of the standard, packet by packet.

use super::decode::packet;
use super::publish::{Outbound, TopicForm};
use crate::codec::decode::{FirstPacket, frame};
use crate::codec::encode::Dup;
use crate::codec::error::{Fault, Malformed};
use crate::codec::fields::PacketId;
use crate::codec::packet::{
    ClientLimits, Connect, Delivery, Disconnect, MqttVersion, Options, Packet, Publish, QoS, ReasonStrings,
    SendRetained, Subscribe, WillOnDisconnect, WillPacket,
};
use crate::codec::properties::{
    Alias, AliasedTopic, PayloadFormat, Properties, Section, SubscriptionId, UserProperties,
};
use crate::codec::reason::{AckReason, DisconnectReason, ReleaseReason};
use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use std::num::{NonZeroU16, NonZeroU32};

fn id() -> PacketId {
    PacketId::new(7).unwrap()
}

/// A packet of this type and flags, with its length.
fn whole(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(body.len()).expect("short")], body].concat()
}

fn read(first: u8, body: &[u8]) -> Result<Packet<'_>, Fault> {
    packet(first, body)
}

#[test]
fn short_packets_are_understood() {
    let disconnect = |will, session_expiry_s| Packet::Disconnect(Disconnect { will, session_expiry_s });
    let cases: &[(u8, &[u8], Packet<'_>)] = &[
        (0x40, b"\x00\x07", Packet::PubAck(id(), AckReason::Success)),
        (0x40, b"\x00\x07\x10", Packet::PubAck(id(), AckReason::NoSubscribers)),
        (0x50, b"\x00\x07\x97\x00", Packet::PubRec(id(), AckReason::Quota)),
        (
            0x50,
            b"\x00\x07\x00\x0b\x1f\x00\x01r\x26\x00\x01a\x00\x01b",
            Packet::PubRec(id(), AckReason::Success),
        ),
        (0x62, b"\x00\x07\x92", Packet::PubRel(id(), ReleaseReason::UnknownId)),
        (0x70, b"\x00\x07", Packet::PubComp(id(), ReleaseReason::Success)),
        (0xa2, b"\x00\x07\x00\x00\x01#\x00\x01a", Packet::Unsubscribe(id(), vec!["#", "a"])),
        (0xc0, b"", Packet::Ping),
        (0xe0, b"", disconnect(WillOnDisconnect::Discard, None)),
        (0xe0, b"\x04", disconnect(WillOnDisconnect::Publish, None)),
        (0xe0, b"\x81\x00", disconnect(WillOnDisconnect::Publish, None)),
        (0xe0, b"\x00\x05\x11\x00\x00\x01\x00", disconnect(WillOnDisconnect::Discard, Some(256))),
    ];
    for (first, body, expected) in cases {
        assert_eq!(read(*first, body).as_ref(), Ok(expected), "{body:?}");
    }
}

#[test]
fn subscribe_has_options() {
    let subscribe = |options: &[Options]| {
        Packet::Subscribe(Subscribe { id: id(), filters: options.iter().map(|o| ("a", *o)).collect() })
    };
    let plain = Options::of_qos(QoS::One);
    assert_eq!(read(0x82, b"\x00\x07\x00\x00\x01a\x01"), Ok(subscribe(&[plain])));
    let identified = Options { identifier: SubscriptionId::new(200), ..plain };
    let odd = Options {
        qos: QoS::Two,
        no_local: true,
        retain_as_published: true,
        retained: SendRetained::Never,
        ..identified
    };
    let if_new = Options { retained: SendRetained::IfNew, qos: QoS::Zero, ..identified };
    assert_eq!(
        read(0x82, b"\x00\x07\x03\x0b\xc8\x01\x00\x01a\x01\x00\x01a\x2e\x00\x01a\x10"),
        Ok(subscribe(&[identified, odd, if_new]))
    );
}

#[test]
fn publish_has_properties() {
    let body = b"\x00\x01a\x00\x07\x2d\x01\x01\x26\x00\x01k\x00\x01v\x02\x00\x00\x00\x09\x03\x00\x01t\
        \x08\x00\x01r\x26\x00\x01k\x00\x01w\x09\x00\x01c\x23\x00\x05hi";
    let body = [&body[..5], &[body.len() as u8 - 8], &body[6..]].concat();
    let Ok(Packet::Publish(publish)) = read(0x3b, &body) else {
        panic!("a PUBLISH: {:?}", read(0x3b, &body))
    };
    let Properties { format, expiry_s, content_type, response_topic, correlation, user } = publish.properties;
    assert_eq!(publish.topic, AliasedTopic::Defines("a", Alias::new(5).unwrap()));
    assert_eq!((publish.payload, publish.retain, publish.delivery), (&b"hi"[..], true, Delivery::One(id())));
    assert_eq!((format, expiry_s), (Some(PayloadFormat::Text), Some(9)));
    assert_eq!((content_type, response_topic, correlation), (Some("t"), Some("r"), Some(&b"c"[..])));
    assert_eq!(user.pairs().collect::<Vec<_>>(), [("k", "v"), ("k", "w")]);
    let short = read(0x30, b"\x00\x00\x03\x23\x00\x05");
    let Ok(Packet::Publish(Publish { topic: AliasedTopic::Alias(alias), .. })) = short else {
        panic!("an alias")
    };
    assert_eq!(alias.get(), 5);
}

#[test]
fn what_the_standard_forbids_is_told_with_its_reason() {
    use DisconnectReason::{Alias as BadAlias, Malformed as Bytes, Protocol};
    let malformed = Fault::Malformed;
    let cases: &[(&str, u8, &[u8], Fault, DisconnectReason)] = &[
        ("reserved type", 0x00, b"", malformed(Malformed::Type), Protocol),
        ("second CONNECT", 0x10, b"", malformed(Malformed::Type), Protocol),
        ("CONNACK", 0x20, b"", malformed(Malformed::Type), Protocol),
        ("AUTH", 0xf0, b"", Fault::Authentication, Protocol),
        ("flags of PUBREL", 0x60, b"\x00\x07", malformed(Malformed::Flags), Bytes),
        ("packet id 0", 0x40, b"\x00\x00", malformed(Malformed::Value), Bytes),
        ("reason of another packet", 0x40, b"\x00\x07\x92", malformed(Malformed::Value), Bytes),
        ("property of another packet", 0x40, b"\x00\x07\x00\x02\x01\x00", Fault::Misplaced, Bytes),
        ("unknown property", 0x40, b"\x00\x07\x00\x02\x7e\x00", Fault::Misplaced, Bytes),
        ("reason twice", 0x40, b"\x00\x07\x00\x06\x1f\x00\x00\x1f\x00\x00", Fault::Repeated, Protocol),
        ("section too long", 0x40, b"\x00\x07\x00\x02\x1f", malformed(Malformed::Fields), Bytes),
        ("QoS 3", 0x36, b"\x00\x01a\x00\x07\x00", malformed(Malformed::Value), Bytes),
        ("DUP of QoS 0", 0x38, b"\x00\x01a\x00", malformed(Malformed::Flags), Bytes),
        ("no topic", 0x30, b"\x00\x00\x00", Fault::Forbidden, Protocol),
        ("topic not UTF-8", 0x30, b"\x00\x01\xff\x00", malformed(Malformed::Text), Bytes),
        ("topic with a surrogate", 0x30, b"\x00\x03\xed\xa0\x80\x00", malformed(Malformed::Text), Bytes),
        ("alias 0", 0x30, b"\x00\x01a\x03\x23\x00\x00", Fault::Alias, BadAlias),
        ("alias twice", 0x30, b"\x00\x01a\x06\x23\x00\x01\x23\x00\x01", Fault::Repeated, Protocol),
        ("identifier in PUBLISH", 0x30, b"\x00\x01a\x02\x0b\x01", Fault::Forbidden, Protocol),
        ("format 2", 0x30, b"\x00\x01a\x02\x01\x02", Fault::Forbidden, Protocol),
        ("wildcard to answer to", 0x30, b"\x00\x01a\x05\x08\x00\x02a+", Fault::Forbidden, Protocol),
        (
            "user name not UTF-8",
            0x30,
            b"\x00\x01a\x07\x26\x00\x01\xff\x00\x01v",
            malformed(Malformed::Text),
            Bytes,
        ),
        ("no filter", 0x82, b"\x00\x07\x00", Fault::Forbidden, Protocol),
        ("identifier 0", 0x82, b"\x00\x07\x02\x0b\x00\x00\x01a\x00", Fault::Forbidden, Protocol),
        ("two identifiers", 0x82, b"\x00\x07\x04\x0b\x01\x0b\x02\x00\x01a\x00", Fault::Repeated, Protocol),
        ("reserved option", 0x82, b"\x00\x07\x00\x00\x01a\x40", malformed(Malformed::Value), Bytes),
        ("subscribe with QoS 3", 0x82, b"\x00\x07\x00\x00\x01a\x03", Fault::Forbidden, Protocol),
        ("retain handling 3", 0x82, b"\x00\x07\x00\x00\x01a\x30", Fault::Forbidden, Protocol),
        ("shared, no local", 0x82, b"\x00\x07\x00\x00\x0a$share/g/a\x04", Fault::Forbidden, Protocol),
        ("no filter to end", 0xa2, b"\x00\x07\x00", Fault::Forbidden, Protocol),
        ("identifier to end", 0xa2, b"\x00\x07\x02\x0b\x01\x00\x01a", Fault::Misplaced, Bytes),
        ("ping with a body", 0xc0, b"x", malformed(Malformed::Fields), Bytes),
        ("reason of a server", 0xe0, b"\x8e", malformed(Malformed::Value), Bytes),
        ("two expiries", 0xe0, b"\x00\x0a\x11\0\0\0\x01\x11\0\0\0\x01", Fault::Repeated, Protocol),
    ];
    for (case, first, body, fault, reason) in cases {
        assert_eq!(read(*first, body), Err(*fault), "{case}");
        assert_eq!(fault.reason(), *reason, "{case}");
    }
    assert_eq!(malformed(Malformed::TooLong).reason(), DisconnectReason::TooLarge);
}

fn first_packet(body: &[u8]) -> FirstPacket<'_> {
    // The test keeps its packets for as long as it runs.
    let bytes: &'static [u8] = whole(0x10, &[b"\x00\x04MQTT\x05", body].concat()).leak();
    frame(bytes, 1000).unwrap().unwrap().first_packet().unwrap()
}

#[test]
fn connect_has_terms_and_a_will_with_properties() {
    let plain = Connect {
        version: MqttVersion::V5(ClientLimits::default()),
        client_id: "",
        clean_start: false,
        session_expiry_s: 0,
        keep_alive_s: 60,
        will: None,
        username: None,
        password: None,
    };
    assert_eq!(first_packet(b"\x00\x00\x3c\x00\x00\x00"), FirstPacket::Connect(plain));
    let limits = ClientLimits {
        receive_max: NonZeroU16::new(10).unwrap(),
        packet_bytes: NonZeroU32::new(256),
        alias_max: 3,
        reasons: ReasonStrings::Omitted,
    };
    let will = WillPacket {
        topic: "w",
        payload: b"gone",
        qos: QoS::One,
        retain: true,
        delay_s: 5,
        properties: Properties { content_type: Some("t"), ..Properties::default() },
    };
    let all = Connect {
        version: MqttVersion::V5(limits),
        client_id: "c",
        clean_start: true,
        session_expiry_s: u32::MAX,
        keep_alive_s: 0,
        will: Some(will),
        username: None,
        password: Some(b"p"),
    };
    let bytes =
        b"\x6e\x00\x00\x14\x11\xff\xff\xff\xff\x21\x00\x0a\x27\x00\x00\x01\x00\x22\x00\x03\x17\x00\x19\x01\
        \x00\x01c\x09\x18\x00\x00\x00\x05\x03\x00\x01t\x00\x01w\x00\x04gone\x00\x01p";
    assert_eq!(first_packet(bytes), FirstPacket::Connect(all));
}

#[test]
fn a_connect_that_is_wrong_is_told_why() {
    use crate::codec::reason::ConnectReason::{self, AuthenticationMethod, Malformed as Bytes, Protocol};
    let cases: &[(&str, &[u8], ConnectReason)] = &[
        ("reserved flag", b"\x03\x00\x00\x00\x00\x00", Bytes),
        ("retain without a will", b"\x22\x00\x00\x00\x00\x00", Bytes),
        ("will of QoS 3", b"\x1e\x00\x00\x00\x00\x00\x00\x00\x01w\x00\x00", Bytes),
        ("receive maximum 0", b"\x02\x00\x00\x03\x21\x00\x00\x00\x00", Protocol),
        ("packet maximum 0", b"\x02\x00\x00\x05\x27\x00\x00\x00\x00\x00\x00", Protocol),
        ("aliases twice", b"\x02\x00\x00\x06\x22\x00\x01\x22\x00\x01\x00\x00", Protocol),
        ("problem information 2", b"\x02\x00\x00\x02\x17\x02\x00\x00", Protocol),
        ("property of PUBLISH", b"\x02\x00\x00\x03\x23\x00\x01\x00\x00", Bytes),
        ("data without a method", b"\x02\x00\x00\x03\x16\x00\x00\x00\x00", Protocol),
        ("a method", b"\x02\x00\x00\x04\x15\x00\x01x\x00\x00", AuthenticationMethod),
        ("will delay in CONNECT", b"\x02\x00\x00\x05\x18\x00\x00\x00\x01\x00\x00", Bytes),
        ("bytes behind", b"\x02\x00\x00\x00\x00\x00x", Bytes),
    ];
    for (case, body, reason) in cases {
        match first_packet(body) {
            FirstPacket::Invalid(fault) => assert_eq!(fault.connect_reason(), *reason, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

fn user_section(pairs: &[(String, String)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in pairs {
        section.put_u8(0x26);
        crate::codec::properties::put_binary(&mut section, name.as_bytes());
        crate::codec::properties::put_binary(&mut section, value.as_bytes());
    }
    let mut bytes = BytesMut::new();
    crate::codec::encode::length(&mut bytes, section.len());
    bytes.put_slice(&section);
    bytes.to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_body_of_any_type_gives_a_value_or_an_error(
        first in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = packet(first, &body);
        let _ = super::connect::connect(crate::codec::fields::Fields(&body));
    }

    /// Nearer to what is right, so that properties are reached.
    #[test]
    fn any_properties_give_a_value_or_an_error(
        kind in 3..16_u8,
        ids in proptest::collection::vec(
            (0..0x2b_u8, proptest::collection::vec(0..3_u8, 0..6)), 0..6
        ),
    ) {
        let section: Vec<u8> = ids.into_iter().flat_map(|(id, value)| [vec![id], value].concat()).collect();
        let head: &[u8] = match kind { 3 => b"\x00\x01a", 14 => b"\x00", 4..=7 => b"\x00\x07\x00", _ => b"\x00\x07" };
        let body = [head, &[section.len() as u8], &section, b"\x00\x01a\x00"].concat();
        let flags = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
        let _ = packet(kind << 4 | flags, &body);
        let _ = super::connect::connect(crate::codec::fields::Fields(
            &[&b"\x02\x00\x00"[..], &[section.len() as u8], &section, b"\x00\x00"].concat()
        ));
    }
}

proptest! {
    #[test]
    fn a_publish_is_read_as_it_was_written(
        topic in "[a-zé/]{1,20}", payload in proptest::collection::vec(any::<u8>(), 0..300), retain in any::<bool>(),
        qos in 0..3_u8, dup in any::<bool>(), alias in proptest::option::of(1..9_u16), short in any::<bool>(),
        format in proptest::option::of(any::<bool>()), expiry_s in proptest::option::of(any::<u32>()),
        content_type in proptest::option::of("[a-z]{0,9}"), response_topic in proptest::option::of("[a-z/]{1,9}"),
        correlation in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
        pairs in proptest::collection::vec(("[a-z]{0,9}", "[a-zé]{0,9}"), 0..20),
    ) {
        let section = user_section(&pairs);
        let section = Section::read(&mut crate::codec::fields::Fields(&section)).unwrap();
        let user: UserProperties<'_> = Properties::of_section(section).user;
        let format = format.map(|text| if text { PayloadFormat::Text } else { PayloadFormat::Bytes });
        let properties = Properties {
            format, expiry_s, content_type: content_type.as_deref(), response_topic: response_topic.as_deref(),
            correlation: correlation.as_deref(), user,
        };
        let mut lasting = Vec::new();
        properties.write_lasting(&mut lasting);
        prop_assert_eq!(lasting.len(), properties.lasting_bytes());
        let alias = alias.and_then(Alias::new);
        let (named, topic_read) = match alias {
            None => (TopicForm::Name, AliasedTopic::Name(&topic)),
            Some(alias) if short => (TopicForm::AliasOnly(alias), AliasedTopic::Alias(alias)),
            Some(alias) => (TopicForm::NameAndAlias(alias), AliasedTopic::Defines(&topic, alias)),
        };
        let (id, delivery) = match qos {
            0 => (None, Delivery::Zero),
            1 => (Some((id(), QoS::One, if dup { Dup::Again } else { Dup::First })), Delivery::One(id())),
            _ => (Some((id(), QoS::Two, if dup { Dup::Again } else { Dup::First })), Delivery::Two(id())),
        };
        let outbound = Outbound {
            topic: topic.as_bytes(), alias: named, payload: &payload, retain, id, expiry_s, lasting: &lasting,
            identifiers: &[],
        };
        let mut out = BytesMut::new();
        outbound.write(&mut out);
        prop_assert_eq!(out.len(), outbound.bytes());
        let frame = frame(&out, 10_000).unwrap().unwrap();
        prop_assert_eq!(frame.bytes, out.len());
        let expected = Publish { topic: topic_read, payload: &payload, retain, delivery, properties };
        prop_assert_eq!(packet(frame.first, frame.body), Ok(Packet::Publish(expected)));
    }
}
