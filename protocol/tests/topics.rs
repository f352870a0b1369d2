//! `topics.md` and `Topic` say the same.
#![allow(clippy::unwrap_used)]

mod samples;

use protocol::{Topic, filters};
use samples::*;
use std::{collections::BTreeMap, fs, path::Path};

fn every_topic() -> Vec<Topic> {
    let (l, e, f) = (location, edge, || face(5));
    vec![
        Topic::Customer(l(), f()),
        Topic::Head(l()),
        Topic::Inbox(l(), e()),
        Topic::Report(l(), e()),
        Topic::Visits(l(), e()),
        Topic::ViewEdge(l(), e()),
        Topic::ViewCustomer(l(), f()),
        Topic::ViewHead(l()),
        Topic::ViewChanges(l()),
        Topic::ViewVisits(l()),
        Topic::ViewBroker,
    ]
}

/// The pattern a person reads, such as `store/<location>/customers/<face_id>`.
fn pattern(topic: &Topic) -> String {
    topic
        .to_string()
        .replace(location().as_str(), "<location>")
        .replace(edge().as_str(), "<edge>")
        .replace(face(5).as_str(), "<face_id>")
}

#[test]
fn the_document_lists_exactly_our_topics_and_what_is_retained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topics.md");
    let document = fs::read_to_string(path).unwrap();
    let listed: BTreeMap<String, bool> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|line| line.starts_with("store/") || line.starts_with("view/"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[0].trim_end_matches('`').to_owned(), cells[3] == "yes")
        })
        .collect();
    let ours: BTreeMap<String, bool> =
        every_topic().iter().map(|topic| (pattern(topic), topic.retained())).collect();
    assert_eq!(listed, ours);
}

#[test]
fn every_topic_survives_its_text() {
    for topic in every_topic() {
        assert_eq!(topic.to_string().parse::<Topic>().unwrap(), topic);
    }
}

#[test]
fn what_is_not_ours_does_not_parse() {
    for text in [
        "",
        "/",
        "store",
        "store/",
        "store/a",
        "store/a/customers/",
        "store/a/customers/b/c",
        "store//customers/b",
        "store/+/customers/b",
        "store/a/customers/#",
        "store/a/edges/b",
        "store/a/edges/b/outbox",
        "view/a/b/c/d/e/f/g",
        "view/broker/x",
        "$share/x/store/a/customers/b",
        "Store/a/customers/b",
        "store/é/customers/b",
        "store/a/customers/b\0",
    ] {
        assert!(text.parse::<Topic>().is_err(), "{text:?}");
    }
}

#[test]
fn our_filters_match_the_topics_they_are_for() {
    assert_eq!(filters::customers(&location()), "store/oslo-1/customers/#");
    assert_eq!(filters::inbox(&location(), &edge()), "store/oslo-1/edges/edge_A/inbox");
    for (filter, topic) in [
        (filters::VISITS, Topic::Visits(location(), edge())),
        (filters::REPORTS, Topic::Report(location(), edge())),
        (filters::PRESENCE, Topic::ViewEdge(location(), edge())),
    ] {
        let text = topic.to_string();
        let same = filter.split('/').zip(text.split('/')).all(|(f, t)| f == "+" || f == t);
        assert!(same && filter.split('/').count() == text.split('/').count(), "{filter} for {text}");
    }
}
