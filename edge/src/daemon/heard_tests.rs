//! A removal is heard at once and ruled on in its turn: whatever lies between, the face does not come back, and in the
//! end the gallery is what the rules say.

use super::*;
use crate::{Encryption, Identity, Space, Thresholds, live::Live};
use proptest::prelude::*;
use protocol::{
    Digest, DigestKey, Embedding, Epoch, Nonce, RowHash, Seq, SigningKey, SpaceId,
    message::{Change, Customer, CustomerState, EnrolPolicy, Flag, Head},
};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

const EPOCH: Epoch = Epoch(1);
const PEOPLE: u8 = 5;

#[derive(Debug, Clone)]
enum Step {
    /// A customer comes, or gets another name.
    Put(u8),
    /// A customer is removed, for ever.
    Remove(u8),
    /// Everything so far is vouched for.
    Head,
    /// Something said before comes once more.
    Again(prop::sample::Index),
    /// A removal that the rules will not take: of another history, or from before the row.
    Nonsense(u8, bool),
    /// The daemon comes to so many messages.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PEOPLE).prop_map(Step::Put),
        3 => (0..PEOPLE).prop_map(Step::Remove),
        2 => Just(Step::Head),
        1 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => (0..PEOPLE, any::<bool>()).prop_map(|(who, other)| Step::Nonsense(who, other)),
        4 => (1_usize..4).prop_map(Step::Take),
    ]
}

/// A website's say, an edge that hears it at once, and a daemon that comes to it later.
struct Scene {
    _folder: TempDir,
    daemon: Daemon,
    live: Arc<Live>,
    key: DigestKey,
    rows: BTreeMap<FaceId, (Seq, RowHash)>,
    removed: BTreeSet<FaceId>,
    seq: Seq,
    issued_at: UnixMs,
    last_removal: Seq,
    said: Vec<Event>,
    queue: VecDeque<Event>,
    told: broadcast::Receiver<Notice>,
}

fn face(who: u8) -> FaceId {
    format!("face_{who}").parse().unwrap()
}

impl Scene {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = DigestKey::from_bytes([3; 32]);
        let (store, opened) = Store::open(folder.path(), &key).unwrap();
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let live = Arc::new(Live::new(Space { id: space(), dimension: 8, thresholds }));
        let (notices, told) = broadcast::channel(1_024);
        let site = SigningKey::from_seed([1; 32]);
        let identity = Identity {
            edge: "edge_1".parse().unwrap(),
            location: "store_a".parse().unwrap(),
            location_name: String::new(),
            host: String::new(),
            port: 0,
            encryption: Encryption::default(),
            token: String::new(),
            key: SigningKey::from_seed([2; 32]),
            site_key: site.public(),
            digest_key: key.clone(),
        };
        let parts = Parts {
            identity: Arc::new(identity),
            store,
            opened,
            live: live.clone(),
            clock: Arc::new(Clock::start(None)),
            presence: Presence::new(1_000, 0.55),
            start: Start { count: 1, nonce: Nonce(1) },
            stream: StreamId(1),
            notices,
        };
        let (daemon, _) = Daemon::load(parts).unwrap();
        let issued_at = crate::clock::system();
        Scene {
            _folder: folder,
            daemon,
            live,
            key,
            rows: BTreeMap::new(),
            removed: BTreeSet::new(),
            seq: Seq(0),
            issued_at,
            last_removal: Seq(0),
            said: Vec::new(),
            queue: VecDeque::new(),
            told,
        }
    }

    /// What the session does with a message.
    fn hear(&mut self, event: Event) {
        if let Some((face_id, epoch, seq)) = event.removal() {
            self.live.hear_removal(face_id, epoch, seq);
        }
        self.said.push(event.clone());
        self.queue.push_back(event);
    }

    fn take(&mut self, most: usize) {
        let mut batch = Batch::default();
        for event in self.queue.drain(..most.min(self.queue.len())) {
            self.daemon.hear(event, &mut batch).unwrap();
        }
        self.daemon.carry_out(batch).unwrap();
    }

    fn put(&mut self, who: u8) {
        let face_id = face(who);
        if self.removed.contains(&face_id) {
            return;
        }
        self.seq = self.seq.next();
        let mut direction = [0.0; 8];
        direction[usize::from(who)] = 1.0;
        let customer = Customer {
            name: format!("Nr {}", self.seq.0).parse().unwrap(),
            flag: Flag::None,
            space: space(),
            embedding: Embedding::from_f32(&direction).unwrap(),
        };
        let hash = self.key.hash(&face_id, self.seq, &customer);
        self.rows.insert(face_id.clone(), (self.seq, hash));
        let state = CustomerState::Live(customer);
        self.hear(Event::Change(
            Box::new(Change { epoch: EPOCH, face_id, seq: self.seq, state }),
            Some(hash),
        ));
    }

    fn remove(&mut self, who: u8) {
        let face_id = face(who);
        if self.rows.remove(&face_id).is_some() {
            self.seq = self.seq.next();
            self.last_removal = self.seq;
            self.removed.insert(face_id.clone());
            self.hear(removal(EPOCH, face_id, self.seq));
        }
    }

    fn head(&mut self) {
        self.issued_at = self.issued_at.plus_ms(1);
        self.hear(Event::Head(Head {
            epoch: EPOCH,
            seq: self.seq,
            count: self.rows.len() as u64,
            digest: Digest::of(self.rows.values().map(|(_, hash)| *hash)),
            last_removal: self.last_removal,
            issued_at: self.issued_at,
            lease_s: 3_600,
            enrol: EnrolPolicy::Off,
            backed_up_at: None,
        }));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put(who) => self.put(*who),
            Step::Remove(who) => self.remove(*who),
            Step::Head => self.head(),
            Step::Again(which) if !self.said.is_empty() => {
                let event = which.get(&self.said).clone();
                self.hear(event);
            }
            Step::Again(_) => {}
            Step::Nonsense(who, true) => self.hear(removal(Epoch(2), face(*who), Seq(self.seq.0 + 1))),
            Step::Nonsense(who, false) => {
                if let Some((seq, _)) = self.rows.get(&face(*who)) {
                    let before = Seq(seq.0.saturating_sub(1));
                    self.hear(removal(EPOCH, face(*who), before));
                }
            }
            Step::Take(most) => self.take(*most),
        }
    }

    fn known(&self) -> BTreeSet<FaceId> {
        (0..PEOPLE).map(face).filter(|face_id| self.live.contains(face_id)).collect()
    }
}

