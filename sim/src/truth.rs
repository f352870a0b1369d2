//! What must hold, beside what the two sides believe: the invariants, and who would break them.

use crate::{edge_box::EdgeBox, people::People, site::Site};
use edge::sync::Freshness;
use protocol::{
    Epoch, FaceId, Seq,
    message::{Probe, ReceiptKey},
};
use std::collections::{BTreeMap, BTreeSet};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// When, in milliseconds of the run.
    pub at: i64,
    /// What happened.
    pub what: String,
}

/// One removal of a person.
#[derive(Debug, Clone)]
struct Removal {
    epoch: Epoch,
    seq: Seq,
    faces: BTreeSet<FaceId>,
}

/// What really happened so far.
#[derive(Debug, Default)]
pub struct Truth {
    /// What was found wrong.
    pub violations: Vec<Violation>,
    removals: Vec<Removal>,
    /// Faces of removed people that were minted before their removal.
    removed: BTreeSet<FaceId>,
    /// What each edge, by what the website has stored, recognises no more.
    promised: Vec<BTreeSet<FaceId>>,
    sightings: BTreeSet<i64>,
    excused: BTreeSet<i64>,
    /// People who were not seen well enough to be one customer.
    split: BTreeSet<usize>,
}

impl Truth {
    /// Nothing has happened.
    pub fn new(edges: usize) -> Self {
        Self { promised: vec![BTreeSet::new(); edges], ..Self::default() }
    }

    /// Notes a broken invariant.
    pub fn broken(&mut self, invariant: &'static str, at: i64, what: String) {
        self.violations.push(Violation { invariant, at, what });
    }

    /// A manager has removed `face_id`, with all that were merged into it, at the newest seq.
    pub fn removed(&mut self, face_id: &FaceId, site: &Site, people: &People) {
        let person = people.person(face_id);
        let mut faces: BTreeSet<FaceId> = site.db.merges.keys().cloned().collect();
        faces.retain(|loser| site.db.winner(loser).as_ref() == Some(face_id));
        faces.insert(face_id.clone());
        let others = site.db.live().any(|(other, ..)| people.person(other) == person);
        let waits = site.db.review.keys().any(|other| people.person(other) == person);
        if !others && !waits {
            faces.extend(people.faces(person));
        }
        self.removed.extend(faces.iter().cloned());
        self.removals.push(Removal { epoch: site.db.totals.epoch, seq: site.db.totals.seq, faces });
    }

    /// A new epoch began: whoever verifies it has proved every removal so far.
    pub fn new_epoch(&mut self, site: &Site, at: i64) {
        let faces = self.removals.drain(..).flat_map(|removal| removal.faces).collect();
        self.removals = vec![Removal { epoch: site.db.totals.epoch, seq: site.db.totals.seq, faces }];
        self.nobody_removed_is_live(site, at);
    }

    /// Somebody became a customer.
    pub fn enrolled(&mut self, face_id: &FaceId, site: &Site, people: &People, at: i64) {
        let person = people.person(face_id);
        let same = site.db.live().filter(|(other, ..)| people.person(other) == person).count();
        if same > 1 {
            self.split.insert(person);
        }
        self.nobody_removed_is_live(site, at);
    }

    fn nobody_removed_is_live(&mut self, site: &Site, at: i64) {
        let back: Vec<FaceId> = site
            .db
            .live()
            .filter(|(face, ..)| self.removed.contains(*face))
            .map(|(face, ..)| face.clone())
            .collect();
        for face_id in back {
            self.broken("I2", at, format!("{face_id}, minted before its person was removed, is a customer"));
        }
    }

    /// The website has stored that an edge has verified a state.
    pub fn believed(&mut self, edge: usize, (epoch, seq): (Epoch, Seq)) {
        let proved = self.removals.iter().filter(|removal| removal.epoch == epoch && removal.seq <= seq);
        self.promised[edge].extend(proved.flat_map(|removal| removal.faces.iter().cloned()));
    }

    /// The website has stored a receipt.
    pub fn receipt(&mut self, edge: usize, key: &ReceiptKey, probe: Probe, at: i64) {
        if probe == Probe::StillFound {
            self.broken("I2", at, format!("edge {edge} still finds {}", key.face_id));
        }
        if self
            .removals
            .iter()
            .any(|r| (r.epoch, r.seq) == (key.epoch, key.seq) && r.faces.contains(&key.face_id))
        {
            self.promised[edge].insert(key.face_id.clone());
        }
    }

    /// The box is another one, or its disk is of another time: what it promised is void.
    pub fn void(&mut self, edge: usize) {
        self.promised[edge].clear();
    }

