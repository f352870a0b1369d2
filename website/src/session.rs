//! The website's own MQTT session: one task that polls and forwards, and a handle that never waits.
//!
//! Architecture invariant: nothing here waits for the database, and whoever publishes never waits for the poll
//! task: awaiting the client inside its own poll loop can block both for ever.

use protocol::{Topic, filters};
use rumqttc::{
    AckMode, AsyncClient, ClientError, ConnectionError, Event, EventLoop, Incoming, ManualAck, MqttOptions,
    PublishNotice, PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, Transport,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The client id and user name of the website at the broker's door.
pub(crate) const NAME: &str = "website";

const KEEP_ALIVE_S: u16 = 15;
/// Pings make an event at least this often; without one the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Requests that wait for the poll task: well above what publisher and ingest ever have outstanding.
const REQUESTS_MAX: usize = 32 * 1024;
/// Publishes on the wire without an acknowledgement.
const IN_FLIGHT: u16 = 200;
/// The longest message is a page of a roster or a report, 40 KiB.
const PACKET_BYTES_MAX: usize = 64 * 1024;
const BACK_OFF_MS: (u64, u64) = (50, 5_000);

/// What the publisher must know of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It is up, and the broker remembers this session, the retained messages with it.
    Resumed,
    /// It is up, and the broker knew nothing. What edges send from now on arrives: whatever is published upon this tells
    /// them that somebody listens.
    New,
    /// It is down.
    Lost,
}

/// A message that came in.
pub(crate) struct Arrival {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Whether the broker had kept it; what is published now comes without this mark.
    pub retained: bool,
    ack: Option<ManualAck>,
    connection: u64,
}

/// Sends without waiting.
#[derive(Clone)]
pub(crate) struct Link {
    client: AsyncClient,
    connection: Arc<AtomicU64>,
    stuck: Arc<Notify>,
}

impl Link {
    /// Queues a message, retained where the topic says so; the notice tells when the broker has it.
    pub(crate) fn publish(&self, topic: &Topic, payload: Vec<u8>) -> Result<PublishNotice, ClientError> {
        let options = PublishOptions::at_least_once().retain(topic.retained());
        self.client.try_publish_tracked(topic.to_string(), payload, options)
    }

    /// Tells the broker that the effect of a message is stored. A message of an earlier connection comes again
    /// and is acknowledged then.
    pub(crate) fn ack(&self, arrival: &Arrival) {
        let current = self.connection.load(Ordering::Acquire) == arrival.connection;
        if let (true, Some(ack)) = (current, &arrival.ack)
            && self.client.try_manual_ack(ack.clone()).is_err()
        {
            // Without the acknowledgement the message comes again with the next connection.
            self.give_up();
        }
    }

    /// Asks for what the broker keeps on `filters`, and for what is published there from now on.
    pub(crate) fn watch(&self, filters: &[&str]) -> Result<(), ClientError> {
        let filters =
            filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters)
    }

    /// Ends that.
    pub(crate) fn unwatch(&self, filters: &[&str]) -> Result<(), ClientError> {
        filters.iter().try_for_each(|filter| self.client.try_unsubscribe(*filter))
    }

    /// Gives the connection up: nothing moves on it any more.
    pub(crate) fn give_up(&self) {
        self.stuck.notify_one();
    }
}

/// A session that is not connected yet.
pub(crate) fn open(
    (host, port): (String, u16),
    transport: Transport,
    username: &str,
    password: &str,
) -> (Link, EventLoop) {
    let mut options = MqttOptions::new(NAME, (host, port));
    options
        .set_transport(transport)
        .set_credentials(username.to_owned(), password.to_owned())
        .set_clean_session(false)
        .set_keep_alive(KEEP_ALIVE_S)
        .set_ack_mode(AckMode::Manual)
        .set_inflight(IN_FLIGHT)
        .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, mut events) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
    let mut network = events.network_options();
    // Nagle's algorithm and delayed acknowledgements together hold a small message back for 40 ms.
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    (Link { client, connection: Arc::default(), stuck: Arc::default() }, events)
}

