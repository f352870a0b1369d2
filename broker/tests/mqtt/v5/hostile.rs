use crate::support::{Bystander, start};
use test_kit::mqtt::v3::{packet, text};
use test_kit::mqtt::v5::{Five, Hello, long, number, publish};

/// Whatever a connected client sends: it is told why its connection ends, and no other client notices.
#[tokio::test]
async fn hostile_packets_harm_only_their_sender() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let subscribe = |filter: &str| packet(0x82, &[&[0, 1, 0][..], &text(filter), &[1]].concat());
    let mine = "store/A/visits/e1";
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("topic with wildcards", publish("store/A/visits/+", "x", 2, 1, &[]), 0x81),
        ("no topic and no alias", publish("", "x", 2, 1, &[]), 0x82),
        ("topic with a NUL", publish("store/A\0", "x", 2, 1, &[]), 0x81),
        ("topic that is not UTF-8", packet(0x30, b"\x00\x02\xff\xfe\x00"), 0x81),
        ("packet id zero", publish(mine, "x", 2, 0, &[]), 0x81),
        ("QoS 3", publish(mine, "x", 6, 1, &[]), 0x81),
        ("alias 0", publish(mine, "x", 2, 1, &[number(0x23, 0)]), 0x94),
        ("alias 65,535", publish(mine, "x", 2, 1, &[number(0x23, 65_535)]), 0x94),
        ("two expiries", publish(mine, "x", 2, 1, &[long(2, 1), long(2, 1)]), 0x82),
        ("identifier from a client", publish(mine, "x", 2, 1, &[(0x0b, vec![1])]), 0x82),
        ("properties longer than the packet", packet(0x30, b"\x00\x01a\xff\xff\xff\x7f"), 0x81),
        ("endless length of properties", packet(0x30, b"\x00\x01a\x80\x80\x80\x80\x80\x01"), 0x81),
        ("oversize packet", vec![0x30, 0xff, 0xff, 0xff, 0x7f], 0x95),
        ("endless length", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x80], 0x81),
        ("wildcard inside a level", subscribe("a+/b"), 0x81),
        ("# in the middle", subscribe("a/#/b"), 0x81),
        ("empty filter", subscribe(""), 0x81),
        ("empty filter to end", packet(0xa2, b"\x00\x01\x00\x00\x00"), 0x81),
        ("wildcard inside a level to end", packet(0xa2, b"\x00\x01\x00\x00\x02a+"), 0x81),
        ("no filter", packet(0x82, &[0, 1, 0]), 0x82),
        ("second CONNECT", Hello::of("e1").bytes(), 0x82),
        ("CONNACK from a client", vec![0x20, 3, 0, 0, 0], 0x82),
        ("AUTH", vec![0xf0, 0], 0x82),
        ("type zero", vec![0, 0], 0x82),
        ("body of a 3.1.1 SUBSCRIBE", packet(0x82, b"\x00\x01\x00\x01#\x00"), 0x81),
    ];
    for (count, (case, bytes, reason)) in cases.iter().enumerate() {
        let mut attacker = Hello::lasting("e1").enter(broker.address()).await;
        attacker.send(bytes).await;
        assert_eq!(attacker.told_to_go().await, Some(*reason), "{case}");
        assert_eq!(broker.counters().malformed, count as u64 + 1, "{case}");
    }
    bystander.is_well(&broker).await;
}

/// Properties that would make a reader of another protocol, or a later one, stumble.
#[tokio::test]
async fn large_properties_are_carried_and_counted() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut edge = Five::of(broker.address(), "e1").await;
    edge.subscribe("store/A/edges/e1/inbox", 1).await;
    let many: Vec<_> = (0..5_000).map(|n| test_kit::mqtt::v5::user("n", &n.to_string())).collect();
    assert_eq!(website.publish("store/A/edges/e1/inbox", "many", &many).await, 0);
    let got = edge.message().await;
    assert_eq!((got.payload.as_str(), got.properties.len()), ("many", 5_000));
    // A response topic without rights to publish there is only a text.
    let anywhere = [test_kit::mqtt::v5::string(0x08, "store/B/customers/f1")];
    assert_eq!(website.publish("store/A/edges/e1/inbox", "x", &anywhere).await, 0);
    assert_eq!(edge.message().await.properties, anywhere);
    assert_eq!(edge.publish("store/B/customers/f1", "x", &[]).await, 0x87);
    bystander.is_well(&broker).await;
}
