use super::*;
use protocol::{
    Digest, DigestKey, Embedding, SpaceId,
    message::{Customer, Flag},
};
use std::collections::BTreeMap;

const EPOCH: Epoch = Epoch(1);

/// A website that says what it holds, and an edge that listens; no broker between.
struct Pair {
    rows: BTreeMap<FaceId, (Seq, RowHash)>,
    epoch: Epoch,
    seq: Seq,
    last_removal: Seq,
    now: UnixMs,
    core: Core,
}

fn face(id: &str) -> FaceId {
    id.parse().unwrap()
}

fn customer(name: &str) -> Customer {
    let embedding = Embedding::from_f32(&[1.0, name.len() as f32]).unwrap();
    Customer {
        name: name.parse().unwrap(),
        flag: Flag::None,
        space: "s".parse::<SpaceId>().unwrap(),
        embedding,
    }
}

impl Pair {
    fn new() -> Self {
        Self::with(Loaded::default())
    }

    fn with(loaded: Loaded) -> Self {
        let core = Core::load(loaded, StreamId(1), UnixMs(1_000_000));
        let mut pair = Self {
            rows: BTreeMap::new(),
            epoch: EPOCH,
            seq: Seq(0),
            last_removal: Seq(0),
            now: UnixMs(1_000_000),
            core,
        };
        pair.tell(Event::SessionBegan(SessionPast::New));
        pair
    }

    fn tell(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        self.core.apply(event, self.now, &mut out);
        out
    }

    fn wait(&mut self, ms: i64) -> Vec<Command> {
        self.now = self.now.plus_ms(ms);
        self.tell(Event::Tick)
    }

    fn change(&mut self, id: &str, name: Option<&str>) -> Event {
        self.seq = self.seq.next();
        let (epoch, face_id, seq) = (self.epoch, face(id), self.seq);
        let Some(name) = name else {
            self.rows.remove(&face_id);
            self.last_removal = seq;
            let state = CustomerState::Removed { merged_into: None };
            return Event::Change(Box::new(Change { epoch, face_id, seq, state }), None);
        };
        let customer = customer(name);
        let hash = DigestKey::from_bytes([0; 32]).hash(&face_id, seq, &customer);
        self.rows.insert(face_id.clone(), (seq, hash));
        Event::Change(
            Box::new(Change { epoch, face_id, seq, state: CustomerState::Live(customer) }),
            Some(hash),
        )
    }

    fn head(&mut self) -> Head {
        self.now = self.now.plus_ms(1);
        Head {
            epoch: self.epoch,
            seq: self.seq,
            count: self.rows.len() as u64,
            digest: Digest::of(self.rows.values().map(|(_, hash)| *hash)),
            last_removal: self.last_removal,
            issued_at: self.now,
            lease_s: 3_600,
            enrol: EnrolPolicy::Auto,
            backed_up_at: None,
        }
    }

    fn verify(&mut self) -> Vec<Command> {
        let head = self.head();
        let out = self.tell(Event::Head(head));
        assert_eq!((self.core.state(self.now), self.core.rows().floor()), (SyncState::Verified, self.seq));
        out
    }
}

fn verified(out: &[Command]) -> Option<Seq> {
    out.iter().find_map(|command| if let Command::Verified(seq, _) = command { Some(*seq) } else { None })
}

#[test]
fn a_head_verifies_whether_it_comes_before_or_after_its_changes() {
    let mut pair = Pair::new();
    assert_eq!(pair.core.state(pair.now), SyncState::Filling);
    let [one, two] = [pair.change("a", Some("Ada")), pair.change("b", Some("Bob"))];
    let head = pair.head();
    pair.tell(one);
    assert_eq!(verified(&pair.tell(Event::Head(head))), None);
    assert_eq!(verified(&pair.tell(two)), Some(Seq(2)));
    assert!(pair.core.report(pair.now), "news is reported at once");
    assert!(!pair.core.report(pair.now));
}

