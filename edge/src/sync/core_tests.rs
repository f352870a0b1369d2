use super::*;
use crate::sync::{Ran, Weight};
use protocol::{
    Digest, DigestKey, Embedding, Nonce, SpaceId,
    message::{Customer, Flag, Settled, Start},
};
use std::collections::BTreeMap;

const EPOCH: Epoch = Epoch(1);

/// A website that says what it holds, and an edge that listens; no broker between.
pub(super) struct Pair {
    pub(super) rows: BTreeMap<FaceId, (Seq, RowHash)>,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    last_removal: Seq,
    pub(super) now: Now,
    pub(super) core: Core,
}

pub(super) fn face(id: &str) -> FaceId {
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
    pub(super) fn new() -> Self {
        Self::with(Loaded::default())
    }

    pub(super) fn with(loaded: Loaded) -> Self {
        let now = Now { wall: UnixMs(1_000_000), ran: Ran(0) };
        let core = Core::load(loaded, StreamId(1), now);
        let mut pair =
            Self { rows: BTreeMap::new(), epoch: EPOCH, seq: Seq(0), last_removal: Seq(0), now, core };
        pair.tell(Event::SessionBegan);
        pair
    }

    pub(super) fn tell(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        self.core.apply(event, self.now, &mut out);
        out
    }

    pub(super) fn wait(&mut self, ms: i64) -> Vec<Command> {
        self.now = Now { wall: self.now.wall.plus_ms(ms), ran: self.now.ran.plus_ms(ms) };
        self.tell(Event::Tick)
    }

    pub(super) fn change(&mut self, id: &str, name: Option<&str>) -> Event {
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

    pub(super) fn head(&mut self) -> Head {
        self.now.wall = self.now.wall.plus_ms(1);
        Head {
            epoch: self.epoch,
            seq: self.seq,
            count: self.rows.len() as u64,
            digest: Digest::of(self.rows.values().map(|(_, hash)| *hash)),
            last_removal: self.last_removal,
            issued_at: self.now.wall,
            lease_s: 3_600,
            enrol: EnrolPolicy::Auto,
            backed_up_at: None,
        }
    }

    pub(super) fn verify(&mut self) -> Vec<Command> {
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
    let claim = pair.core.claim(pair.now);
    assert!(pair.core.report(&claim, pair.now), "news is reported at once");
    assert!(!pair.core.report(&claim, pair.now));
}

#[test]
fn a_report_says_how_it_was_when_what_is_stored_was_ruled_and_only_a_lease_ends_by_itself() {
    let mut pair = Pair::new();
    pair.verify();
    let start = Start { count: 1, nonce: Nonce(1) };
    let context = ReportContext { start, space: "space".parse().unwrap(), refused: 0 };
    let claim = pair.core.claim(pair.now);
    let ada = pair.change("a", Some("Ada"));
    pair.tell(ada);
    pair.verify();
    let told = |pair: &Pair, claim: &Claim| {
        let applied = pair.core.applied(claim, &context, UnixMs(0), pair.now).remove(0);
        (applied.verified, applied.count, applied.state)
    };
    assert_eq!(told(&pair, &claim), (Seq(0), 0, SyncState::Verified));
    assert_eq!(told(&pair, &pair.core.claim(pair.now)), (Seq(1), 1, SyncState::Verified));
    pair.now.wall = claim.lease().unwrap().0.until();
    assert_eq!(told(&pair, &claim), (Seq(0), 0, SyncState::Expired));
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

impl Pair {
    pub(super) fn verify_fails(&mut self) {
        let head = self.head();
        assert_eq!(verified(&self.tell(Event::Head(head))), None);
    }
}

#[test]
fn a_new_epoch_comes_only_with_a_newer_head() {
    let mut pair = Pair::new();
    for (id, name) in [("a", "Ada"), ("b", "Bob")] {
        let change = pair.change(id, Some(name));
        pair.tell(change);
    }
    pair.verify();
    let replayed = Head { epoch: Epoch(9), issued_at: UnixMs(1), ..pair.head() };
    pair.tell(Event::Head(replayed));
    assert_eq!(pair.core.standing().epoch, Some(EPOCH));

    // Restored from a backup: seq has gone back, Ada's content is another one.
    (pair.epoch, pair.seq, pair.rows) = (Epoch(2), Seq(0), BTreeMap::new());
    let early = pair.change("a", Some("Ada the First"));
    assert_eq!(pair.tell(early.clone()), [], "before the head the other epoch's changes are ignored");
    pair.verify_fails();
    let standing = pair.core.standing();
    assert_eq!((standing.epoch, standing.floor), (Some(Epoch(2)), Seq(0)));
    assert!(matches!(pair.tell(early)[..], [Command::Put(_)]));
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
    let settled =
        |epoch| Settled { epoch, seq: Seq(1), stream: StreamId(1), from: 1, through: 2, at: UnixMs(0) };
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

#[test]
fn the_time_of_day_is_kept_and_may_jump_without_stopping_what_waits() {
    let mut pair = Pair::new();
    pair.verify();
    let kept = pair.core.standing().clock.unwrap();
    pair.wait(59_000);
    assert_eq!(pair.core.standing().clock, Some(kept), "not at every tick");
    pair.wait(2_000);
    assert_eq!(pair.core.standing().earliest(), Some(pair.now.wall));
    pair.now.wall = UnixMs(i64::MAX / 2);
    let _missed = pair.change("a", Some("Ada"));
    pair.verify_fails();
    pair.now.wall = UnixMs(2_000_000);
    assert!(matches!(pair.wait(2_000)[..], [Command::Say(_)]), "the jump back does not hold a repair up");
    assert_eq!(pair.core.standing().clock, Some(pair.now.wall));
}

#[test]
fn a_lease_whose_epoch_a_kill_has_kept_back_is_none() {
    let lease = Lease { issued_at: UnixMs(999_000), lease_s: 3_600 };
    let pair = Pair::with(Loaded { lease: Some((lease, EnrolPolicy::Auto)), ..Loaded::default() });
    assert_eq!((pair.core.lease(), pair.core.state(pair.now)), (None, SyncState::Filling));
}

#[test]
fn a_head_from_before_a_removal_carried_out_gives_a_lost_cache_no_lease() {
    let mut standing = Pair::new().core.standing();
    (standing.epoch, standing.removal) = (Some(EPOCH), Some((EPOCH, Seq(3))));
    let mut pair = Pair::with(Loaded { standing, ..Loaded::default() });
    let [ada, bob] = [pair.change("a", Some("Ada")), pair.change("b", Some("Bob"))];
    let late = pair.head();
    [ada, bob, Event::Head(late)].into_iter().for_each(|event| drop(pair.tell(event)));
    assert_eq!(
        (pair.core.rows().floor(), pair.core.lease()),
        (Seq(2), None),
        "Bob may be recognised nowhere"
    );
    let removal = pair.change("b", None);
    pair.tell(removal);
    pair.verify();
}

#[test]
fn what_was_sent_before_the_first_new_head_of_a_session_is_sent_again_with_it() {
    let mut pair = Pair::new();
    pair.verify();
    let key = pair.core.visit(Weight::Anonymous, (EPOCH, Seq(0)), &mut Vec::new());
    let sent = |pair: &mut Pair| pair.core.visits_to_send(pair.now).len();
    assert_eq!((key.n, sent(&mut pair), sent(&mut pair)), (1, 1, 0), "once, and then it is in flight");
    pair.verify();
    assert_eq!(sent(&mut pair), 0, "the website was there when it was sent");
    // The broker was killed, the edge is back before the website.
    pair.tell(Event::SessionEnded);
    pair.tell(Event::SessionBegan);
    assert_eq!((sent(&mut pair), sent(&mut pair)), (1, 0));
    let (head, old) = (pair.head(), pair.core.newest.clone().unwrap());
    pair.tell(Event::Head(old));
    assert_eq!(sent(&mut pair), 0, "a head from before says nothing of now");
    pair.tell(Event::Head(head));
    assert_eq!((sent(&mut pair), sent(&mut pair)), (1, 0));
    pair.verify();
    assert_eq!(sent(&mut pair), 0, "only with the first");
}
