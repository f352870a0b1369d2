//! The client library that the website and the edges use.

use crate::support::{DEADLINE, start, until};
use broker::Broker;
use rumqttc::{AckMode, AsyncClient, Event, EventLoop, Incoming, MqttOptions, Publish, PublishOptions, QoS};
use tokio::time::timeout;

fn client(broker: &Broker, name: &str, clean: bool) -> (AsyncClient, EventLoop) {
    let address = broker.address();
    let mut options = MqttOptions::new(name, (address.ip().to_string(), address.port()));
    options.set_credentials(name, "secret").set_clean_session(clean).set_ack_mode(AckMode::Manual);
    AsyncClient::builder(options).capacity(100).build()
}

async fn next(events: &mut EventLoop) -> Incoming {
    loop {
        if let Event::Incoming(packet) = timeout(DEADLINE, events.poll()).await.unwrap().unwrap() {
            return packet;
        }
    }
}

async fn message(events: &mut EventLoop) -> Publish {
    loop {
        if let Incoming::Publish(publish) = next(events).await {
            return publish;
        }
    }
}

async fn session_present(events: &mut EventLoop) -> bool {
    let Incoming::ConnAck(connack) = next(events).await else { panic!("no CONNACK") };
    connack.session_present
}

#[tokio::test]
async fn an_edge_comes_back_and_goes_on_where_it_was() {
    let broker = start().await;
    let (website, mut website_events) = client(&broker, "website", true);
    let publishing = tokio::spawn(async move { while website_events.poll().await.is_ok() {} });
    let publish = async |topic: &str, payload: String| {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(topic.contains("customers"));
        website.publish(topic, payload, options).await.unwrap();
    };
    for face in 0..250 {
        publish(&format!("store/A/customers/f{face}"), "x".into()).await;
    }
    publish("store/A/customers", "head".into()).await;
    until("all is retained", || broker.counters().retained == 252).await;

    let (edge, mut events) = client(&broker, "e1", false);
    assert!(!session_present(&mut events).await);
    edge.subscribe("store/A/customers/#", QoS::AtLeastOnce).await.unwrap();
    edge.subscribe("store/A/edges/e1/inbox", QoS::AtLeastOnce).await.unwrap();
    for n in 0..251 {
        let message = message(&mut events).await;
        assert_eq!(&message.topic[..] == b"store/A/customers", n == 250, "the head comes last");
        edge.ack(&message).await.unwrap();
    }
    publish("store/A/edges/e1/inbox", "not acknowledged".into()).await;
    let left = message(&mut events).await;
    assert_eq!(&left.payload[..], b"not acknowledged");
    drop((edge, events));
    until("the edge is away", || broker.counters().clients == 1).await;
    publish("store/A/edges/e1/inbox", "missed".into()).await;
    publish("store/A/customers/f7", "changed".into()).await;

    let (edge, mut events) = client(&broker, "e1", false);
    assert!(session_present(&mut events).await);
    let mut got = Vec::new();
    for _ in 0..3 {
        let message = message(&mut events).await;
        got.push((String::from_utf8_lossy(&message.payload).into_owned(), message.dup));
        edge.ack(&message).await.unwrap();
    }
    assert_eq!(got[0], ("not acknowledged".to_owned(), true));
    got[1..].sort();
    assert_eq!(got[1..], [("changed".to_owned(), false), ("missed".to_owned(), false)]);
    publishing.abort();
}
