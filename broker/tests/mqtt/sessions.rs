use crate::support::{start, start_with, until};
use broker::{Limits, Quota};
use std::time::Duration;
use test_kit::mqtt::v3::{Hello, Raw, packet, publish};

const INBOX: &str = "store/A/edges/e1/inbox";

#[tokio::test]
async fn forty_heartbeats_and_one_removal_are_one_change_and_one_head() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for face in 0..100 {
        website.publish_retained(&format!("store/A/customers/f{face}"), "here").await;
    }
    website.publish_retained("store/A/customers", "head").await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert!(!edge.session_present);
    edge.subscribe("store/A/customers/#", 1).await;
    edge.messages(101).await;
    edge.is_quiet().await;
    edge.disconnect().await;
    for beat in 0..20 {
        website.publish_retained("store/A/customers", &format!("heartbeat {beat}")).await;
    }
    website.publish_retained("store/A/customers/f7", "removed").await;
    for beat in 20..40 {
        website.publish_retained("store/A/customers", &format!("heartbeat {beat}")).await;
    }
    website.publish_retained("store/A/customers/f8", "").await;
    // Once another edge has the last message, all before it have left the router.
    let mut witness = Raw::clean(broker.address(), "e2").await;
    witness.subscribe("store/A/customers/+", 1).await;
    witness.messages(99).await;
    website.publish("store/A/customers/none", "for the witness").await;
    assert_eq!(witness.message().await.text(), "for the witness");

    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert!(edge.session_present);
    let got = edge.messages(4).await;
    let got: Vec<_> = got.iter().map(|got| (got.topic.as_str(), got.text(), got.retain, got.dup)).collect();
    assert_eq!(
        got,
        [
            ("store/A/customers/f7", "removed", false, false),
            ("store/A/customers", "heartbeat 39", false, false),
            ("store/A/customers/f8", "", false, false),
            ("store/A/customers/none", "for the witness", false, false),
        ]
    );
    edge.is_quiet().await;
    edge.disconnect().await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.is_quiet().await;
    website.publish_retained("store/A/customers", "live").await;
    assert_eq!(edge.message().await.text(), "live");
}

#[tokio::test]
async fn a_session_resumes_in_order_and_what_was_not_acknowledged_comes_again() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.subscribe(INBOX, 1).await;
    for n in 0..5 {
        website.publish(INBOX, &n.to_string()).await;
    }
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(edge.publish_received().await);
    }
    // In any order, and one that was never sent.
    for id in [first[3].id, first[0].id, 999] {
        edge.ack(id).await;
    }
    edge.is_quiet().await;
    drop(edge);
    until("the edge is away", || broker.counters().clients == 1).await;
    for n in 5..500 {
        website.publish(INBOX, &n.to_string()).await;
    }
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert!(edge.session_present);
    for n in [1, 2, 4] {
        let again = edge.message().await;
        assert_eq!((again.text(), again.dup, again.id), (n.to_string().as_str(), true, first[n].id));
    }
    for n in 5..500 {
        let next = edge.message().await;
        assert_eq!((next.text(), next.dup), (n.to_string().as_str(), false));
    }
    edge.is_quiet().await;
}

#[tokio::test]
async fn retained_messages_that_were_not_acknowledged_come_again_too() {
    let edge = Quota { in_flight: 10, ..Limits::default().edge };
    let broker = start_with(Limits { edge, ..Limits::default() }).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for face in 0..50 {
        website.publish_retained(&format!("store/A/customers/f{face:02}"), "x").await;
    }
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.subscribe("store/A/customers/#", 1).await;
    let first = edge.message().await;
    for _ in 0..10 {
        edge.publish_received().await;
    }
    drop(edge);
    until("the edge is away", || broker.counters().clients == 1).await;
    website.publish_retained("store/A/customers/f49", "changed").await;

    let mut edge = Raw::persistent(broker.address(), "e1").await;
    let again = edge.messages(10).await;
    assert!(again.iter().all(|again| again.dup && again.retain && again.topic != first.topic));
    let rest = edge.messages(39).await;
    assert!(rest[..38].iter().all(|rest| rest.retain && !rest.dup));
    assert_eq!((rest[38].topic.as_str(), rest[38].text()), ("store/A/customers/f49", "changed"));
    let mut topics: Vec<_> = again.iter().chain(&rest).map(|got| got.topic.clone()).collect();
    topics.sort();
    topics.dedup();
    assert_eq!(topics.len(), 49, "each of the others exactly once");
    edge.is_quiet().await;
}

