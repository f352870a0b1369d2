//! An edge in a test: both halves of its daemon, with nobody who runs them, and a website's messages for it.

use super::*;
use crate::{Answer, Encryption, FaceVector, Grade, Sighting, Space, Thresholds, input::Input, sync::Event};
use protocol::{
    Digest, DigestKey, Epoch, FaceId, Nonce, RowHash, Seq, SigningKey, SpaceId,
    message::{Change, Customer, CustomerState, EnrolPolicy, Flag, Head},
};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(super) const EPOCH: Epoch = Epoch(1);
pub(super) const PEOPLE: u8 = 5;

/// A website's messages, the two halves of an edge, and nobody who runs them but the test.
pub(super) struct Scene {
    folder: TempDir,
    pub(super) rules: Rules,
    pub(super) storage: Storage,
    pub(super) live: Arc<Live>,
    pub(super) rows: BTreeMap<FaceId, (Seq, RowHash)>,
    pub(super) removed: BTreeSet<FaceId>,
    pub(super) seq: Seq,
    issued_at: UnixMs,
    last_removal: Seq,
    pub(super) sent: Vec<Event>,
    notices: broadcast::Receiver<Notice>,
}

pub(super) fn key() -> DigestKey {
    DigestKey::from_bytes([3; 32])
}

pub(super) fn face(who: u8) -> FaceId {
    format!("face_{who}").parse().unwrap()
}

pub(super) fn vector(who: u8) -> FaceVector {
    let mut direction = [0.0; 8];
    direction[usize::from(who)] = 1.0;
    FaceVector::from_output(&direction).unwrap()
}

pub(super) fn space() -> SpaceId {
    "s".parse().unwrap()
}

pub(super) fn removal(epoch: Epoch, face_id: FaceId, seq: Seq) -> Event {
    let state = CustomerState::Removed { merged_into: None };
    Event::Change(Box::new(Change { epoch, face_id, seq, state }), None)
}

impl Scene {
    /// An edge that has verified that there is nobody.
    pub(super) fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, opened) = Store::open(folder.path(), &key()).unwrap();
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let live = Arc::new(Live::new(Space { id: space(), dimension: 8, thresholds }));
        let (sender, notices) = broadcast::channel(1_024);
        let identity = Identity {
            edge: "edge_1".parse().unwrap(),
            location: "store_a".parse().unwrap(),
            location_name: String::new(),
            host: String::new(),
            port: 0,
            encryption: Encryption::default(),
            token: String::new(),
            key: SigningKey::from_seed([2; 32]),
            site_key: SigningKey::from_seed([1; 32]).public(),
            digest_key: key(),
        };
        let (rules, storage, _) = load(Parts {
            identity: Arc::new(identity),
            store,
            opened,
            live: live.clone(),
            clock: Arc::new(Clock::start(None)),
            presence: Presence::new(600_000, 0.55),
            start: Start { count: 1, nonce: Nonce(1) },
            stream: StreamId(1),
            notices: sender,
        });
        let mut scene = Scene {
            folder,
            rules,
            storage,
            live,
            rows: BTreeMap::new(),
            removed: BTreeSet::new(),
            seq: Seq(0),
            issued_at: crate::clock::system(),
            last_removal: Seq(0),
            sent: Vec::new(),
            notices,
        };
        scene.head();
        scene.store_everything();
        scene
    }

    pub(super) fn send(&mut self, event: Event) {
        self.sent.push(event.clone());
        self.rules.take(Input::Message { event: Ok(event), ack: None, link: 1 });
        self.rules.hand_on();
    }

    /// What waits is handed on, without waiting for a head.
    pub(super) fn hand_on(&mut self) {
        self.rules.changed_at = None;
        self.rules.hand_on();
    }

    /// The storage thread does one thing; tells whether there was any.
    pub(super) fn store(&mut self) -> bool {
        self.hand_on();
        let Ok(request) = self.storage.requests.try_recv() else { return false };
        let done = self.storage.serve(request, &CancellationToken::new()).unwrap().unwrap();
        self.rules.done(done);
        true
    }

    pub(super) fn store_everything(&mut self) {
        while self.store() {}
    }

    pub(super) fn put(&mut self, who: u8) {
        let face_id = face(who);
        if self.removed.contains(&face_id) {
            return;
        }
        self.seq = self.seq.next();
        let embedding = vector(who).to_embedding();
        let name = format!("Nr {}", self.seq.0).parse().unwrap();
        let customer = Customer { name, flag: Flag::None, space: space(), embedding };
        let hash = key().hash(&face_id, self.seq, &customer);
        self.rows.insert(face_id.clone(), (self.seq, hash));
        let state = CustomerState::Live(customer);
        self.send(Event::Change(
            Box::new(Change { epoch: EPOCH, face_id, seq: self.seq, state }),
            Some(hash),
        ));
    }

    pub(super) fn remove(&mut self, who: u8) {
        let face_id = face(who);
        if self.rows.remove(&face_id).is_some() {
            self.seq = self.seq.next();
            self.last_removal = self.seq;
            self.removed.insert(face_id.clone());
            self.send(removal(EPOCH, face_id, self.seq));
        }
    }

    pub(super) fn head(&mut self) {
        self.issued_at = self.issued_at.plus_ms(1);
        self.send(Event::Head(Head {
            epoch: EPOCH,
            seq: self.seq,
            count: self.rows.len() as u64,
            digest: Digest::of(self.rows.values().map(|(_, hash)| *hash)),
            last_removal: self.last_removal,
            issued_at: self.issued_at,
            lease_s: 3_600,
            enrol: EnrolPolicy::Auto,
            backed_up_at: None,
        }));
    }

    /// Shows somebody; what the edge answers, and when it does not at once.
    pub(super) fn see(
        &mut self,
        who: u8,
        asker: fn(oneshot::Sender<Answer>) -> Asker,
    ) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        let (grade, now) = (Grade::Enrol, self.rules.clock.wall());
        let (said, version) = self.live.decide_at(vector(who).as_slice(), grade, now).unwrap();
        let sighting = Sighting { vector: vector(who), grade, at: now };
        self.rules.see(Seen { sighting, answer: said, version, asker: asker(sender) });
        self.rules.hand_on();
        answer
    }

    pub(super) fn known(&self) -> BTreeSet<FaceId> {
        (0..PEOPLE).map(face).filter(|face_id| self.live.contains(face_id)).collect()
    }

    /// How many notices there were of a face that is forgotten.
    pub(super) fn forgotten(&mut self) -> usize {
        let sent = std::iter::from_fn(|| self.notices.try_recv().ok());
        sent.filter(|notice| matches!(notice, Notice::Forgotten { .. })).count()
    }

    /// The visits in the outbox, and the edge's own faces in the cache, read from the files as a start does.
    pub(super) fn reopened(self) -> Opened {
        let Self { folder, rules, storage, .. } = self;
        drop((rules, storage));
        Store::open(folder.path(), &key()).unwrap().1
    }
}
