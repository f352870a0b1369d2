use crate::support::{a_second_is_over, start, until};
use test_kit::mqtt::v5::{Five, Hello, long};

const INBOX: &str = "store/A/edges/e1/inbox";

/// What a client asks for when it comes and when it goes, and whether its session is still there afterwards.
#[tokio::test]
async fn a_session_lives_as_long_as_was_agreed() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let expiry = |seconds: u32| vec![long(0x11, seconds)];
    for (case, coming, going, stays) in [
        ("nothing said", vec![], vec![], false),
        ("not at all", expiry(0), vec![], false),
        ("an hour", expiry(3600), vec![], true),
        ("for ever", expiry(u32::MAX), vec![], true),
        ("an hour, taken back", expiry(3600), expiry(0), false),
        ("an hour, made two", expiry(3600), expiry(7200), true),
    ] {
        let hello = Hello { clean: true, properties: coming, ..Hello::of("e1") };
        let mut edge = hello.enter(broker.address()).await;
        assert!(!edge.present, "{case}");
        edge.subscribe(INBOX, 1).await;
        edge.disconnect(0, &going).await;
        until("the edge is away", || broker.counters().clients == 1).await;
        website.publish(INBOX, case, &[]).await;
        let mut edge = Hello { clean: false, ..hello }.enter(broker.address()).await;
        assert_eq!(edge.present, stays, "{case}");
        if stays {
            assert_eq!(edge.message().await.payload, case);
        }
        edge.is_quiet().await;
    }
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let broker = start().await;
    let hello = Hello { clean: false, properties: vec![long(0x11, 1)], ..Hello::of("e1") };
    hello.enter(broker.address()).await.disconnect(0, &[]).await;
    let edge = hello.enter(broker.address()).await;
    assert!(edge.present);
    edge.disconnect(0, &[]).await;
    a_second_is_over().await;
    assert!(!hello.enter(broker.address()).await.present);
    assert_eq!(broker.counters().sessions_expired, 1);
}

#[tokio::test]
async fn a_session_that_was_to_end_cannot_be_made_to_last() {
    let broker = start().await;
    let mut edge = Five::of(broker.address(), "e1").await;
    edge.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 1]).await;
    assert_eq!(edge.told_to_go().await, Some(0x82));
}

/// A clean start forgets what was, and still lasts.
#[tokio::test]
async fn a_clean_start_is_not_a_short_life() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    edge.subscribe(INBOX, 1).await;
    edge.disconnect(0, &[]).await;
    website.publish(INBOX, "forgotten", &[]).await;
    let mut edge = Hello { clean: true, ..Hello::lasting("e1") }.enter(broker.address()).await;
    assert!(!edge.present);
    edge.is_quiet().await;
    edge.subscribe(INBOX, 1).await;
    edge.disconnect(0, &[]).await;
    website.publish(INBOX, "kept", &[]).await;
    let mut edge = Hello::lasting("e1").enter(broker.address()).await;
    assert!(edge.present);
    assert_eq!(edge.payloads(1).await, ["kept"]);
    edge.is_quiet().await;
}
