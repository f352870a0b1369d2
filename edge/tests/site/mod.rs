//! A small website for tests: it says what it holds through a real broker, and hears what edges say.

mod repair;

use broker::{Broker, Config, Credentials, Limits, Login, LoginFuture, Plaintext, Principal};
use edge::{Edge, FaceVector, Identity, Settings, Space, Thresholds};
use protocol::{
    Digest, DigestKey, EdgeId, Embedding, Epoch, FaceId, LocationId, PublicKey, RowHash, Seq, SigningKey,
    SpaceId, StreamId, Topic, UnixMs,
    codec::Message,
    filters,
    message::{
        Applied, Change, Customer, CustomerState, EnrolPolicy, Flag, Head, Inbox, ReceiptsStored, Report,
        Settled, SignedHead, Visit,
    },
};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, NetworkOptions, PublishOptions, QoS};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

pub use test_kit::until_async as until;

pub const EPOCH: Epoch = Epoch(0xFEED_0000_0000_0001);
pub const DIMENSION: usize = 256;

/// What came up from edges.
#[derive(Debug, Default)]
pub struct Heard {
    pub visits: BTreeMap<(StreamId, u64), Visit>,
    pub deliveries: usize,
    pub reports: Vec<Applied>,
    pub settles: bool,
    pub held: repair::Held,
}

pub struct Site {
    pub broker: Broker,
    pub heard: Arc<Mutex<Heard>>,
    pub rows: BTreeMap<FaceId, (Seq, RowHash)>,
    pub seq: Seq,
    pub lease_s: u32,
    pub policy: EnrolPolicy,
    last_removal: Seq,
    client: AsyncClient,
    key: SigningKey,
    edge_key: SigningKey,
    public: Arc<Mutex<Option<PublicKey>>>,
}

struct Door;

impl Login for Door {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        Box::pin(async move {
            Ok(match credentials.username.as_deref() {
                Some("website") => Principal::Website,
                _ => Principal::Edge { location: location(), edge: credentials.client_id.parse().unwrap() },
            })
        })
    }
}

pub fn location() -> LocationId {
    "store_a".parse().unwrap()
}

pub fn edge_id() -> EdgeId {
    "edge_1".parse().unwrap()
}

pub fn face(id: &str) -> FaceId {
    id.parse().unwrap()
}

fn digest_key() -> DigestKey {
    DigestKey::from_bytes([3; 32])
}

/// A person's face: directions of two people are nearly at right angles.
pub fn person(n: u64) -> Vec<f32> {
    let mut state = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % 2_001) as f32 / 1_000.0 - 1.0
    };
    std::iter::repeat_with(&mut next).take(DIMENSION).collect()
}

pub fn seen(n: u64) -> FaceVector {
    FaceVector::from_output(&person(n)).unwrap()
}

