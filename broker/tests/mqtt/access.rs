use crate::support::{Bystander, edge, start, start_asking, until};
use broker::{Credentials, Limits, Login, LoginFuture, Principal};
use std::sync::Arc;
use test_kit::mqtt::v3::{Hello, Raw, publish};
use tokio::sync::Notify;

#[tokio::test]
async fn a_refused_filter_gets_0x80_and_the_others_are_granted() {
    let broker = start().await;
    let cases = [
        ("e1", "store/A/customers/#", 1),
        ("e1", "store/A/edges/e1/inbox", 1),
        ("e1", "store/B/customers/#", 0x80),
        ("e1", "store/A/edges/e2/inbox", 0x80),
        ("e1", "#", 0x80),
        ("e1", "$share/g/store/A/customers/#", 0x80),
        ("e1", "$SYS/#", 0x80),
        ("ann", "view/#", 1),
        ("ann", "#", 0x80),
        ("ann", "store/#", 0x80),
        ("bob", "view/A/#", 1),
        ("bob", "view/#", 0x80),
        ("website", "store/+/visits/+", 1),
        ("website", "#", 0x80),
    ];
    let refused = cases.iter().filter(|(.., granted)| *granted == 0x80).count() as u64;
    for (name, filter, granted) in cases {
        let mut client = Raw::clean(broker.address(), name).await;
        assert_eq!(client.subscribe(filter, 1).await, granted, "{name} {filter}");
    }
    assert_eq!(broker.counters().refused, refused);
}

#[tokio::test]
async fn a_refused_publish_closes_the_connection_and_reaches_no_subscriber() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut victim = Raw::clean(broker.address(), "b1").await;
    victim.subscribe("store/B/customers/#", 1).await;
    let cases = [
        ("e1", "store/B/customers/f1", 0x02),
        ("e1", "store/A/customers", 0x03),
        ("e1", "store/A/visits/e2", 0x02),
        ("e1", "store/A/visits/e1", 0x03),
        ("e1", "view/A/edges/e2", 0x03),
        ("e1", "$SYS/x", 0x02),
        ("ann", "view/A/changes", 0x02),
        ("website", "store/A/visits/e1", 0x02),
    ];
    for (count, (name, topic, flags)) in cases.into_iter().enumerate() {
        let mut client = Raw::clean(broker.address(), name).await;
        client.send(&publish(topic, b"x", flags, Some(1))).await;
        assert_eq!(client.packet().await, None, "{name} {topic}");
        assert_eq!(broker.counters().refused, count as u64 + 1, "{name} {topic}");
    }
    victim.is_quiet().await;
    bystander.is_well(&broker).await;
}

#[tokio::test]
async fn a_client_id_is_nothing_without_its_login() {
    let broker = start().await;
    let mut edge = Raw::persistent(broker.address(), "e1").await;
    edge.subscribe("store/A/edges/e1/inbox", 1).await;
    for name in ["ann", "bob"] {
        let mut person =
            Hello { client_id: "e1", clean: false, ..Hello::of(name) }.enter(broker.address()).await;
        assert!(!person.session_present);
        person.is_quiet().await;
    }
    edge.is_quiet().await;
    assert_eq!(broker.counters().taken_over, 0);
}

#[tokio::test]
async fn a_kicked_edge_is_gone_with_what_waited_for_it() {
    let broker = start().await;
    let mut kicked = Raw::persistent(broker.address(), "e1").await;
    kicked.subscribe("store/A/edges/e1/inbox", 1).await;
    let away = Raw::persistent(broker.address(), "b1").await;
    away.disconnect().await;
    let mut other = Raw::clean(broker.address(), "e2").await;
    for principal in [edge("A", "e1"), edge("B", "b1"), Principal::Website] {
        broker.kick(&principal);
    }
    kicked.is_closed().await;
    other.is_quiet().await;
    until("only one session is left", || broker.counters().sessions == 1).await;
    assert!(!Raw::persistent(broker.address(), "e1").await.session_present);
    assert!(!Raw::persistent(broker.address(), "b1").await.session_present);
}

/// A login that is answered only when the test says so.
#[derive(Default)]
struct Slow {
    asked: Notify,
    answer: Notify,
}

impl Login for Slow {
    fn login(&self, _: Credentials) -> LoginFuture<'_> {
        Box::pin(async {
            self.asked.notify_one();
            self.answer.notified().await;
            Ok(edge("A", "e1"))
        })
    }
}

#[tokio::test]
async fn a_login_that_was_looked_up_before_a_kick_is_turned_away() {
    let login = Arc::new(Slow::default());
    let broker = start_asking(Limits::default(), login.clone()).await;
    for (kicked, code) in [(edge("A", "e1"), 3), (edge("A", "e2"), 0), (edge("B", "e1"), 0)] {
        let address = broker.address();
        let connecting = tokio::spawn(async move { Hello::of("e1").say(address).await.1 });
        login.asked.notified().await;
        broker.kick(&kicked);
        login.answer.notify_one();
        assert_eq!(connecting.await.unwrap(), Some((0, code)), "{kicked:?}");
    }
}
