use crate::support::{edge, start, start_with};
use broker::Limits;
use std::time::Duration;
use test_kit::mqtt::v3::{Hello as HelloFour, Raw, packet};
use test_kit::mqtt::v5::{Five, Hello, Will, byte, long, number, string};

#[tokio::test]
async fn a_client_is_told_what_the_broker_allows() {
    let limits = Limits { session_expiry: Duration::from_secs(100), ..Limits::default() };
    let limits = Limits { keep_alive_max: Duration::from_secs(50), topic_aliases: 7, ..limits };
    let broker = start_with(limits).await;
    let modest = Hello { keep_alive_s: 50, properties: vec![long(0x11, 100)], ..Hello::of("e1") };
    let quota = Limits::default().edge;
    let aliases = number(0x22, 7);
    let always = [
        long(0x27, u32::try_from(quota.packet_bytes).unwrap()),
        number(0x21, u16::try_from(quota.in_flight).unwrap()),
    ];
    assert_eq!(
        modest.enter(broker.address()).await.told,
        [std::slice::from_ref(&aliases), &always[..]].concat()
    );
    for (asked_s, told_s) in [(0, 50), (51, 50)] {
        let greedy =
            Hello { keep_alive_s: asked_s, properties: vec![long(0x11, u32::MAX)], ..Hello::of("e1") };
        let told = greedy.enter(broker.address()).await.told;
        let differing = [long(0x11, 100), aliases.clone(), number(0x13, told_s)];
        assert_eq!(told, [&differing, &always[..]].concat());
    }
}

#[tokio::test]
async fn a_client_without_an_id_is_given_one_with_which_it_can_come_back() {
    let broker = start().await;
    let nameless = Hello { client_id: "", login: "ann", ..Hello::lasting("ann") };
    let first = nameless.enter(broker.address()).await;
    let id = |five: &Five| {
        let (_, value) = five.told.iter().find(|(id, _)| *id == 0x12).expect("no id").clone();
        String::from_utf8(value[2..].to_vec()).unwrap()
    };
    let given = id(&first);
    assert_ne!(given, id(&nameless.enter(broker.address()).await));
    first.disconnect(0, &[]).await;
    assert!(Hello { client_id: &given, ..nameless }.enter(broker.address()).await.present);
}

#[tokio::test]
async fn a_refused_connect_is_told_why() {
    let broker = start().await;
    let will = |topic| Some(Will { topic, payload: "x", properties: vec![] });
    let of = Hello::of;
    for (case, hello, reason) in [
        ("unknown login", of("nobody"), 0x86),
        ("login that cannot be checked", of("database-is-down"), 0x88),
        ("client id of another login", Hello { client_id: "e2", ..of("e1") }, 0x85),
        ("edge without a client id", Hello { client_id: "", ..of("e1") }, 0x85),
        ("will for another edge", Hello { will: will("view/A/edges/e2"), ..of("e1") }, 0x87),
        ("will with a wildcard", Hello { will: will("view/A/edges/+"), ..of("e1") }, 0x90),
        ("receive maximum of 0", Hello { properties: vec![number(0x21, 0)], ..of("e1") }, 0x82),
        ("property of another packet", Hello { properties: vec![long(0x02, 1)], ..of("e1") }, 0x81),
        ("method to log in", Hello { properties: vec![string(0x15, "SCRAM")], ..of("e1") }, 0x8c),
    ] {
        let mut five = hello.say(broker.address()).await;
        assert_eq!((five.present, five.reason), (false, reason), "{case}");
        assert!(five.told.iter().any(|(id, _)| *id == 0x1f), "{case}: no word about it");
        assert_eq!(five.packet().await, None, "{case}");
    }
}

#[tokio::test]
async fn a_client_that_is_disconnected_is_told_why() {
    let limits = Limits { keep_alive_max: Duration::from_secs(1), ..Limits::default() };
    let broker = start_with(limits).await;
    let mut silent = Five::of(broker.address(), "e2").await;
    let mut old = Five::of(broker.address(), "e1").await;
    let mut new = Five::of(broker.address(), "e1").await;
    assert_eq!(old.told_to_go().await, Some(0x8e));
    broker.kick(&edge("A", "e1"));
    assert_eq!(new.told_to_go().await, Some(0x98));
    assert_eq!(silent.told_to_go().await, Some(0x8d));
    let mut wrong = Five::of(broker.address(), "e1").await;
    wrong.send(&[0xc0, 1, 0]).await;
    let (first, body) = wrong.packet().await.unwrap();
    assert_eq!((first, body[0], body[2]), (0xe0, 0x81, 0x1f), "no word about it");
}

/// The same client, once in each protocol.
#[tokio::test]
async fn a_session_goes_from_one_protocol_to_the_other() {
    let broker = start().await;
    let mut four = Raw::persistent(broker.address(), "e1").await;
    four.subscribe("store/A/edges/e1/inbox", 1).await;
    four.disconnect().await;
    let mut website = Five::of(broker.address(), "website").await;
    website.publish("store/A/edges/e1/inbox", "one", &[byte(0x01, 1)]).await;
    let mut five = Hello::lasting("e1").enter(broker.address()).await;
    assert!(five.present);
    let got = five.message().await;
    assert_eq!((got.payload.as_str(), got.properties), ("one", vec![byte(0x01, 1)]));
    five.disconnect(0, &[]).await;
    website.publish("store/A/edges/e1/inbox", "two", &[string(0x03, "text")]).await;
    let mut four = HelloFour { clean: false, ..HelloFour::of("e1") }.enter(broker.address()).await;
    assert!(four.session_present);
    assert_eq!(four.message().await.text(), "two");
    four.send(&packet(0xc0, b"")).await;
}