#[test]
fn heads_under_load_verify_late_and_a_late_one_lowers_nothing() {
    let mut pair = Pair::new();
    let mut heads = Vec::new();
    for n in 0..20 {
        let change = pair.change("a", Some(&format!("Ada {n}")));
        pair.tell(change);
        heads.push(pair.head());
        if n >= 5 {
            let late = heads[n - 5].clone();
            assert_eq!(verified(&pair.tell(Event::Head(late))), Some(Seq(n as u64 - 4)));
        }
    }
    let lease = pair.core.lease();
    let old = heads[3].clone();
    pair.tell(Event::Head(old));
    assert_eq!((pair.core.lease(), pair.core.rows().floor()), (lease, Seq(15)));
}

#[test]
fn a_difference_that_outlives_the_grace_is_subscribed_anew_with_pauses() {
    let mut pair = Pair::new();
    let missed = pair.change("a", Some("Ada"));
    pair.verify_fails();
    assert_eq!(pair.wait(1_900), []);
    assert_eq!(pair.wait(200), [Command::SubscribeAnew]);
    assert_eq!(pair.core.state(pair.now), SyncState::Filling);
    assert_eq!(pair.wait(9_900), [], "the pause has doubled");
    assert_eq!(pair.wait(200), [Command::SubscribeAnew]);
    pair.tell(Event::SessionBegan(SessionPast::New));
    pair.tell(missed);
    pair.verify();
    assert_eq!((pair.core.refill().attempts(), pair.wait(60_000)), (0, vec![]));
}

impl Pair {
    fn verify_fails(&mut self) {
        let head = self.head();
        assert_eq!(verified(&self.tell(Event::Head(head))), None);
    }
}

#[test]
fn filling_anew_takes_out_what_the_website_does_not_have_only_when_a_head_vouches() {
    let mut pair = Pair::new();
    let events =
        [pair.change("a", Some("Ada")), pair.change("b", Some("Bob")), pair.change("c", Some("Cid"))];
    events.clone().into_iter().for_each(|event| drop(pair.tell(event)));
    pair.verify();
    // Bob is removed, his tombstone is cleared long ago, and nothing of it ever came.
    let _missed = pair.change("b", None);
    pair.verify_fails();
    assert_eq!(pair.wait(2_100), [Command::SubscribeAnew]);
    pair.tell(Event::SessionBegan(SessionPast::New));
    // The retained rows are all at or below the floor: they change nothing, but are collected.
    let [ada, _, cid] = events;
    assert!(matches!(pair.tell(ada)[..], [Command::Stage(_)]));
    pair.verify_fails();
    assert!(pair.core.rows().get(&face("b")).is_some(), "half a collection drops nobody");
    assert!(
        matches!(pair.tell(cid)[..], [Command::Stage(_), Command::Drop { .. }, ..]),
        "the newest head vouches now"
    );
    assert_eq!(pair.core.rows().get(&face("b")), None);
    assert_eq!((pair.core.state(pair.now), pair.core.rows().floor()), (SyncState::Verified, Seq(4)));
}

#[test]
fn a_lost_cache_is_filled_from_below_the_floor_and_recognises_nobody_before() {
    let standing = Standing { epoch: Some(EPOCH), floor: Seq(2), issued_at: Some(UnixMs(5)) };
    let mut pair = Pair::with(Loaded { standing, ..Loaded::default() });
    let events = [pair.change("a", Some("Ada")), pair.change("b", Some("Bob"))];
    for event in events {
        assert!(matches!(pair.tell(event)[..], [Command::Stage(_)]), "below the floor nothing is believed");
    }
    assert_eq!((pair.core.lease(), pair.core.state(pair.now)), (None, SyncState::Filling));
    let head = pair.head();
    let out = pair.tell(Event::Head(head));
    assert!(out.contains(&Command::Adopt(vec![face("a"), face("b")])), "{out:?}");
    assert_eq!(pair.core.state(pair.now), SyncState::Verified);
}