#[tokio::test]
async fn a_clean_session_forgets_and_an_unsubscribe_is_always_answered() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.subscribe(INBOX, 1).await;
    edge.disconnect().await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.unsubscribe(INBOX).await;
    edge.unsubscribe("never/subscribed").await;
    website.publish(INBOX, "not any more").await;
    edge.is_quiet().await;
    edge.subscribe(INBOX, 1).await;
    edge.disconnect().await;
    website.publish(INBOX, "missed").await;

    let clean = Raw::clean(broker.address(), "e1").await;
    assert!(!clean.session_present);
    clean.disconnect().await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert!(!edge.session_present);
    edge.is_quiet().await;
}

#[tokio::test]
async fn a_queue_that_runs_over_is_told_by_session_present() {
    let edge = Quota { queue_messages: 10, ..Limits::default().edge };
    let broker = start_with(Limits { edge, ..Limits::default() }).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for (messages, present) in [(10, true), (11, false)] {
        let mut edge = Raw::persistent(broker.address(), "e1").await;
        edge.subscribe(INBOX, 1).await;
        edge.is_quiet().await;
        edge.disconnect().await;
        for n in 0..messages {
            website.publish(INBOX, &n.to_string()).await;
        }
        until("all is dispatched", || present || broker.counters().sessions_lost == 1).await;
        let mut edge = Raw::persistent(broker.address(), "e1").await;
        assert_eq!(edge.session_present, present, "{messages} messages");
        if present {
            assert_eq!(edge.messages(10).await.len(), 10);
        }
        edge.is_quiet().await;
        edge.disconnect().await;
    }
    assert_eq!(broker.counters().dropped, 1);
}

#[tokio::test]
async fn what_was_cleared_too_long_ago_is_told_by_session_present() {
    let broker = start_with(Limits { clears: 3, ..Limits::default() }).await;
    let mut website = Raw::clean(broker.address(), "website").await;
    for (name, clears, present) in [("e1", 3, true), ("e2", 4, false)] {
        for face in 0..clears {
            website.publish_retained(&format!("store/A/customers/f{face}"), "x").await;
        }
        let mut edge = Raw::persistent(broker.address(), name).await;
        edge.subscribe("store/A/customers/#", 1).await;
        edge.messages(clears).await;
        edge.is_quiet().await;
        edge.disconnect().await;
        for face in 0..clears {
            website.publish_retained(&format!("store/A/customers/f{face}"), "").await;
        }
        let mut edge = Raw::persistent(broker.address(), name).await;
        assert_eq!(edge.session_present, present, "{clears} topics cleared");
        if present {
            assert!(edge.messages(clears).await.iter().all(|cleared| cleared.payload.is_empty()));
        }
        edge.is_quiet().await;
    }
}

#[tokio::test]
async fn a_session_expires_and_the_longest_away_makes_room() {
    let broker = start_with(Limits { sessions: 2, sessions_per_person: 1, ..Limits::default() }).await;
    Raw::persistent(broker.address(), "e1").await.disconnect().await;
    Raw::persistent(broker.address(), "e2").await.disconnect().await;
    until("both are away", || broker.counters().clients == 0).await;
    let mut here = Raw::persistent(broker.address(), "b1").await;
    assert!(Raw::persistent(broker.address(), "e2").await.session_present, "e1 made room, not e2");
    assert_eq!(broker.counters().sessions_expired, 1);

    // b1 is here; e2 is away again and makes room for ann; her second client finds her first one here.
    until("e2 is away", || broker.counters().clients == 1).await;
    let _ann = Raw::clean(broker.address(), "ann").await;
    let second = Hello { client_id: "second", ..Hello::of("ann") };
    assert_eq!(second.say(broker.address()).await.1, Some((0, 3)));
    here.is_quiet().await;
}

