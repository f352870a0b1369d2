//! An edge that was away for a day.

use crate::support::start;
use std::collections::HashSet;
use test_kit::mqtt::v3::{Raw, publish};

const FACES: usize = 10_000;
const BEATS: usize = 1_440;
/// Publishes sent before their answers are read.
const AT_ONCE: usize = 100;

async fn publish_all(website: &mut Raw, messages: &[(String, String)]) {
    for some in messages.chunks(AT_ONCE) {
        let one = |(topic, payload): &(String, String)| publish(topic, payload.as_bytes(), 0x03, Some(7));
        website.send(&some.iter().flat_map(one).collect::<Vec<_>>()).await;
        for _ in some {
            assert_eq!(website.packet().await.map(|(first, _)| first), Some(0x40));
        }
    }
}

fn faces(payload: &str) -> Vec<(String, String)> {
    (0..FACES).map(|face| (format!("store/A/customers/f{face}"), payload.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_away_costs_each_changed_customer_once_and_one_head() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    publish_all(&mut website, &faces("old")).await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.subscribe("store/A/customers/#", 1).await;
    edge.messages(FACES).await;
    edge.is_quiet().await;
    edge.disconnect().await;

    let mut day = Vec::new();
    for (at, change) in faces("changed").into_iter().enumerate() {
        if at % (FACES / BEATS) == 0 && day.len() - at < BEATS {
            day.push(("store/A/customers".to_owned(), format!("beat {}", day.len() - at)));
        }
        day.push(change);
    }
    assert_eq!(day.len(), FACES + BEATS);
    day.push(("store/A/customers".to_owned(), "the newest".to_owned()));
    publish_all(&mut website, &day).await;

    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert!(edge.session_present);
    let got = edge.messages(FACES + 1).await;
    edge.is_quiet().await;
    let topics: HashSet<_> = got.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics.len(), FACES + 1, "each once");
    let (head, changes) = got.split_last().unwrap();
    assert_eq!((head.topic.as_str(), head.text()), ("store/A/customers", "the newest"));
    assert!(changes.iter().all(|change| change.text() == "changed" && !change.dup));
    assert_eq!((broker.counters().dropped, broker.counters().sessions_lost), (0, 0));
}