fn space() -> SpaceId {
    "s".parse().unwrap()
}

fn removal(epoch: Epoch, face_id: FaceId, seq: Seq) -> Event {
    let state = CustomerState::Removed { merged_into: None };
    Event::Change(Box::new(Change { epoch, face_id, seq, state }), None)
}

#[test]
fn a_removed_face_is_gone_before_the_daemon_comes_to_it_and_is_told_once() {
    let mut scene = Scene::set();
    scene.put(1);
    scene.head();
    scene.take(9);
    assert!(scene.live.contains(&face(1)));
    scene.put(1);
    scene.remove(1);
    assert!(!scene.live.contains(&face(1)), "the daemon has not come to it");
    scene.take(1);
    assert!(!scene.live.contains(&face(1)), "a change from before the removal brings nobody back");
    scene.take(1);
    let told = std::iter::from_fn(|| scene.told.try_recv().ok());
    assert_eq!(
        told.filter(|notice| matches!(notice, Notice::Forgotten { .. })).count(),
        0,
        "whoever heard it has told it"
    );
}

#[test]
fn a_removal_that_the_rules_do_not_take_gives_the_face_back() {
    let mut scene = Scene::set();
    scene.put(1);
    scene.head();
    scene.take(9);
    scene.put(2);
    scene.put(1);
    scene.take(9);
    let (seq, _) = scene.rows[&face(1)];
    scene.hear(removal(EPOCH, face(1), Seq(seq.0 - 1)));
    assert!(!scene.live.contains(&face(1)), "it may be true");
    scene.take(9);
    assert!(scene.live.contains(&face(1)), "it is not");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_waits_a_removed_face_stays_gone_and_nobody_else_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::set();
        // Before the first head the edge does not know which history is the right one.
        scene.head();
        scene.take(1);
        let mut gone = BTreeSet::new();
        for step in &steps {
            scene.step(step);
            gone.extend(scene.removed.iter().cloned());
            prop_assert!(scene.known().is_disjoint(&gone), "after {step:?}");
        }
        scene.take(usize::MAX);
        let rows: BTreeSet<FaceId> = scene.rows.keys().cloned().collect();
        prop_assert_eq!(scene.known(), rows);
    }
}
