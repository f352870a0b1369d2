use crate::support::{start, start_with};
use broker::{Limits, Quota};
use std::collections::HashMap;
use test_kit::mqtt::v3::{Raw, publish};

/// A broker that keeps no more than ten messages in flight to an edge.
fn narrow() -> Limits {
    let edge = Quota { in_flight: 10, ..Limits::default().edge };
    Limits { edge, ..Limits::default() }
}

#[tokio::test]
async fn every_retained_customer_arrives_in_a_window_of_ten_and_the_head_last() {
    let broker = start_with(narrow()).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    website.publish_retained("store/A/customers", "head").await;
    website.publish_retained("store/AB/customers/f1", "another store").await;
    for face in 0..3_000 {
        website.publish_retained(&format!("store/A/customers/f{face}"), &face.to_string()).await;
    }
    let mut edge = Raw::clean(broker.address(), "e1").await;
    edge.subscribe("store/A/customers/#", 1).await;
    let mut window = Vec::new();
    for _ in 0..10 {
        window.push(edge.publish_received().await);
    }
    edge.is_quiet().await;
    let mut got = HashMap::new();
    while let Some(message) = window.pop() {
        assert!(message.retain && !message.dup && message.qos == 1);
        edge.ack(message.id).await;
        got.insert(message.topic, message.payload);
        if got.len() + window.len() < 3_001 {
            let next = edge.publish_received().await;
            let is_head = next.topic == "store/A/customers";
            assert_eq!(is_head, got.len() + window.len() == 3_000, "the head comes last");
            window.push(next);
        }
    }
    assert_eq!(got.len(), 3_001);
    for face in 0..3_000 {
        assert_eq!(got[&format!("store/A/customers/f{face}")], face.to_string().into_bytes());
    }
    edge.is_quiet().await;
    assert_eq!(broker.counters().retained, 3_003, "with the other store's, and the broker's own");
    // One of many.
    website.subscribe("store/+/customers", 1).await;
    assert_eq!(website.message().await.topic, "store/A/customers");
    website.is_quiet().await;
}

#[tokio::test]
async fn what_changes_while_the_retained_messages_are_sent_comes_after_them() {
    let broker = start_with(narrow()).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for face in 0..1_000 {
        website.publish_retained(&format!("store/A/customers/f{face:04}"), "old").await;
    }
    let mut edge = Raw::clean(broker.address(), "e1").await;
    edge.subscribe("store/A/customers/#", 1).await;
    website.publish_retained("store/A/customers/f0000", "new").await;
    website.publish_retained("store/A/customers/f0999", "new").await;
    website.publish_retained("store/A/customers/f0500", "").await;
    website.publish_retained("store/A/customers", "head").await;
    let mut last = HashMap::new();
    let mut messages = 0;
    loop {
        let message = edge.message().await;
        messages += 1;
        let ends = message.topic == "store/A/customers";
        last.insert(message.topic.clone(), message.text().to_owned());
        if ends {
            break;
        }
    }
    edge.is_quiet().await;
    assert!(messages <= 1_004, "{messages} messages for 1,000 customers and 4 changes");
    let of = |face: &str| last[&format!("store/A/customers/{face}")].as_str();
    assert_eq!((of("f0000"), of("f0999"), of("f0500"), of("f0001")), ("new", "new", "", "old"));
}

#[tokio::test]
async fn only_a_retained_empty_payload_clears() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut live = Raw::clean(broker.address(), "e2").await;
    live.subscribe("store/A/customers/#", 1).await;
    for (flags, expected) in [(0x02, vec!["here"]), (0x03, vec![])] {
        website.publish_retained("store/A/customers/f1", "here").await;
        website.send(&publish("store/A/customers/f1", b"", flags, Some(77))).await;
        assert_eq!(website.packet().await, Some((0x40, vec![0, 77])));
        let seen = live.messages(2).await;
        assert_eq!((seen[0].text(), seen[1].text()), ("here", ""));
        assert!(!seen[1].retain, "a live message is not marked as retained");

        let mut fresh = Raw::clean(broker.address(), "e1").await;
        fresh.subscribe("store/A/customers/#", 1).await;
        let got = fresh.messages(expected.len()).await;
        assert_eq!(got.iter().map(|got| got.text()).collect::<Vec<_>>(), expected);
        fresh.is_quiet().await;
    }
}

#[tokio::test]
async fn qos_is_the_lower_of_the_two_and_every_subscribe_brings_the_retained_messages() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    website.publish_retained("store/A/customers/f1", "x").await;
    let mut edge = Raw::clean(broker.address(), "e1").await;
    for (wanted, granted, delivered) in [(0, 0, 0), (1, 1, 1), (2, 2, 1)] {
        assert_eq!(edge.subscribe("store/A/customers/#", wanted).await, granted);
        let retained = edge.message().await;
        assert_eq!((retained.qos, retained.retain), (delivered, true));
        website.publish("store/A/customers/f1", "live").await;
        let live = edge.message().await;
        assert_eq!((live.qos, live.retain), (delivered, false));
    }
    edge.subscribe("store/A/customers/f1", 0).await;
    assert!(edge.message().await.retain);
    website.publish("store/A/customers/f1", "once").await;
    assert_eq!(edge.message().await.qos, 1, "two filters match: one message, with the higher QoS");
    edge.is_quiet().await;
}

#[tokio::test]
async fn what_the_map_has_no_room_for_is_delivered_but_not_kept() {
    let broker = start_with(Limits { retained: 10, ..Limits::default() }).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut live = Raw::clean(broker.address(), "e2").await;
    live.subscribe("store/A/customers/#", 1).await;
    for face in 0..30 {
        website.publish_retained(&format!("store/A/customers/f{face}"), "x").await;
    }
    assert_eq!(live.messages(30).await.len(), 30);
    let counters = broker.counters();
    assert_eq!(counters.retained, 10, "{counters:?}");
    assert_eq!(counters.not_kept, 21, "the broker's own report is one of the ten");
}
