//! The edge's one MQTT session: connects, listens, and hands what comes to the rules task. It decides nothing.
//!
//! Every connection gets a client of its own: nothing of an older one (an acknowledgement, a publish) can get into a
//! newer one, and what has to be said again is said from the tables. The session at the broker is persistent.

use crate::{
    clock,
    heads::{Check, Heads, RulesEnded},
    identity::Identity,
    inbound::{Message, Reader, Refusal},
    input::{Input, Link},
};
use protocol::{Topic, filters};
use rumqttc::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, Incoming, LastWill, MqttOptions,
    NetworkOptions, Publish, PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, Transport,
};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

const KEEP_ALIVE_S: u16 = 30;
/// Longest packet in either direction: inbox and report pages are below 40 KiB.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// The event loop says something at every ping at the latest; when it does not, it hangs.
const SILENCE_MAX: Duration = Duration::from_secs(2 * KEEP_ALIVE_S as u64 + 15);
/// Heads come every minute. When none has come for this long, the connection is tried anew.
const HEADLESS_MAX: Duration = Duration::from_secs(300);
/// Connecting and subscribing must be done by then.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whatever a session needs.
pub struct Session {
    /// Who connects.
    pub identity: Arc<Identity>,
    /// How it connects.
    pub transport: Transport,
    /// What reads its messages.
    pub reader: Reader,
    /// How often the edge has started: session numbers rise over all starts.
    pub start: u64,
    /// Where to hand what comes.
    pub inputs: mpsc::Sender<Input>,
    /// Ends the session.
    pub stop: CancellationToken,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("stopped")]
    Stopped,
    #[error("the daemon has ended")]
    NoRules,
    #[error("the broker does not accept this edge's login: if the edge was revoked, join it again")]
    Login,
    #[error(
        "the broker refuses this edge's subscriptions: ask a manager whether the edge is still of this location"
    )]
    NotAllowed,
    #[error("the broker does not answer")]
    Silent,
    #[error("no head has come for five minutes")]
    Headless,
    #[error("{0}")]
    Connection(Box<ConnectionError>),
}

impl From<RulesEnded> for Ended {
    fn from(_: RulesEnded) -> Self {
        Self::NoRules
    }
}

impl From<ConnectionError> for Ended {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => Self::Login,
            other => Self::Connection(Box::new(other)),
        }
    }
}

