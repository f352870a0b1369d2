//! The website's database, as rows in memory: every method is one change inside a transaction, with the decisions of
//! the real website.

use crate::people;
use protocol::{
    Epoch, FaceId, LocationId, RowHash, Seq, StreamId, UnixMs,
    message::{Change, Customer, CustomerState, EnrolPolicy, Head, Start},
};
use std::collections::BTreeMap;
use website::{
    decide::{
        erasure::Erasure,
        issue::next_issued_at,
        totals::{Effect, Totals},
        visit::{Queued, RowIs, Traces},
    },
    tables::{edge_reports::Report, edges::Alarm},
};

/// One customer's row.
#[derive(Debug, Clone)]
pub struct Row {
    /// The seq of its last change.
    pub seq: Seq,
    /// Live, or what is left.
    pub state: State,
}

/// Live, or what is left.
#[derive(Debug, Clone)]
pub enum State {
    /// A customer.
    Live(Customer, RowHash),
    /// Erased, or merged.
    Removed {
        /// When.
        at: UnixMs,
        /// Into whom.
        into: Option<FaceId>,
    },
}

/// What the website holds of one edge.
#[derive(Debug, Clone)]
pub struct EdgeRow {
    /// Its newest start.
    pub start: Start,
    /// Every start it has reported, and when it first did.
    pub seen: BTreeMap<(u64, u64), UnixMs>,
    /// Its newest report.
    pub report: Option<Report>,
    /// What is wrong with it.
    pub alarm: Alarm,
}

/// Everything that a backup holds.
#[derive(Debug, Clone)]
pub struct Db {
    /// The location's counters.
    pub totals: Totals,
    /// The date of the newest head.
    pub issued_at: UnixMs,
    /// How far the broker has acknowledged.
    pub published: Seq,
    /// Customers and tombstones.
    pub rows: BTreeMap<FaceId, Row>,
    /// Who turned out to be whom.
    pub merges: BTreeMap<FaceId, FaceId>,
    /// Faces that wait for a manager.
    pub review: BTreeMap<FaceId, Customer>,
    /// Recorded removals.
    pub erasures: Vec<Erasure>,
    /// Which sighting each stored visit is.
    pub visits: BTreeMap<(usize, StreamId, u64), i64>,
    /// The edges.
    pub edges: Vec<EdgeRow>,
    /// What becomes of new faces.
    pub policy: EnrolPolicy,
    /// The lease.
    pub lease_s: u32,
    /// When the newest backup was begun.
    pub backed_up_at: Option<UnixMs>,
}

/// An edge that has said nothing.
pub fn unknown_edge() -> EdgeRow {
    let start = Start { count: 0, nonce: protocol::Nonce(0) };
    EdgeRow { start, seen: BTreeMap::new(), report: None, alarm: Alarm::None }
}

impl Db {
    /// A location without customers.
    pub fn new(epoch: Epoch, policy: EnrolPolicy, lease_s: u32, edges: usize) -> Self {
        Self {
            totals: Totals::empty(epoch),
            issued_at: UnixMs(0),
            published: Seq(0),
            rows: BTreeMap::new(),
            merges: BTreeMap::new(),
            review: BTreeMap::new(),
            erasures: Vec::new(),
            visits: BTreeMap::new(),
            edges: vec![unknown_edge(); edges],
            policy,
            lease_s,
            backed_up_at: None,
        }
    }

    /// The head as it is now.
    pub fn head(&self) -> Head {
        let Totals { epoch, seq, count, digest, last_removal } = self.totals;
        let (issued_at, lease_s, enrol) = (self.issued_at, self.lease_s, self.policy);
        Head {
            epoch,
            seq,
            count,
            digest,
            last_removal,
            issued_at,
            lease_s,
            enrol,
            backed_up_at: self.backed_up_at,
        }
    }

    /// A row as edges get it.
    pub fn change(&self, face_id: &FaceId) -> Option<Change> {
        let row = self.rows.get(face_id)?;
        let state = match &row.state {
            State::Live(customer, _) => CustomerState::Live(customer.clone()),
            State::Removed { into, .. } => CustomerState::Removed { merged_into: into.clone() },
        };
        Some(Change { epoch: self.totals.epoch, face_id: face_id.clone(), seq: row.seq, state })
    }