    /// Looks at an edge after every step.
    pub fn look(&mut self, edge: &mut EdgeBox, at: i64) {
        let promised = &self.promised[edge.index];
        if promised.is_empty() {
            return;
        }
        let system = edge.system(at);
        let Some(daemon) = &mut edge.daemon else { return };
        let now = daemon.now(system, at);
        let may =
            daemon.core.lease().is_some_and(|(lease, _)| lease.freshness(now.wall) != Freshness::Expired);
        let found: Vec<FaceId> =
            promised.iter().filter(|face| may && daemon.memory.live.contains(face)).cloned().collect();
        for face_id in found {
            self.promised[edge.index].remove(&face_id);
            self.broken(
                "I2",
                at,
                format!("edge {} recognises {face_id}, which it has proved removed", edge.index),
            );
        }
    }

    /// A sighting was written to an outbox.
    pub fn counted(&mut self, sighting: i64) {
        self.sightings.insert(sighting);
    }

    /// A sighting whose loss nobody can help: its box is gone, or its disk of another time, or too many waited.
    pub fn excuse(&mut self, sightings: impl Iterator<Item = i64>) {
        self.excused.extend(sightings);
    }

    /// What must hold when everything has been quiet for long enough.
    pub fn at_quiet(&mut self, site: &Site, boxes: &[EdgeBox], people: &People, at: i64) {
        for edge in boxes {
            self.converged(site, edge, at);
        }
        let mut stored: BTreeMap<i64, usize> = BTreeMap::new();
        site.db.visits.values().for_each(|sighting| *stored.entry(*sighting).or_default() += 1);
        for sighting in self.sightings.clone() {
            match stored.get(&sighting).copied().unwrap_or(0) {
                0 if !self.excused.contains(&sighting) => {
                    self.broken("I4", at, format!("sighting {sighting} was never counted"));
                }
                0 | 1 => {}
                n => self.broken("I4", at, format!("sighting {sighting} was counted {n} times")),
            }
        }
        let mut customers: BTreeMap<(usize, String), usize> = BTreeMap::new();
        for (face_id, _, customer, _) in site.db.live() {
            *customers.entry((people.person(face_id), customer.space.to_string())).or_default() += 1;
        }
        for ((person, space), n) in customers {
            if n > 1 && !self.split.contains(&person) {
                self.broken("I5", at, format!("person {person} is {n} customers in {space}"));
            }
        }
        self.nobody_removed_is_live(site, at);
    }

    fn converged(&mut self, site: &Site, edge: &EdgeBox, at: i64) {
        let name = edge.index;
        let held: BTreeMap<_, _> = edge
            .disk
            .cache
            .rows
            .iter()
            .map(|(face_id, (_, seq, customer))| (face_id, (*seq, customer)))
            .collect();
        let owed: BTreeMap<_, _> =
            site.db.live().map(|(face_id, seq, customer, _)| (face_id, (seq, customer))).collect();
        if held != owed {
            let differ = |a: &BTreeMap<&FaceId, _>, b: &BTreeMap<&FaceId, _>| {
                a.iter()
                    .filter(|(face, row)| b.get(*face) != Some(*row))
                    .map(|(face, _)| face.to_string())
                    .collect::<Vec<_>>()
            };
            let (extra, missing) = (differ(&held, &owed), differ(&owed, &held));
            self.broken("I1", at, format!("edge {name} holds {extra:?} and lacks {missing:?}"));
        }
        let Some(daemon) = &edge.daemon else {
            return self.broken("I9", at, format!("edge {name} does not run"));
        };
        if daemon.core.rows().total().digest != site.db.totals.digest {
            self.broken("I1", at, format!("the digest of edge {name} differs"));
        }
        let recognised =
            owed.iter().filter(|(_, (_, customer))| customer.space == daemon.memory.live.space().id);
        let recognised = recognised.filter(|(face_id, _)| daemon.memory.live.contains(face_id)).count();
        let ours =
            owed.values().filter(|(_, customer)| customer.space == daemon.memory.live.space().id).count();
        if recognised != ours || daemon.memory.live.len() != ours {
            self.broken(
                "I1",
                at,
                format!("edge {name} recognises {} faces, not {ours}", daemon.memory.live.len()),
            );
        }
        if daemon.core.standing().floor != site.db.totals.seq {
            self.broken("I9", at, format!("edge {name} has not verified the newest head"));
        }
        if !daemon.core.provisional().is_empty() || !edge.disk.cache.own.is_empty() {
            self.broken("I2", at, format!("edge {name} keeps faces of its own for ever"));
        }
        if daemon.core.outbox().waiting() > 0 {
            self.broken("I4", at, format!("edge {name} keeps visits that are never settled"));
        }
        let report = site.db.edges[name].report.as_ref();
        if report.is_none_or(|report| {
            report.applied != site.db.totals.seq || report.digest != site.db.totals.digest
        }) {
            self.broken("I11", at, format!("the website does not know that edge {name} is in step"));
        }
    }
}
