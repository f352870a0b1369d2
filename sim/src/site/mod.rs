//! The website: its real decisions over rows in memory. A handler is one transaction; what it answers goes out after
//! the commit.

pub mod db;
mod visits;

use crate::{
    dice::Dice,
    letter::Up,
    rules::{Rule, Rules},
};
use db::{Db, State};
use protocol::{
    Epoch, FaceId, RowHash, Seq, UnixMs,
    message::{Applied, Inbox, Probe, ReceiptKey, ReceiptsStored, Repair, Roster, Want},
};
use website::{
    decide::{
        applied::{self, Held, StartIs, Verdict},
        epoch,
        erasure::{self, Apply, Erasure, Known},
        repair,
        tombstone::{self, Tombstone},
    },
    tables::{edge_reports, edges::Alarm},
};

/// The website, its file beside the database, and its backups.
#[derive(Debug)]
pub struct Site {
    /// The database.
    pub db: Db,
    /// The erasure ledger, which no backup holds.
    pub ledger: Vec<Erasure>,
    /// Backups, oldest first.
    pub backups: Vec<Db>,
    /// Whether the process runs.
    pub up: bool,
    /// How wrong its clock is.
    pub clock_off_ms: i64,
    /// The newest head date it has ever given, which the key's folder keeps.
    pub issued_at: UnixMs,
    /// New epochs so far.
    pub epochs: u64,
    rules: Rules,
}

/// What a message from an edge led to.
#[derive(Debug, Default)]
pub struct Answer {
    /// To that edge.
    pub inbox: Vec<Inbox>,
    /// Which state the website believes the edge to have verified from now on.
    pub believes: Option<(Epoch, Seq)>,
    /// Receipts that were stored.
    pub receipts: Vec<(ReceiptKey, Probe)>,
    /// The edge was shut out.
    pub shut_out: bool,
    /// A new epoch has to begin.
    pub gone_back: bool,
    /// A visit showed somebody removed to an edge that had confirmed it.
    pub stale_hit: bool,
    /// The number of a visit was used for two.
    pub collision: Option<i64>,
    /// A customer was enrolled, or not trusted, or waits: who.
    pub enrolled: Option<FaceId>,
}

impl Site {
    /// A website with an empty location.
    pub fn new(db: Db, rules: Rules) -> Self {
        let issued_at = db.issued_at;
        Self { db, ledger: vec![], backups: vec![], up: true, clock_off_ms: 0, issued_at, epochs: 0, rules }
    }

    /// Its clock.
    pub fn now(&self, at: i64) -> UnixMs {
        UnixMs(at + self.clock_off_ms)
    }

    /// Removes a customer, and writes that down beside the database.
    pub fn remove(&mut self, face_id: &FaceId, now: UnixMs) {
        self.db.remove(face_id, now);
        self.write_ledger();
    }

    fn write_ledger(&mut self) {
        let unwritten = erasure::compare(&self.ledger, &self.db.erasures).unwritten;
        self.ledger.extend(unwritten.into_iter().map(|mut erasure| {
            if self.rules.lack(Rule::LedgerAliases) {
                erasure.also.clear();
            }
            erasure
        }));
    }

    /// A new epoch: what edges said is void, everything is published again, and what only the ledger knows is removed
    /// once more.
    pub fn begin_epoch(&mut self, now: UnixMs) {
        self.epochs += 1;
        self.db.totals = epoch::begun(self.db.totals, Epoch(100 + self.epochs));
        self.db.issued_at = self.db.issued_at.max(self.issued_at);
        self.db.date_head(now);
        self.db.published = Seq(0);
        self.db.edges.iter_mut().for_each(|edge| edge.report = None);
        let lost = erasure::compare(&self.ledger, &self.db.erasures).lost;
        if !self.rules.lack(Rule::Ledger) {
            lost.iter().for_each(|lost| self.remove_again(lost, now));
        }
        self.write_ledger();
    }

    fn remove_again(&mut self, lost: &Erasure, now: UnixMs) {
        for face_id in std::iter::once(&lost.face_id).chain(&lost.also) {
            let known = match self.db.rows.get(face_id).map(|row| &row.state) {
                Some(State::Live(..)) => Known::Live,
                Some(State::Removed { .. }) => Known::Gone,
                None if self.db.review.contains_key(face_id) => Known::Waiting,
                None => Known::Nothing,
            };
            match erasure::again(known) {
                Apply::Remove | Apply::Withdraw | Apply::Bury => self.db.remove(face_id, now),
                Apply::Nothing if *face_id == lost.face_id => self.db.record(face_id, now),
                Apply::Nothing => {}
            }
        }
    }

    /// The tombstones that nobody needs.
    pub fn clearable(&self, now: UnixMs, retention_ms: i64) -> Vec<FaceId> {
        let applied: Vec<_> =
            self.db.edges.iter().map(|edge| edge.report.as_ref().map(|r| (r.epoch, r.applied))).collect();
        let clearable = |row: &db::Row| match row.state {
            State::Live(..) => false,
            State::Removed { at, .. } => {
                let (epoch, published) = (self.db.totals.epoch, self.db.published);
                let tombstone = Tombstone { seq: row.seq, removed_at: at, epoch, published };
                tombstone::judge(&tombstone, &applied, now, retention_ms).clears()
            }
        };
        self.db.rows.iter().filter(|(_, row)| clearable(row)).map(|(face_id, _)| face_id.clone()).collect()
    }

