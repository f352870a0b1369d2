use crate::support::{a_second_is_over, start, start_with, until};
use broker::{Limits, Quota};
use test_kit::mqtt::v3::{Raw, packet, publish as publish_four};
use test_kit::mqtt::v5::{Five, Hello, Property, byte, long, number, publish, string, user};

const INBOX: &str = "store/A/edges/e1/inbox";
const CUSTOMER: &str = "store/A/customers/f1";

fn every_property() -> Vec<Property> {
    vec![
        byte(0x01, 1),
        string(0x03, "text/plain"),
        string(0x08, "view/A/answers"),
        (0x09, vec![0, 3, 0, 1, 255]),
        user("a", "1"),
        user("b", ""),
        user("a", "2"),
    ]
}

/// Live, retained, to a session that comes back; and without them to a reader of MQTT 3.1.1.
#[tokio::test]
async fn properties_travel_with_their_message() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    let mut four = Raw::clean(broker.address(), "e2").await;
    edge.subscribe("store/A/customers/#", 1).await;
    four.subscribe("store/A/customers/#", 1).await;
    website.retain(CUSTOMER, "hi", &every_property()).await;
    assert_eq!(edge.message().await.properties, every_property());
    assert_eq!(four.message().await.text(), "hi");
    edge.disconnect(0, &[]).await;
    website.retain(CUSTOMER, "again", &every_property()).await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    let got = edge.message().await;
    assert_eq!((got.payload.as_str(), got.retain, got.properties), ("again", false, every_property()));
    let mut late = Five::of(broker.address(), "e2").await;
    late.subscribe("store/A/customers/#", 1).await;
    let got = late.message().await;
    assert_eq!((got.payload.as_str(), got.retain, got.properties), ("again", true, every_property()));
    let mut four = Raw::clean(broker.address(), "e2").await;
    four.subscribe(CUSTOMER, 0).await;
    assert_eq!(four.message().await.text(), "again");
}

#[tokio::test]
async fn a_message_expires_where_it_waits() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    edge.subscribe(INBOX, 1).await;
    website.publish(INBOX, "seen", &[long(0x02, 100)]).await;
    assert_eq!(edge.message().await.expiry_s(), Some(100));
    edge.disconnect(0, &[]).await;
    for (payload, expiry_s) in [("short", 1), ("long", 100)] {
        website.publish(INBOX, payload, &[long(0x02, expiry_s)]).await;
        website.retain(&format!("store/A/customers/{payload}"), payload, &[long(0x02, expiry_s)]).await;
    }
    website.publish(INBOX, "for ever", &[]).await;
    a_second_is_over().await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    let got = edge.message().await;
    assert_eq!((got.payload.as_str(), got.expiry_s()), ("long", Some(99)));
    assert_eq!(edge.message().await.expiry_s(), None);
    edge.is_quiet().await;
    // Each reader is told what is left now.
    for _ in 0..2 {
        edge.subscribe("store/A/customers/#", 1).await;
        let got = edge.message().await;
        assert_eq!((got.payload.as_str(), got.expiry_s()), ("long", Some(99)));
        edge.is_quiet().await;
    }
}

#[tokio::test]
async fn a_message_is_delivered_with_the_lower_qos_and_exactly_once_with_2() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut edge = Five::of(broker.address(), "e1").await;
    for granted in 0..3 {
        assert_eq!(edge.subscribe(INBOX, granted).await, granted);
        for qos in 0..3_u8 {
            if qos == 0 {
                website.send(&publish(INBOX, "x", 0, 0, &[])).await;
            } else {
                assert_eq!(website.publish_with(INBOX, "x", qos << 1, &[]).await, 0);
            }
            assert_eq!(edge.message().await.qos, qos.min(granted), "published {qos}, granted {granted}");
        }
    }
    // Sent again before its release it is the same message; after it, another one.
    for round in 0..2 {
        for dup in [0, 8] {
            website.send(&publish(INBOX, &round.to_string(), 0x04 | dup, 500, &[])).await;
            assert_eq!(website.packet().await, Some((0x50, vec![1, 244])));
        }
        for answer in [vec![1, 244], vec![1, 244, 0x92]] {
            website.send(&packet(0x62, &[1, 244])).await;
            assert_eq!(website.packet().await, Some((0x70, answer)));
        }
        assert_eq!(edge.message().await.payload, round.to_string());
    }
    edge.is_quiet().await;
}

#[tokio::test]
async fn a_refused_publish_is_told_and_nothing_else_happens() {
    let broker = start().await;
    let mut victim = Five::of(broker.address(), "b1").await;
    victim.subscribe("store/B/customers/#", 1).await;
    let mut edge = Five::of(broker.address(), "e1").await;
    let deep = "store/A/visits/e1".to_owned() + &"/x".repeat(50);
    for (topic, flags, reason) in [
        ("store/B/customers/f1", 0x02, 0x87),
        ("store/B/customers/f1", 0x04, 0x87),
        ("store/A/customers", 0x03, 0x87),
        ("store/A/visits/e1", 0x03, 0x87),
        ("$SYS/x", 0x02, 0x87),
        (&deep, 0x02, 0x90),
        ("store/A/visits/e1", 0x02, 0),
        ("store/A/visits/e1", 0x04, 0),
    ] {
        assert_eq!(edge.publish_with(topic, "x", flags, &[]).await, reason, "{topic} {flags}");
    }
    edge.send(&publish("store/B/customers/f1", "x", 0, 0, &[])).await;
    edge.is_quiet().await;
    victim.is_quiet().await;
    assert_eq!(broker.counters().refused, 7);
}

