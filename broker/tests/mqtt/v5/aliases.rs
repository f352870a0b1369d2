use crate::support::start;
use broker::Limits;
use std::collections::HashMap;
use test_kit::mqtt::v5::{Five, Hello, Property, number, publish};

fn alias(number_: u16) -> [Property; 1] {
    [number(0x23, number_)]
}

#[tokio::test]
async fn an_alias_of_the_client_stands_for_its_topic_with_every_reader() {
    let broker = start().await;
    let mut reader = Five::of(broker.address(), "ann").await;
    reader.subscribe("view/+/changes", 1).await;
    let mut website = Five::of(broker.address(), "website").await;
    for (topic, number, payload) in [
        ("view/A/changes", 1, "A"),
        ("view/B/changes", 2, "B"),
        ("", 1, "A"),
        ("", 2, "B"),
        ("view/C/changes", 1, "C"),
        ("", 1, "C"),
        ("", 2, "B"),
    ] {
        assert_eq!(website.publish(topic, payload, &alias(number)).await, 0);
        let got = reader.message().await;
        assert_eq!((got.topic, got.payload.as_str()), (format!("view/{payload}/changes"), payload));
        assert_eq!(got.properties, [], "an alias is between two");
    }
    let mut again = Five::of(broker.address(), "website").await;
    again.send(&publish("", "x", 0x02, 1, &alias(1))).await;
    assert_eq!(again.told_to_go().await, Some(0x82), "aliases end with their connection");
    let max = Limits::default().topic_aliases;
    for (number, answer) in [(max, 0), (max + 1, 0x94)] {
        let mut website = Five::of(broker.address(), "website").await;
        website.send(&publish("view/A/changes", "x", 0x02, 1, &alias(number))).await;
        if answer == 0 {
            assert_eq!(website.packet().await, Some((0x40, vec![0, 1])));
        } else {
            assert_eq!(website.told_to_go().await, Some(answer));
        }
    }
}

/// Rights are those of the topic that an alias stands for, at that moment.
#[tokio::test]
async fn an_alias_that_is_bound_to_another_store_opens_no_door() {
    let broker = start().await;
    let mut reader = Hello { client_id: "reader", ..Hello::of("website") }.enter(broker.address()).await;
    reader.subscribe("store/#", 1).await;
    let mut edge = Five::of(broker.address(), "e1").await;
    for (topic, reason) in [
        ("store/A/visits/e1", 0),
        ("", 0),
        ("store/B/visits/b1", 0x87),
        ("", 0x87),
        ("store/A/visits/e1", 0),
        ("", 0),
    ] {
        assert_eq!(edge.publish(topic, "x", &alias(1)).await, reason, "{topic}");
        if reason == 0 {
            assert_eq!(reader.message().await.topic, "store/A/visits/e1");
        }
    }
    reader.is_quiet().await;
}

#[tokio::test]
async fn the_broker_gives_as_many_aliases_as_the_client_takes() {
    let broker = start().await;
    let mut website = Five::of(broker.address(), "website").await;
    let hello = Hello { properties: vec![number(0x22, 2)], ..Hello::of("ann") };
    let mut reader = hello.enter(broker.address()).await;
    reader.subscribe("view/+/changes", 2).await;
    let (mut names, mut seen) = (HashMap::<Vec<u8>, String>::new(), Vec::new());
    for (location, flags) in [("A", 2), ("B", 4), ("A", 2), ("C", 2), ("B", 2), ("C", 2), ("A", 4)] {
        website.publish_with(&format!("view/{location}/changes"), location, flags, &[]).await;
        let got = reader.message().await;
        let alias = got.all(0x23).first().map(|value| value.to_vec());
        seen.push((got.topic.is_empty(), alias.is_some()));
        let topic = match &alias {
            Some(alias) if got.topic.is_empty() => names[alias].clone(),
            Some(alias) => names.entry(alias.clone()).insert_entry(got.topic).get().clone(),
            None => got.topic,
        };
        assert_eq!(topic, format!("view/{}/changes", got.payload));
    }
    let (new, known, none) = ((false, true), (true, true), (false, false));
    assert_eq!(seen, [new, new, known, none, known, none, known]);
}