    /// The live customers.
    pub fn live(&self) -> impl Iterator<Item = (&FaceId, Seq, &Customer, RowHash)> {
        self.rows.iter().filter_map(|(face_id, row)| match &row.state {
            State::Live(customer, hash) => Some((face_id, row.seq, customer, *hash)),
            State::Removed { .. } => None,
        })
    }

    /// Dates a head.
    pub fn date_head(&mut self, now: UnixMs) {
        self.issued_at = next_issued_at(now, self.issued_at);
    }

    fn took(&mut self, effect: Effect, now: UnixMs) -> Seq {
        self.totals = self.totals.after(effect);
        self.date_head(now);
        self.totals.seq
    }

    fn hash_of(&self, face_id: &FaceId) -> Option<RowHash> {
        match &self.rows.get(face_id)?.state {
            State::Live(_, hash) => Some(*hash),
            State::Removed { .. } => None,
        }
    }

    /// Adds a customer, or gives one new content.
    pub fn put(&mut self, face_id: &FaceId, customer: Customer, now: UnixMs) {
        let seq = self.totals.seq.next();
        let new = people::digest_key().hash(face_id, seq, &customer);
        let effect = match self.hash_of(face_id) {
            Some(old) => Effect::Replaced { old, new },
            None => Effect::Added { new },
        };
        self.rows.insert(face_id.clone(), Row { seq, state: State::Live(customer, new) });
        self.took(effect, now);
    }

    /// Erases a customer, or a face that never became one.
    pub fn remove(&mut self, face_id: &FaceId, now: UnixMs) {
        let effect = match self.hash_of(face_id) {
            Some(old) => Effect::Removed { old },
            None => Effect::RemovedUnborn,
        };
        self.review.remove(face_id);
        let seq = self.took(effect, now);
        self.rows.insert(face_id.clone(), Row { seq, state: State::Removed { at: now, into: None } });
        self.record(face_id, now);
    }

    /// Records that a face was removed at the newest seq, with every face that was ever merged into it.
    pub fn record(&mut self, face_id: &FaceId, now: UnixMs) {
        let also = self.merges.keys().filter(|loser| self.winner(loser).as_ref() == Some(face_id));
        let erasure = Erasure {
            location: location(),
            face_id: face_id.clone(),
            also: also.cloned().collect(),
            epoch: self.totals.epoch,
            seq: self.totals.seq,
            at: now,
        };
        self.erasures.push(erasure);
    }

    /// Turns a customer, or a face that never became one, into another customer.
    pub fn merge(&mut self, loser: &FaceId, winner: &FaceId, now: UnixMs) {
        let effect = match self.hash_of(loser) {
            Some(old) => Effect::Merged { old },
            None => Effect::MergedUnborn,
        };
        let seq = self.took(effect, now);
        let state = State::Removed { at: now, into: Some(winner.clone()) };
        self.rows.insert(loser.clone(), Row { seq, state });
        self.merges.insert(loser.clone(), winner.clone());
    }

    /// Whom a face was merged into in the end.
    pub fn winner(&self, loser: &FaceId) -> Option<FaceId> {
        let mut winner = self.merges.get(loser)?;
        while let Some(next) = self.merges.get(winner) {
            winner = next;
        }
        Some(winner.clone())
    }

    /// What is held of a face.
    pub fn traces(&self, face_id: &FaceId) -> Traces {
        let row = |face_id: &FaceId| {
            self.rows.get(face_id).map(|row| match &row.state {
                State::Live(..) => (row.seq, RowIs::Live),
                State::Removed { into: None, .. } => (row.seq, RowIs::Removed),
                State::Removed { into: Some(_), .. } => (row.seq, RowIs::Merged),
            })
        };
        let recorded = self.erasures.iter().rev().find(|erasure| erasure.face_id == *face_id);
        Traces {
            row: row(face_id),
            winner: self.winner(face_id).map(|winner| (winner.clone(), row(&winner))),
            erased: recorded.map(|erasure| (erasure.epoch, erasure.seq)),
            queued: if self.review.contains_key(face_id) { Queued::Waiting } else { Queued::No },
        }
    }
}

/// The location.
pub fn location() -> LocationId {
    "store".parse().expect("letters are an id")
}