impl Session {
    /// Connects again and again until it is stopped.
    pub async fn run(self) {
        let mut pause = PAUSE_MIN;
        let mut number = self.start << 20;
        while !self.stop.is_cancelled() {
            number += 1;
            let began = Instant::now();
            let ended = self.connection(number).await;
            let told = self.inputs.send(Input::Over { link: number, why: ended.to_string() }).await;
            match ended {
                Ended::Stopped | Ended::NoRules => return,
                _ if told.is_err() => return,
                why => tracing::warn!(%why, "the connection to the broker ended"),
            }
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connection(&self, number: u64) -> Ended {
        let (client, mut events) = self.client(number);
        let handshake = timeout(HANDSHAKE_MAX, self.handshake(&client, &mut events, number));
        let early = tokio::select! {
            done = handshake => match done {
                Ok(Ok(early)) => early,
                Ok(Err(ended)) => return ended,
                Err(_) => return Ended::Silent,
            },
            () = self.stop.cancelled() => return Ended::Stopped,
        };
        let Identity { location, site_key, .. } = &*self.identity;
        let (location, site_key) = (location.clone(), *site_key);
        let check = Check { location, site_key, inputs: self.inputs.clone(), link: number };
        let mut heads = Heads::begin(check);
        for publish in early {
            if let Err(ended) = self.forward(&client, &publish, number, &mut heads).await {
                return ended;
            }
        }
        match self.listen(&client, &mut events, number, &mut heads).await {
            Ok(never) => match never {},
            Err(Ended::Stopped) => {
                self.leave(&client, &mut events, number).await;
                Ended::Stopped
            }
            Err(ended) => ended,
        }
    }

    /// Waits for the broker's welcome, subscribes if it does not remember the edge, says who is there and begins the
    /// session at the daemon. Answers with the messages that came before that.
    async fn handshake(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        number: u64,
    ) -> Result<Vec<Publish>, Ended> {
        let remembered = loop {
            if let rumqttc::Event::Incoming(Incoming::ConnAck(welcome)) = events.poll().await? {
                break welcome.session_present;
            }
        };
        let mut early = Vec::new();
        if !remembered {
            let Identity { location, edge, .. } = &*self.identity;
            let wanted = [filters::inbox(location, edge), filters::customers(location)];
            // The channel to the event loop has no limit, so this cannot fail while that is there.
            let _ =
                client.try_subscribe_many(wanted.map(|path| SubscribeFilter::new(path, QoS::AtLeastOnce)));
            loop {
                match events.poll().await? {
                    rumqttc::Event::Incoming(Incoming::SubAck(answer)) => {
                        if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                            return Err(Ended::NotAllowed);
                        }
                        break;
                    }
                    rumqttc::Event::Incoming(Incoming::Publish(publish)) => early.push(publish),
                    _ => {}
                }
            }
        }
        let options = PublishOptions::at_least_once().retained();
        let _ = client.try_publish(self.presence_topic(), presence("online", number), options);
        let link = Link::new(client.clone(), number);
        self.inputs.send(Input::Began(link)).await.map_err(|_| Ended::NoRules)?;
        Ok(early)
    }

    async fn listen(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        number: u64,
        heads: &mut Heads,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut headed = Instant::now();
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Ended::Stopped),
                event = timeout(SILENCE_MAX, events.poll()) => event.map_err(|_| Ended::Silent)??,
            };
            if let rumqttc::Event::Incoming(Incoming::Publish(publish)) = event
                && self.forward(client, &publish, number, heads).await? == Kind::Head
            {
                headed = Instant::now();
            }
            if headed.elapsed() > HEADLESS_MAX {
                return Err(Ended::Headless);
            }
        }
    }

    async fn forward(
        &self,
        client: &AsyncClient,
        publish: &Publish,
        link: u64,
        heads: &mut Heads,
    ) -> Result<Kind, Ended> {
        let read = match std::str::from_utf8(&publish.topic) {
            Ok(topic) => self.reader.read(topic, &publish.payload),
            Err(_) => Err(Refusal::NotForUs),
        };
        let ack = client.prepare_ack(publish);
        let event = match read {
            Ok(Message::Head(head)) => {
                heads.take(head, ack).await?;
                return Ok(Kind::Head);
            }
            Ok(Message::Event(event)) => Ok(event),
            Err(refusal) => Err(refusal),
        };
        self.inputs.send(Input::Message { event, ack, link }).await.map_err(|_| Ended::NoRules)?;
        Ok(Kind::Other)
    }

    /// Says goodbye, and waits a moment for it to get through.
    async fn leave(&self, client: &AsyncClient, events: &mut EventLoop, number: u64) {
        let options = PublishOptions::at_least_once().retained();
        let _ = client.try_publish(self.presence_topic(), presence("offline", number), options);
        let _ = client.try_disconnect();
        let gone = async { while events.poll().await.is_ok() {} };
        let _ = timeout(Duration::from_secs(1), gone).await;
    }

    fn client(&self, number: u64) -> (AsyncClient, EventLoop) {
        let Identity { edge, host, port, token, .. } = &*self.identity;
        let mut options = MqttOptions::new(edge.as_str(), (host.as_str(), *port));
        options.set_credentials(edge.as_str(), token.clone());
        options.set_transport(self.transport.clone());
        options.set_keep_alive(KEEP_ALIVE_S);
        options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        options.set_ack_mode(AckMode::Manual);
        options.set_clean_session(false);
        // More packets a read mean larger batches for the store when much was missed.
        options.set_read_batch_size(128);
        let last_words = presence("offline", number);
        options.set_last_will(LastWill::new(self.presence_topic(), last_words, QoS::AtLeastOnce, true));
        // Without a limit, because the rules task must never wait for the event loop that waits for it: acknowledgements
        // are bounded by what the broker has in flight, publishes by the outbox's window.
        let (client, mut events) = AsyncClient::builder(options).unbounded().build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (client, events)
    }

    fn presence_topic(&self) -> String {
        let Identity { location, edge, .. } = &*self.identity;
        Topic::ViewEdge(location.clone(), edge.clone()).to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Other,
}

/// What people read of the edge; the number tells a late word of an older session.
fn presence(state: &str, session: u64) -> Vec<u8> {
    json!({ "state": state, "session": session, "since": clock::system().0 }).to_string().into_bytes()
}

/// Between half of a pause and all of it, so that a thousand edges do not come back at one moment.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness the pause is merely the same for all.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(random[0]) / 512.0)
}
