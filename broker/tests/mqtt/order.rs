use crate::support::{start, start_with, until};
use broker::{Broker, Limits, Quota};
use std::time::Duration;
use test_kit::mqtt::v3::{Raw, publish};

/// Publishes QoS 1 at full speed and reads the acknowledgements meanwhile.
async fn flood(publisher: Raw, topic: fn(u32) -> String, mark: &'static str, count: u32) {
    let (mut reader, mut writer) = publisher.stream.into_split();
    let acks = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        let mut left = count as usize * 4;
        while left > 0 {
            left -= tokio::io::AsyncReadExt::read(&mut reader, &mut buffer).await.unwrap();
        }
    });
    for n in 0..count {
        let id = Some((n % 60_000 + 1) as u16);
        let bytes = publish(&topic(n), format!("{mark} {n}").as_bytes(), 0x03, id);
        tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await.unwrap();
    }
    acks.await.unwrap();
}

/// Two publishers at full speed; every reader sees one and the same order, and each publisher's own in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reader_sees_a_location_in_one_order() {
    const COUNT: u32 = 5_000;
    let broker = start().await;
    let mut readers = Vec::new();
    for name in ["e1", "e2"] {
        let mut reader = Raw::clean(broker.address(), name).await;
        reader.subscribe("store/A/customers/#", 1).await;
        readers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..2 * COUNT {
                seen.push(reader.message().await.text().to_owned());
            }
            seen
        }));
    }
    let first = Raw::clean(broker.address(), "website").await;
    let second =
        test_kit::mqtt::v3::Hello { client_id: "website-2", ..test_kit::mqtt::v3::Hello::of("website") };
    let second = second.enter(broker.address()).await;
    let one = tokio::spawn(flood(first, |n| format!("store/A/customers/f{}", n % 500), "a", COUNT));
    let two = tokio::spawn(flood(second, |_| "store/A/customers".to_owned(), "b", COUNT));
    one.await.unwrap();
    two.await.unwrap();
    let seen = [readers.remove(0).await.unwrap(), readers.remove(0).await.unwrap()];
    assert!(seen[0] == seen[1], "two readers, two orders");
    for mark in ["a", "b"] {
        let own: Vec<_> = seen[0].iter().filter_map(|text| text.strip_prefix(mark)).collect();
        let expected: Vec<_> = (0..COUNT).map(|n| format!(" {n}")).collect();
        assert!(own == expected, "{mark} is out of order");
    }
    assert_eq!(broker.counters().delivered, 4 * u64::from(COUNT));
}

async fn published(broker: &Broker, count: u64) {
    until("all is published", || broker.counters().published >= count).await;
}

/// A reader that does not keep up is brought up from the map: the last state of every topic, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_reader_is_brought_up_from_the_map() {
    let edge = Quota { queue_messages: 20, in_flight: 5, ..Limits::default().edge };
    let broker = start_with(Limits { edge, ..Limits::default() }).await;
    let mut slow = Raw::persistent(broker.address(), "e1").await;
    slow.subscribe("store/A/customers/#", 1).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for round in 0..20 {
        for face in 0..50 {
            website.publish_retained(&format!("store/A/customers/f{face}"), &format!("{round} {face}")).await;
        }
    }
    published(&broker, 1_000).await;
    website.publish_retained("store/A/customers", "head").await;
    let mut seen = Vec::new();
    loop {
        let message = slow.message().await;
        if message.topic == "store/A/customers" {
            break;
        }
        seen.push(message.text().to_owned());
    }
    slow.is_quiet().await;
    assert!(seen.len() < 200, "{} messages: it was not brought up from the map", seen.len());
    let newest: Vec<_> = (0..50).map(|face| format!("19 {face}")).collect();
    assert!(seen.ends_with(&newest), "{:?}", &seen[seen.len() - 50..]);
}

/// A reader that stops reading is dropped, and no other client waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_stops_reading_is_dropped_alone() {
    let limits = Limits { write_deadline: Duration::from_millis(300), ..Limits::default() };
    let broker = start_with(limits).await;
    let mut stuck = Raw::clean(broker.address(), "e1").await;
    stuck.subscribe("store/A/customers/#", 0).await;
    let mut reader = Raw::clean(broker.address(), "e2").await;
    reader.subscribe("store/A/customers/#", 0).await;
    let reading = tokio::spawn(async move {
        while reader.message().await.topic != "store/A/customers" {}
        reader
    });
    let mut website = Raw::clean(broker.address(), "website").await;
    let big = "x".repeat(60_000);
    let mut sent = 0;
    while broker.counters().write_timeouts == 0 {
        assert!(sent < 20_000, "the reader that is stuck was not dropped");
        website.publish_retained(&format!("store/A/customers/f{}", sent % 10), &big).await;
        sent += 1;
    }
    website.publish_retained("store/A/customers", "head").await;
    let mut reader = reading.await.unwrap();
    reader.is_quiet().await;
    assert_eq!(broker.counters().clients, 2);
}
