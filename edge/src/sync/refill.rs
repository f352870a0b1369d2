//! Filling anew beside the rows that are in doubt, until a signed head vouches for what came.
//!
//! After a clean subscription every retained customer message comes again. They are collected apart from the rows in
//! use, without regard to the verified floor: what is below it would be refused there, and rightly so, since nothing
//! tells a replay from the truth. Only when a signed head's digest equals that of the collection do the rows become
//! the collection: what the website does not have goes, what was lost or damaged comes. Until then nothing is dropped
//! because it is missing, so a pass that is cut off, or that a broker without its memory answers, harms nobody.

use super::{
    history::Total,
    rows::{Comparison, Rows, Ruling},
};
use protocol::{
    FaceId, RowHash, Seq, UnixMs,
    message::{Change, Head},
};

/// Attempts follow each other at least so slowly.
const PAUSE_MS: i64 = 5_000;
const PAUSE_MS_MAX: i64 = 300_000;

/// Where an edge stands with filling anew.
#[derive(Debug, Clone, Default)]
pub struct Refill {
    pass: Option<Rows>,
    wanted: bool,
    asked_at: Option<UnixMs>,
    attempts: u32,
}

/// How the rows become the collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// These rows go: the website does not have them.
    pub dropped: Vec<FaceId>,
    /// These come from the collection: they were missing or different.
    pub adopted: Vec<FaceId>,
    /// The head that vouched, as of which seq.
    pub as_of: Seq,
}

impl Refill {
    /// Starting with nothing but a floor, as when the cache was lost: only filling anew can help.
    pub fn wanted_at_start(wanted: WantedAtStart) -> Self {
        Self { wanted: wanted == WantedAtStart::Yes, ..Self::default() }
    }

    /// The rows are taken to be wrong at `now`. Answers whether to subscribe anew: not while the last attempt is
    /// younger than the pause, which doubles with every attempt.
    pub fn ask(&mut self, now: UnixMs) -> bool {
        let pause = (PAUSE_MS << self.attempts.min(16)).min(PAUSE_MS_MAX);
        if self.asked_at.is_some_and(|at| now.since(at) < pause) {
            return false;
        }
        self.asked_at = Some(now);
        self.attempts = self.attempts.saturating_add(1);
        self.wanted = true;
        true
    }

    /// How often filling anew was begun since the rows were last right.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the collection is still wanted by somebody.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Whether a collection is going on.
    pub fn collecting(&self) -> bool {
        self.pass.is_some()
    }

    /// A session without a past begins: every retained message comes. Answers whether they are collected.
    pub fn begin_session(&mut self, rows: &Rows) -> bool {
        self.pass = self.wanted.then(|| Rows::empty(rows.epoch()));
        self.pass.is_some()
    }

    /// The rows are right, or belong to another epoch now: nothing is collected any longer.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// A new epoch began: what was collected is of the old one, but what made the collection wanted remains.
    pub fn begin_epoch(&mut self, rows: &Rows) {
        if self.pass.is_some() {
            self.pass = Some(Rows::empty(rows.epoch()));
        }
    }

    /// Collects a pushed change, and answers what became of it.
    pub fn change(&mut self, change: &Change, hash: Option<RowHash>) -> Ruling {
        match &mut self.pass {
            Some(pass) => pass.change(change.epoch, &change.face_id, change.seq, hash),
            None => Ruling::Ignored,
        }
    }

    /// Lets the collection take the rows' place when `head` vouches for it, and is not older than the rows' floor.
    pub fn adopt(&mut self, rows: &mut Rows, head: &Head) -> Option<Adoption> {
        let pass = self.pass.as_ref()?;
        let vouched = head.seq >= rows.floor()
            && head.seq >= pass.top()
            && pass.epoch() == Some(head.epoch)
            && pass.compare(head) == Comparison::Equal;
        if !vouched {
            return None;
        }
        let pass = self.pass.take()?;
        let mut dropped: Vec<FaceId> =
            rows.iter().filter(|(face, _)| pass.get(face).is_none()).map(|(face, _)| face.clone()).collect();
        let differing =
            pass.iter().filter(|(face, row)| rows.get(face) != Some(*row)).map(|(face, _)| face.clone());
        let mut adopted: Vec<FaceId> = differing.collect();
        let kept_out = rows.become_as_of(pass, head.seq);
        adopted.retain(|face| !kept_out.contains(face));
        dropped.sort();
        adopted.sort();
        self.wanted = false;
        Some(Adoption { dropped, adopted, as_of: head.seq })
    }

    /// What the collection adds up to, for people.
    pub fn collected(&self) -> Option<Total> {
        self.pass.as_ref().map(Rows::total)
    }
}

/// Whether an edge starts with a cache it had to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedAtStart {
    /// It does.
    Yes,
    /// It does not.
    No,
}