#[tokio::test]
async fn nothing_larger_than_the_client_can_take_is_sent() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut small =
        Hello { properties: vec![long(0x27, 60)], ..Hello::of("e1") }.enter(broker.address()).await;
    small.subscribe(INBOX, 1).await;
    // Fixed header, topic, packet id, properties: 2 + 24 + 2 + 1 bytes.
    for payload in [31, 32, 1000, 31] {
        website.publish(INBOX, &"x".repeat(payload), &[]).await;
    }
    website.publish(INBOX, "x", &[user("a", &"x".repeat(30))]).await;
    website.publish(INBOX, "last", &[]).await;
    let got = small.payloads(3).await;
    assert_eq!(got.iter().map(String::len).collect::<Vec<_>>(), [31, 31, 4]);
    small.is_quiet().await;
    assert_eq!(broker.counters().dropped, 3);
    // An answer that does not fit cannot be left out.
    let tiny = Hello { properties: vec![long(0x27, 17)], ..Hello::of("e2") };
    let mut tiny = tiny.enter(broker.address()).await;
    let filters =
        [&[0, 1, 0][..], &[&test_kit::mqtt::v3::text("store/A/customers")[..], &[1]].concat().repeat(17)]
            .concat();
    tiny.send(&packet(0x82, &filters)).await;
    assert_eq!(tiny.told_to_go().await, Some(0x95));
    // The reason is told in words, and left out where somebody wants no words.
    let spared = Hello { properties: vec![byte(0x17, 0)], ..Hello::of("e2") };
    for (mut client, length) in [(small, 39), (spared.enter(broker.address()).await, 3)] {
        client.send(&publish("store/B/customers", "x", 0x02, 9, &[])).await;
        let (_, body) = client.packet().await.unwrap();
        assert_eq!(body[2], 0x87);
        assert_eq!(body.len(), length);
    }
}

#[tokio::test]
async fn a_client_is_not_sent_more_at_once_than_it_takes() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let hello = Hello { properties: vec![number(0x21, 2), long(0x11, 3600)], ..Hello::lasting("e1") };
    let mut edge = hello.enter(broker.address()).await;
    edge.subscribe(INBOX, 2).await;
    for n in 0..6_u8 {
        website.publish_with(INBOX, &n.to_string(), 0x02 + 2 * (n % 2), &[]).await;
    }
    let first = edge.publish_received().await;
    let second = edge.publish_received().await;
    edge.is_quiet().await;
    edge.send(&packet(0x40, &first.id.to_be_bytes())).await;
    assert_eq!(edge.publish_received().await.payload, "2");
    edge.is_quiet().await;
    // A message that the client refuses is done, and makes room.
    edge.send(&packet(0x50, &[&second.id.to_be_bytes()[..], &[0x97]].concat())).await;
    assert_eq!(edge.publish_received().await.payload, "3");
    edge.is_quiet().await;
    drop(edge);
    until("the edge is away", || broker.counters().clients == 1).await;
    // It comes back and takes only one.
    let mut edge =
        Hello { properties: vec![number(0x21, 1), long(0x11, 3600)], ..hello }.enter(broker.address()).await;
    for (payload, dup) in [("2", true), ("3", true), ("4", false), ("5", false)] {
        let got = edge.publish_received().await;
        assert_eq!((got.payload.as_str(), got.dup), (payload, dup));
        edge.is_quiet().await;
        let id = got.id.to_be_bytes();
        if got.qos == 2 {
            edge.send(&packet(0x50, &id)).await;
            assert_eq!(edge.packet().await, Some((0x62, id.to_vec())));
            edge.is_quiet().await;
        }
        edge.send(&packet(if got.qos == 1 { 0x40 } else { 0x70 }, &id)).await;
    }
    edge.is_quiet().await;
}

#[tokio::test]
async fn the_broker_takes_no_more_at_once_than_it_has_said() {
    let person = Quota { in_flight: 3, packet_bytes: 100, ..Limits::default().edge };
    let broker = start_with(Limits { edge: person, ..Limits::default() }).await;
    let mut edge = Five::of(broker.address(), "e1").await;
    assert!(edge.told.contains(&number(0x21, 3)) && edge.told.contains(&long(0x27, 100)));
    for id in 1..=4 {
        edge.send(&publish("store/A/visits/e1", "x", 0x04, id, &[])).await;
    }
    assert_eq!(edge.told_to_go().await, Some(0x93));
    let mut edge = Five::of(broker.address(), "e1").await;
    edge.send(&publish("store/A/visits/e1", &"x".repeat(100), 0x02, 1, &[])).await;
    assert_eq!(edge.told_to_go().await, Some(0x95));
    // MQTT 3.1.1 has no word for it.
    let mut four = Raw::clean(broker.address(), "e1").await;
    four.send(&publish_four("store/A/visits/e1", &[b'x'; 100], 0x02, Some(1))).await;
    assert_eq!(four.packet().await, None);
}