/// Polls until `stop`: forwards what comes in, connects again after a loss.
pub(crate) async fn run(
    link: Link,
    mut events: EventLoop,
    arrivals: mpsc::UnboundedSender<Arrival>,
    connections: mpsc::UnboundedSender<Connection>,
    connected: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let (mut back_off_ms, mut subscription) = (BACK_OFF_MS.0, Subscription::default());
    while let Some(next) = next(&mut events, &link, &stop).await {
        let up = match next {
            Next::Event(Event::Incoming(Incoming::ConnAck(answer))) => {
                link.connection.fetch_add(1, Ordering::AcqRel);
                let up = subscription.welcomed(answer.session_present);
                if up.is_none() {
                    subscribe(&link);
                }
                up
            }
            Next::Event(Event::Incoming(Incoming::SubAck(answer))) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    tracing::error!(
                        "the broker refuses a subscription: give the website's user its rights there"
                    );
                    // Without its own subscription the website is deaf; a sweep can wait.
                    if !subscription.stands {
                        link.give_up();
                    }
                    None
                } else {
                    subscription.granted()
                }
            }
            Next::Event(Event::Incoming(Incoming::Publish(publish))) => {
                let ack = link.client.prepare_ack(&publish);
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let connection = link.connection.load(Ordering::Acquire);
                // The broker's window towards us bounds this queue.
                let (payload, retained) = (publish.payload.into(), publish.retain);
                let _ = arrivals.send(Arrival { topic, payload, retained, ack, connection });
                None
            }
            Next::Event(_) => None,
            Next::Lost(reason) => {
                connected.send_replace(false);
                let _ = connections.send(Connection::Lost);
                tracing::warn!(reason, back_off_ms, "the broker's connection is lost");
                let jitter = crate::random::number() % (back_off_ms / 2);
                let wait = sleep(Duration::from_millis(back_off_ms + jitter));
                stop.run_until_cancelled(wait).await;
                back_off_ms = (back_off_ms * 2).min(BACK_OFF_MS.1);
                None
            }
        };
        if let Some(connection) = up {
            back_off_ms = BACK_OFF_MS.0;
            let _ = connections.send(connection);
            connected.send_replace(true);
        }
    }
    let _ = link.client.try_disconnect_now();
    let _ = timeout(Duration::from_secs(1), async { while events.poll().await.is_ok() {} }).await;
}

/// What is known of our subscription. A connection can be lost before it stands, and the broker remember the next time
/// a session that hears nothing: only what it has granted to this process counts.
#[derive(Default)]
struct Subscription {
    stands: bool,
    /// The broker has forgotten us, and nobody has been told yet.
    forgotten: bool,
}

impl Subscription {
    /// The broker has welcomed us. Nothing when it must first be asked for what we want to hear.
    fn welcomed(&mut self, session_present: bool) -> Option<Connection> {
        if !session_present {
            *self = Subscription { stands: false, forgotten: true };
        }
        self.stands.then_some(Connection::Resumed)
    }

    /// The broker has granted what we asked for. Nothing when that was told already.
    fn granted(&mut self) -> Option<Connection> {
        let connection = if self.forgotten { Connection::New } else { Connection::Resumed };
        let told = self.stands;
        *self = Subscription { stands: true, forgotten: false };
        (!told).then_some(connection)
    }
}

enum Next {
    Event(Event),
    Lost(String),
}

