//! An MQTT client with an edge's login that keeps what it is told, as simply as can be: what a test compares with.

use crate::stage::{location, until};
use protocol::{
    Digest, FaceId, Nonce, RowHash, Seq, SigningKey, StreamId, Topic, UnixMs,
    codec::Message,
    filters,
    message::{
        Applied, Basis, Change, CustomerState, Head, Inbox, RepairCounts, Report, Seen, SignedApplied,
        SignedHead, Start, SyncState, Visit,
    },
};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, PublishOptions, QoS, SubscribeFilter};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::AbortHandle;
use website::{Website, edges::Joined};

/// What it has been told so far.
#[derive(Debug, Default)]
pub struct Told {
    pub rows: BTreeMap<FaceId, Change>,
    pub heads: Vec<Head>,
    pub inbox: Vec<Inbox>,
    pub connected: u32,
    pub lost: u32,
    /// When the newest row came in.
    pub row_at: Option<Instant>,
    digest: Digest,
    live: u64,
}

pub struct FakeEdge {
    pub joined: Joined,
    pub told: Arc<Mutex<Told>>,
    client: AsyncClient,
    key: SigningKey,
    task: AbortHandle,
    pub start: Start,
}

impl Drop for FakeEdge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeEdge {
    pub async fn connect(website: &Website, (joined, key): (Joined, SigningKey)) -> FakeEdge {
        let mut options = MqttOptions::new(joined.edge.as_str(), ("127.0.0.1", website.mqtt.port()));
        options
            .set_credentials(joined.edge.as_str(), joined.token.clone())
            .set_clean_session(false)
            .set_keep_alive(30)
            .set_max_packet_size(65_536, 65_536);
        let (client, mut events) = AsyncClient::builder(options).capacity(4096).build();
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let filters = [filters::customers(&joined.location), filters::inbox(&joined.location, &joined.edge)];
        let filters = filters.map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        client.try_subscribe_many(filters).unwrap();
        let told = Arc::new(Mutex::new(Told::default()));
        let (keeping, of) = (Arc::clone(&told), joined.clone());
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let topic: Topic = std::str::from_utf8(&publish.topic).unwrap().parse().unwrap();
                        keeping.lock().unwrap().take(&of, topic, &publish.payload);
                    }
                    Ok(Event::Incoming(Incoming::ConnAck(_))) => keeping.lock().unwrap().connected += 1,
                    Ok(_) => {}
                    Err(_) => {
                        keeping.lock().unwrap().lost += 1;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        let edge = FakeEdge {
            joined,
            told,
            client,
            key,
            task: task.abort_handle(),
            start: Start { count: 1, nonce: Nonce(77) },
        };
        edge.until("connected", |told| (told.connected > 0).then_some(())).await;
        edge
    }

    pub async fn until<T>(&self, what: &str, ask: impl Fn(&Told) -> Option<T>) -> T {
        until(what, || async { ask(&self.told.lock().unwrap()) }).await
    }

    /// Waits until it holds exactly the state of a head of at least `seq`, as the head's digest says.
    pub async fn until_verified(&self, seq: u64) -> Head {
        self.until(&format!("verified at {seq}"), |told| {
            let head = told.heads.last().filter(|head| head.seq >= Seq(seq))?;
            (head.digest == told.digest && head.count == told.live).then(|| head.clone())
        })
        .await
    }

    pub fn publish(&self, topic: Topic, payload: Vec<u8>) {
        self.client.try_publish(topic.to_string(), payload, PublishOptions::at_least_once()).unwrap();
    }

    pub fn report(&self, report: &Report) {
        self.publish(Topic::Report(location(), self.joined.edge.clone()), report.encode());
    }

    /// What it would say of itself with what it holds at `head`.
    pub fn applied(&self, head: &Head) -> Applied {
        Applied {
            epoch: head.epoch,
            verified: head.seq,
            digest: head.digest,
            count: head.count,
            state: SyncState::Verified,
            start: self.start,
            space: crate::stage::space().id,
            at: website::clock::now(),
            lease_until: head.issued_at,
            queued: 0,
            refused: 0,
            repairs: RepairCounts::default(),
            receipts: Vec::new(),
        }
    }

    pub fn say(&self, applied: Applied) {
        let signed = SignedApplied::sign(applied, &location(), &self.joined.edge, &self.key);
        self.report(&Report::Applied(Box::new(signed)));
    }

    pub fn visit(&self, visit: &Visit) {
        self.publish(Topic::Visits(location(), self.joined.edge.clone()), visit.encode());
    }

    /// Waits until the visits of `stream` are settled through `n`.
    pub async fn until_settled(&self, stream: u64, n: u64) {
        self.until(&format!("settled through {n}"), |told| {
            let settled = |message: &Inbox| {
                matches!(message, Inbox::Settled(s) if s.stream == StreamId(stream) && s.through >= n)
            };
            told.inbox.iter().any(settled).then_some(())
        })
        .await
    }
}

/// A visit decided on `head`.
pub fn visit(stream: u64, n: u64, seen: Seen, head: &Head) -> Visit {
    let now = website::clock::now();
    Visit {
        stream: StreamId(stream),
        n,
        first_unsettled: 1,
        at: now,
        sent_at: UnixMs(now.0),
        seen,
        basis: Basis { epoch: head.epoch, verified: head.seq, staleness_s: 1 },
    }
}

impl Told {
    fn take(&mut self, of: &Joined, topic: Topic, payload: &[u8]) {
        match topic {
            Topic::Head(_) => {
                let head = SignedHead::decode(payload).unwrap().verify(&of.location, &of.site_key).unwrap();
                assert!(self.heads.last().is_none_or(|last| last.issued_at <= head.issued_at));
                self.heads.push(head);
            }
            // Cleared: the edge keeps what it knows.
            Topic::Customer(..) if payload.is_empty() => {}
            Topic::Customer(..) => {
                self.row_at = Some(Instant::now());
                let change = Change::decode(payload).unwrap();
                let hash = |change: &Change| match &change.state {
                    CustomerState::Live(content) => {
                        Some(of.digest_key.hash(&change.face_id, change.seq, content))
                    }
                    CustomerState::Removed { .. } => None,
                };
                let old = self.rows.get(&change.face_id);
                if old.is_some_and(|old| old.seq > change.seq) {
                    return;
                }
                if let Some(hash) = old.and_then(hash) {
                    (self.digest, self.live) = (self.digest.minus(hash), self.live - 1);
                }
                if let Some(hash) = hash(&change) {
                    (self.digest, self.live) = (self.digest.plus(hash), self.live + 1);
                }
                self.rows.insert(change.face_id.clone(), change);
            }
            Topic::Inbox(..) => self.inbox.push(Inbox::decode(payload).unwrap()),
            other => panic!("an edge was told {other}"),
        }
    }

    /// The hashes of its live rows.
    pub fn hashes(&self, of: &Joined) -> Vec<(FaceId, RowHash)> {
        let live = self.rows.values().filter_map(|change| match &change.state {
            CustomerState::Live(content) => {
                Some((change.face_id.clone(), of.digest_key.hash(&change.face_id, change.seq, content)))
            }
            CustomerState::Removed { .. } => None,
        });
        live.collect()
    }
}