#[tokio::test]
async fn a_take_over_ends_the_old_connection_and_loses_nothing() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut old = Raw::persistent(broker.address(), "e1").await;
    old.subscribe(INBOX, 1).await;
    website.publish(INBOX, "unacknowledged").await;
    assert_eq!(old.publish_received().await.text(), "unacknowledged");
    for count in 1..=5 {
        let mut new = Raw::persistent(broker.address(), "e1").await;
        assert!(new.session_present);
        old.is_closed().await;
        let again = new.publish_received().await;
        assert_eq!((again.text(), again.dup), ("unacknowledged", true));
        assert_eq!((broker.counters().taken_over, broker.counters().clients), (count, 2));
        old = new;
    }
    // Many at once: one of them stays, and it has the session.
    let storm: Vec<_> = (0..50)
        .map(|_| {
            let address = broker.address();
            tokio::spawn(async move { Hello { clean: false, ..Hello::of("e1") }.say(address).await })
        })
        .collect();
    let mut streams = Vec::new();
    for one in storm {
        streams.push(one.await.unwrap().0);
    }
    until("one is left", || broker.counters().clients == 2).await;
    drop(streams);
    let mut last = Raw::persistent(broker.address(), "e1").await;
    assert_eq!(last.message().await.text(), "unacknowledged");
    last.is_quiet().await;
}

#[tokio::test]
async fn qos_2_arrives_exactly_once_both_ways() {
    let broker = start().await;
    let mut website = Raw::clean(broker.address(), "website").await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert_eq!(edge.subscribe(INBOX, 2).await, 2);
    let message = publish(INBOX, b"once", 0x04, Some(9));
    website.send(&message).await;
    assert_eq!(website.packet().await, Some((0x50, vec![0, 9])));
    website.send(&publish(INBOX, b"once", 0x0c, Some(9))).await;
    assert_eq!(website.packet().await, Some((0x50, vec![0, 9])));
    for _ in 0..2 {
        website.send(&packet(0x62, &[0, 9])).await;
        assert_eq!(website.packet().await, Some((0x70, vec![0, 9])));
    }
    let got = edge.publish_received().await;
    assert_eq!((got.text(), got.qos, got.dup), ("once", 2, false));
    drop(edge);
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    let again = edge.publish_received().await;
    assert_eq!((again.text(), again.id, again.dup), ("once", got.id, true));
    let id = got.id.to_be_bytes();
    edge.send(&packet(0x50, &id)).await;
    assert_eq!(edge.packet().await, Some((0x62, id.to_vec())));
    drop(edge);
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    assert_eq!(edge.packet().await, Some((0x62, id.to_vec())), "released again, not sent again");
    edge.send(&packet(0x70, &id)).await;
    edge.is_quiet().await;
    website.send(&message).await;
    assert_eq!(website.packet().await, Some((0x50, vec![0, 9])));
    assert_eq!(edge.publish_received().await.text(), "once", "the id is free for another message");
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_a_pinging_one_is_not() {
    let broker = start().await;
    let hello = |name| Hello { keep_alive_s: 1, ..Hello::of(name) };
    let mut silent = hello("e1").enter(broker.address()).await;
    let mut pinging = hello("e2").enter(broker.address()).await;
    // Ten pings within each keep-alive, for longer than one and a half of it.
    let mut ping = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..22 {
        ping.tick().await;
        pinging.is_quiet().await;
    }
    silent.is_closed().await;
    pinging.is_quiet().await;
    assert_eq!((broker.counters().keep_alive_timeouts, broker.counters().clients), (1, 1));
}
