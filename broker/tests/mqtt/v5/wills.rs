use crate::support::{a_second_is_over, start, until};
use test_kit::mqtt::v5::{Five, Hello, Will, long, string};

const PRESENCE: &str = "view/A/edges/e1";

fn hello(expiry_s: u32, delay_s: u32) -> Hello<'static> {
    let properties = vec![long(0x18, delay_s), string(0x03, "text"), long(0x02, 50)];
    let will = Some(Will { topic: PRESENCE, payload: "offline", properties });
    Hello { properties: vec![long(0x11, expiry_s)], clean: false, will, ..Hello::of("e1") }
}

#[tokio::test]
async fn a_will_comes_at_once_or_after_its_delay() {
    let broker = start().await;
    let mut person = Five::of(broker.address(), "ann").await;
    person.subscribe("view/A/#", 1).await;
    for (case, expiry_s, delay_s, waits) in [
        ("no delay", 3600, 0, false),
        ("a session that ends with its connection", 0, 3600, false),
        ("a delay", 3600, 1, true),
        ("a session that ends before the delay", 1, 3600, true),
    ] {
        drop(hello(expiry_s, delay_s).enter(broker.address()).await);
        until("the edge is gone", || broker.counters().clients == 1).await;
        if waits {
            person.is_quiet().await;
        }
        let got = person.message().await;
        assert_eq!((got.payload.as_str(), got.expiry_s()), ("offline", Some(50)), "{case}");
        assert_eq!(got.all(0x03), [b"\0\x04text"], "{case}");
        person.is_quiet().await;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_in_time_has_not_been_away() {
    let broker = start().await;
    let mut person = Five::of(broker.address(), "ann").await;
    person.subscribe("view/A/#", 1).await;
    drop(hello(3600, 1).enter(broker.address()).await);
    until("the edge is gone", || broker.counters().clients == 1).await;
    let edge = hello(3600, 1).enter(broker.address()).await;
    assert!(edge.present);
    // Taken over is coming back, too.
    let again = hello(3600, 1).enter(broker.address()).await;
    a_second_is_over().await;
    person.is_quiet().await;
    // DISCONNECT discards the will, unless it asks for it.
    again.disconnect(0, &[]).await;
    hello(3600, 0).enter(broker.address()).await.disconnect(0, &[]).await;
    until("the edge is gone", || broker.counters().clients == 1).await;
    person.is_quiet().await;
    hello(3600, 0).enter(broker.address()).await.disconnect(0x04, &[]).await;
    assert_eq!(person.message().await.payload, "offline");
}

#[tokio::test]
async fn a_will_that_waits_comes_when_its_session_ends() {
    let broker = start().await;
    let mut person = Five::of(broker.address(), "ann").await;
    person.subscribe("view/A/#", 1).await;
    drop(hello(3600, 3600).enter(broker.address()).await);
    until("the edge is gone", || broker.counters().clients == 1).await;
    person.is_quiet().await;
    let clean = Hello { clean: true, ..hello(3600, 3600) };
    let edge = clean.enter(broker.address()).await;
    assert_eq!(person.message().await.payload, "offline", "the new client has a new session");
    drop(edge);
    until("the edge is gone", || broker.counters().clients == 1).await;
    person.is_quiet().await;
    broker.kick(&crate::support::edge("A", "e1"));
    assert_eq!(person.message().await.payload, "offline", "a revoked edge is gone");
}