async fn next(events: &mut EventLoop, link: &Link, stop: &CancellationToken) -> Option<Next> {
    let reason = tokio::select! {
        () = stop.cancelled() => return None,
        () = link.stuck.notified() => "nothing moved on it".to_owned(),
        polled = timeout(SILENCE_MAX, events.poll()) => match polled {
            Ok(Ok(event)) => return Some(Next::Event(event)),
            Ok(Err(ConnectionError::RequestsDone)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it has been silent for too long".to_owned(),
        },
    };
    // Drops the socket and keeps what is not acknowledged, to be sent again.
    events.clean();
    Some(Next::Lost(reason))
}

fn subscribe(link: &Link) {
    let filters = [filters::VISITS, filters::REPORTS, filters::PRESENCE];
    let filters = filters.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
    if link.client.try_subscribe_many(filters).is_err() {
        link.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{Broker, Config, Credentials, Limits, Login, LoginFuture, Plaintext, Principal};
    use protocol::{EdgeId, LocationId};

    #[test]
    fn a_session_that_was_lost_before_its_subscription_stood_is_subscribed_again_and_told_as_new() {
        use Connection::{New, Resumed};
        let mut subscription = Subscription::default();
        // A broker that stands apart may remember a process before this one.
        assert_eq!((subscription.welcomed(true), subscription.granted()), (None, Some(Resumed)));
        assert_eq!(subscription.welcomed(true), Some(Resumed));
        // It was restarted, and the connection lost before the subscription stood.
        assert_eq!(subscription.welcomed(false), None);
        assert_eq!((subscription.welcomed(true), subscription.granted()), (None, Some(New)));
        assert_eq!((subscription.granted(), subscription.welcomed(true)), (None, Some(Resumed)));
    }

    /// Lets the website in, and everybody else as one edge.
    struct ByName;

    fn door() -> (LocationId, EdgeId) {
        ("berlin".parse().unwrap(), "door".parse().unwrap())
    }

    impl Login for ByName {
        fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
            let (location, edge) = door();
            let website = credentials.client_id == NAME;
            let principal = if website { Principal::Website } else { Principal::Edge { location, edge } };
            Box::pin(async { Ok(principal) })
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_on_its_way_when_the_connection_was_lost_arrives() {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            plaintext: Plaintext::LoopbackOnly,
            limits: Limits::default(),
        };
        let broker = Broker::start(config, Arc::new(ByName)).await.unwrap();
        let at = broker.address();
        let (link, events) = open((at.ip().to_string(), at.port()), Transport::tcp(), NAME, "secret");
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let (connection, mut connections) = mpsc::unbounded_channel();
        let (connected, stop) = (watch::Sender::new(false), CancellationToken::new());
        let running = tokio::spawn(run(link.clone(), events, arrived, connection, connected, stop.clone()));
        assert_eq!(connections.recv().await, Some(Connection::New));

        let (edge, mut edge_events) =
            AsyncClient::builder(MqttOptions::new("door", ("127.0.0.1", broker.address().port()))).build();
        let polling = tokio::spawn(async move { while edge_events.poll().await.is_ok() {} });
        let (location, id) = door();
        let visits = Topic::Visits(location.clone(), id.clone()).to_string();
        let up = async |n: u8| edge.publish(&visits, vec![n], PublishOptions::at_least_once()).await.unwrap();
        // The subscription stands: the very first visit arrives.
        up(0).await;
        let first = arrivals.recv().await.unwrap();
        link.ack(&first);

        let inbox = Topic::Inbox(location, id);
        let notices: Vec<PublishNotice> = (1..=100).map(|n| link.publish(&inbox, vec![n]).unwrap()).collect();
        for n in 1..=100 {
            up(n).await;
        }
        link.give_up();
        assert_eq!(connections.recv().await, Some(Connection::Lost));
        assert_eq!(connections.recv().await, Some(Connection::Resumed), "the broker knows the session");
        for notice in notices {
            notice.wait_completion_async().await.unwrap();
        }
        let mut missing: Vec<u8> = (1..=100).collect();
        while !missing.is_empty() {
            let arrival = arrivals.recv().await.unwrap();
            missing.retain(|n| arrival.payload != [*n]);
            // One of the connection before is not acknowledged: it comes again.
            link.ack(&arrival);
        }
        stop.cancel();
        running.await.unwrap();
        polling.abort();
        broker.stop().await;
    }
}
