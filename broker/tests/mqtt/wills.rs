use crate::support::{start, until};
use test_kit::mqtt::v3::{Hello, Raw, packet};

const PRESENCE: &str = "view/A/edges/e1";

fn with_will() -> Hello<'static> {
    Hello { will: Some((PRESENCE, "offline", true)), ..Hello::of("e1") }
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_disconnected() {
    let broker = start().await;
    let mut person = Raw::clean(broker.address(), "bob").await;
    person.subscribe("view/A/#", 1).await;

    with_will().enter(broker.address()).await.disconnect().await;
    until("the edge is gone", || broker.counters().clients == 1).await;
    person.is_quiet().await;

    drop(with_will().enter(broker.address()).await);
    assert_eq!(person.message().await.text(), "offline");

    // Bytes that are no packet.
    let mut edge = with_will().enter(broker.address()).await;
    edge.send(&[0xff; 10]).await;
    edge.is_closed().await;
    assert_eq!(person.message().await.text(), "offline");

    // Taken over: the old will first, then what the new connection says.
    let mut old = with_will().enter(broker.address()).await;
    let mut new = with_will().enter(broker.address()).await;
    new.publish_retained(PRESENCE, "online").await;
    old.is_closed().await;
    let got = person.messages(2).await;
    assert_eq!((got[0].text(), got[1].text()), ("offline", "online"));

    broker.kick(&crate::support::edge("A", "e1"));
    new.is_closed().await;
    assert_eq!(person.message().await.text(), "offline");
    let mut late = Raw::clean(broker.address(), "ann").await;
    late.subscribe(PRESENCE, 1).await;
    assert_eq!(late.message().await.text(), "offline", "the will was retained");
}

#[tokio::test]
async fn the_broker_reports_itself() {
    let broker = start().await;
    let mut person = Raw::clean(broker.address(), "bob").await;
    person.subscribe("view/broker", 1).await;
    let report = person.message().await;
    let report = report.text();
    for part in ["\"clients\":", "\"retained\":", "\"dropped\":0", "\"refused\":0"] {
        assert!(report.contains(part), "{report}");
    }
    // No other client may write there.
    let mut edge = Raw::clean(broker.address(), "e1").await;
    edge.send(&test_kit::mqtt::v3::publish("view/broker", b"{}", 0x03, Some(1))).await;
    edge.is_closed().await;
    person.send(&packet(0xc0, b"")).await;
    assert_eq!(person.packet().await, Some((0xd0, vec![])));
}