#[test]
fn a_resumed_session_cannot_fill_a_lost_cache_so_it_is_given_up() {
    let standing = Standing { epoch: Some(EPOCH), floor: Seq(2), issued_at: Some(UnixMs(5)) };
    let core = Core::load(Loaded { standing, ..Loaded::default() }, StreamId(1), UnixMs(0));
    let mut pair = Pair { core, ..Pair::new() };
    assert_eq!(pair.tell(Event::SessionBegan(SessionPast::Resumed)), [Command::SubscribeAnew]);
}

#[test]
fn a_new_epoch_comes_only_with_a_newer_head_and_its_rows_replace_the_old_ones() {
    let mut pair = Pair::new();
    for (id, name) in [("a", "Ada"), ("b", "Bob")] {
        let change = pair.change(id, Some(name));
        pair.tell(change);
    }
    pair.verify();
    let replayed = Head { epoch: Epoch(9), issued_at: UnixMs(1), ..pair.head() };
    pair.tell(Event::Head(replayed));
    assert_eq!(pair.core.standing().epoch, Some(EPOCH));

    // Restored from a backup: seq has gone back, Bob is not there, Ada's content is another one.
    (pair.epoch, pair.seq, pair.rows) = (Epoch(2), Seq(0), BTreeMap::new());
    let early = pair.change("a", Some("Ada the First"));
    assert_eq!(pair.tell(early.clone()), [], "before the head the other epoch's changes are ignored");
    pair.verify_fails();
    assert_eq!(
        pair.core.standing(),
        Standing { epoch: Some(Epoch(2)), floor: Seq(0), issued_at: Some(pair.now) }
    );
    assert!(matches!(pair.tell(early.clone())[..], [Command::Put(_)]));
    assert_eq!(pair.wait(2_100), [Command::SubscribeAnew], "Bob is still there");
    pair.tell(Event::SessionBegan(SessionPast::New));
    let out = pair.tell(early);
    assert!(out.contains(&Command::Drop { face_id: face("b"), as_of: Seq(1) }), "{out:?}");
    assert_eq!(pair.core.state(pair.now), SyncState::Verified);
}

#[test]
fn provisional_faces_end_by_removal_by_row_and_by_silence() {
    let mut pair = Pair::new();
    pair.verify();
    let basis = (EPOCH, pair.seq);
    let mut out = Vec::new();
    for id in ["wins", "silent", "late"] {
        pair.core.visit(Weight::New(face(id)), basis, &mut out);
    }
    let row = pair.change("wins", Some(""));
    assert_eq!(pair.tell(row)[0], Command::EndProvisional(face("wins"), Fate::Customer));
    pair.verify();
    let settled = |epoch| Settled { epoch, seq: Seq(1), stream: StreamId(1), through: 2, at: UnixMs(0) };
    assert_eq!(pair.tell(Event::Settled(settled(Epoch(9)))), [], "another epoch's word");
    let out = pair.tell(Event::Settled(settled(EPOCH)));
    assert!(
        out.contains(&Command::EndProvisional(face("silent"), Fate::Declined)),
        "stored, verified, no row: {out:?}"
    );
    let removal = pair.change("somebody", None);
    let out = pair.tell(removal);
    assert!(
        out.contains(&Command::EndProvisional(face("late"), Fate::Nobody)),
        "may be of the removed person: {out:?}"
    );
    assert!(pair.core.provisional().is_empty());
}

#[test]
fn a_lease_ends_and_only_a_head_that_matches_renews_it() {
    let mut pair = Pair::new();
    pair.verify();
    pair.wait(3_600_000);
    assert_eq!(pair.core.state(pair.now), SyncState::Expired);
    let _missed = pair.change("a", Some("Ada"));
    pair.verify_fails();
    assert_eq!(pair.core.state(pair.now), SyncState::Expired, "a head alone does not renew it");
    pair.rows.clear();
    pair.verify();
}