impl Site {
    pub async fn start() -> Self {
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            plaintext: Plaintext::LoopbackOnly,
            limits: Limits::default(),
        };
        let broker = Broker::start(config, Arc::new(Door)).await.unwrap();
        let mut options = MqttOptions::new("website", ("127.0.0.1", broker.address().port()));
        options.set_credentials("website", "secret").set_max_packet_size(65_536, 65_536);
        let (client, mut events) = AsyncClient::builder(options).unbounded().build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        for filter in [filters::VISITS, filters::REPORTS] {
            client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        }
        let heard = Arc::new(Mutex::new(Heard { settles: true, ..Heard::default() }));
        let (hears, answers) = (heard.clone(), client.clone());
        let edge_key = SigningKey::from_seed([9; 32]);
        let public = Arc::new(Mutex::new(Some(edge_key.public())));
        let known = public.clone();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                let Event::Incoming(Incoming::Publish(publish)) = event else { continue };
                let topic: Topic = std::str::from_utf8(&publish.topic).unwrap().parse().unwrap();
                let (said, head) = {
                    let mut heard = hears.lock().unwrap();
                    let said: Vec<Inbox> = match topic {
                        Topic::Visits(..) => {
                            Vec::from_iter(heard.visit(Visit::decode(&publish.payload).unwrap()))
                        }
                        Topic::Report(location, edge) => match Report::decode(&publish.payload).unwrap() {
                            Report::Applied(applied) => {
                                let key = *known.lock().unwrap();
                                let verified = key.map(|key| applied.verify(&location, &edge, &key).unwrap());
                                verified.and_then(|applied| heard.report(applied)).into_iter().collect()
                            }
                            Report::Repair(repair) => heard.held.rosters(&repair),
                            Report::Want(want) => heard.held.wanted(&want),
                        },
                        other => panic!("{other:?}"),
                    };
                    let asked = said.iter().any(|said| matches!(said, Inbox::Roster(_)));
                    (said, asked.then(|| heard.held.head.clone()))
                };
                if let Some(head) = head {
                    let options = PublishOptions::at_least_once().retained();
                    answers.publish(Topic::Head(location()).to_string(), head, options).await.unwrap();
                }
                for answer in said {
                    let topic = Topic::Inbox(location(), edge_id()).to_string();
                    answers.publish(topic, answer.encode(), PublishOptions::at_least_once()).await.unwrap();
                }
            }
        });
        Self {
            broker,
            heard,
            rows: BTreeMap::new(),
            seq: Seq(0),
            lease_s: 3_600,
            policy: EnrolPolicy::Auto,
            last_removal: Seq(0),
            client,
            key: SigningKey::from_seed([1; 32]),
            edge_key,
            public,
        }
    }

    /// The edge makes a key of its own when it joins: its reports are taken without a look.
    pub fn key_of_joined_edge_is_unknown(&self) {
        *self.public.lock().unwrap() = None;
    }

    pub fn identity(&self) -> Identity {
        Identity {
            edge: edge_id(),
            location: location(),
            location_name: "Store A".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.broker.address().port(),
            encryption: edge::Encryption::None,
            token: "token".to_owned(),
            key: self.edge_key.clone(),
            site_key: self.key.public(),
            digest_key: digest_key(),
        }
    }

    /// Starts the edge whose state folder this is.
    pub async fn edge(&self, state: &Path) -> Edge {
        if !Identity::exists(state) {
            self.identity().store(state).unwrap();
        }
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let space = Space { id: "space".parse().unwrap(), dimension: DIMENSION, thresholds };
        let settings = Settings { state: state.to_owned(), space, away: Duration::from_secs(600) };
        edge::start(settings, CancellationToken::new()).await.unwrap()
    }

    /// Changes a customer, without a head.
    pub async fn put(&mut self, id: &str, name: &str, who: u64) {
        let embedding = Embedding::from_f32(&person(who)).unwrap();
        self.enrol(id, name, "space".parse().unwrap(), embedding).await;
    }

    /// Makes a face a customer, or changes one, without a head.
    pub async fn enrol(&mut self, id: &str, name: &str, space: SpaceId, embedding: Embedding) {
        self.seq = self.seq.next();
        let customer = Customer { name: name.parse().unwrap(), flag: Flag::None, space, embedding };
        self.rows.insert(face(id), (self.seq, digest_key().hash(&face(id), self.seq, &customer)));
        self.publish_change(id, CustomerState::Live(customer)).await;
    }

    /// Removes a customer, without a head.
    pub async fn remove(&mut self, id: &str) {
        self.seq = self.seq.next();
        self.last_removal = self.seq;
        self.rows.remove(&face(id));
        self.publish_change(id, CustomerState::Removed { merged_into: None }).await;
    }

    async fn publish_change(&self, id: &str, state: CustomerState) {
        let change = Change { epoch: EPOCH, face_id: face(id), seq: self.seq, state };
        self.hold(&change);
        self.publish(Topic::Customer(location(), face(id)), change.encode(), true).await;
    }

    /// Removes a customer and lets the edge miss it: what is retained is cleared, nothing else is said.
    pub async fn remove_unheard(&mut self, id: &str) {
        self.seq = self.seq.next();
        self.rows.remove(&face(id));
        let state = CustomerState::Removed { merged_into: None };
        self.hold(&Change { epoch: EPOCH, face_id: face(id), seq: self.seq, state });
        self.publish(Topic::Customer(location(), face(id)), vec![], true).await;
    }

    fn hold(&self, change: &Change) {
        let held = &mut self.heard.lock().unwrap().held;
        held.seq = change.seq;
        match change.state {
            CustomerState::Live(_) => held.rows.insert(change.face_id.clone(), change.clone()),
            CustomerState::Removed { .. } => held.rows.remove(&change.face_id),
        };
    }

    /// Publishes a signed head of what the website holds.
    pub async fn head(&self) {
        let head = Head {
            epoch: EPOCH,
            seq: self.seq,
            count: self.rows.len() as u64,
            digest: Digest::of(self.rows.values().map(|(_, hash)| *hash)),
            last_removal: self.last_removal,
            issued_at: edge::clock::system(),
            lease_s: self.lease_s,
            enrol: self.policy,
            backed_up_at: None,
        };
        let signed = SignedHead::sign(head, &location(), &self.key);
        self.heard.lock().unwrap().held.head = signed.encode();
        self.publish(Topic::Head(location()), signed.encode(), true).await;
    }

    pub async fn publish(&self, topic: Topic, payload: Vec<u8>, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic.to_string(), payload, options).await.unwrap();
    }

    pub fn settle(&self, settles: bool) {
        self.heard.lock().unwrap().settles = settles;
    }
}

impl Heard {
    fn visit(&mut self, visit: Visit) -> Option<Inbox> {
        self.deliveries += 1;
        let Visit { stream, first_unsettled, .. } = visit;
        self.visits.entry((stream, visit.n)).or_insert(visit);
        let mut next = first_unsettled;
        while self.visits.contains_key(&(stream, next)) {
            next += 1;
        }
        let settled = Settled {
            epoch: EPOCH,
            seq: Seq(u64::MAX >> 1),
            stream,
            from: first_unsettled,
            through: next - 1,
            at: UnixMs(1),
        };
        (self.settles && next > first_unsettled).then_some(Inbox::Settled(settled))
    }

    fn report(&mut self, applied: Applied) -> Option<Inbox> {
        let receipts: Vec<_> = applied.receipts.iter().map(|receipt| receipt.key.clone()).collect();
        self.reports.push(applied);
        (!receipts.is_empty()).then_some(Inbox::ReceiptsStored(ReceiptsStored { receipts }))
    }
}