    /// Takes in what an edge says; what comes of an edge that is shut out is left alone.
    pub fn hear(&mut self, edge: usize, said: Up, at: i64, dice: &mut Dice) -> Answer {
        let now = self.now(at);
        if self.db.edges[edge].alarm.shuts_out() {
            return Answer::default();
        }
        match said {
            Up::Applied(report) => self.applied(edge, report, now),
            Up::Repair(asked) => self.repair(&asked, now),
            Up::Want(want) => self.want(&want),
            Up::Visit(visit) => self.visit(edge, &visit, now, dice),
        }
    }

    fn applied(&mut self, edge: usize, mut report: Applied, now: UnixMs) -> Answer {
        let totals = self.db.totals;
        if self.rules.lack(Rule::EpochCheck) {
            report.epoch = totals.epoch;
            report.verified = report.verified.min(totals.seq);
        }
        let row = &mut self.db.edges[edge];
        if epoch::has_gone_back(&report, &totals) {
            return Answer { gone_back: true, ..Answer::default() };
        }
        let mut held = Held {
            start: row.start,
            position: row.report.as_ref().map(|report| (report.epoch, report.applied)),
            reported_at: row.report.as_ref().map(|report| report.reported_at),
            start_since: row.seen.get(&(row.start.count, row.start.nonce.0)).copied(),
            start_seen: row.seen.contains_key(&(report.start.count, report.start.nonce.0)),
        };
        if self.rules.lack(Rule::StartNonce) {
            held.start = report.start;
        }
        let (start, believes) = match applied::judge(&held, &report, totals.epoch, now) {
            Verdict::Store { start, applied, moved: _ } => (start, Some((totals.epoch, applied))),
            Verdict::OtherEpoch { start } => (start, None),
            Verdict::Late => (StartIs::Known, None),
            Verdict::Alarm(alarm) => {
                (row.alarm, row.report) = (alarm, None);
                return Answer { shut_out: true, ..Answer::default() };
            }
        };
        if start == StartIs::New {
            row.start = report.start;
            row.seen.insert((report.start.count, report.start.nonce.0), now);
            row.report = None;
        }
        if let Some((epoch, applied)) = believes {
            row.report = Some(edge_reports::Report::of(&report, epoch, applied, now));
        }
        let receipts: Vec<_> =
            report.receipts.iter().map(|receipt| (receipt.key.clone(), receipt.probe)).collect();
        let keys: Vec<ReceiptKey> = receipts.iter().map(|(key, _)| key.clone()).collect();
        let inbox = match keys.is_empty() {
            true => vec![],
            false => vec![Inbox::ReceiptsStored(ReceiptsStored { receipts: keys })],
        };
        Answer { inbox, believes, receipts, ..Answer::default() }
    }

    fn hashes(&self) -> Vec<(FaceId, Seq, RowHash)> {
        self.db.live().map(|(face_id, seq, _, hash)| (face_id.clone(), seq, hash)).collect()
    }

    fn repair(&mut self, asked: &Repair, now: UnixMs) -> Answer {
        let mut pages = repair::rosters(asked, &self.db.totals, &self.hashes()).unwrap_or_default();
        cut_small(&mut pages);
        self.db.date_head(now);
        Answer { inbox: pages.into_iter().map(Inbox::Roster).collect(), ..Answer::default() }
    }

    fn want(&self, want: &Want) -> Answer {
        let Some(round) = repair::wants(want, &self.db.totals) else { return Answer::default() };
        let change = |face_id: &FaceId| repair::wanted(face_id, self.db.change(face_id), &self.db.totals);
        let inbox = want.faces.iter().map(|face_id| Inbox::Change { round, change: change(face_id) });
        Answer { inbox: inbox.collect(), ..Answer::default() }
    }

    /// Lets a box join in the place of one that was shut out or lost.
    pub fn join_anew(&mut self, edge: usize) {
        self.db.edges[edge] = db::unknown_edge();
        self.db.edges[edge].alarm = Alarm::None;
    }
}

/// The pages of a small store, cut smaller still, so that an edge has to put pages together.
fn cut_small(pages: &mut Vec<Roster>) {
    let Some(first) = pages.first().cloned() else { return };
    let buckets: Vec<_> = pages.drain(..).flat_map(|page| page.buckets).collect();
    let mut cut: Vec<Vec<_>> = buckets.chunks(3).map(<[_]>::to_vec).collect();
    if cut.is_empty() {
        cut.push(vec![]);
    }
    let count = cut.len() as u32;
    let page = |(page, buckets)| Roster { page, pages: count, buckets, ..first.clone() };
    pages.extend((0..).zip(cut).map(page));
}
