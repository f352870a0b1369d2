//! The conversation that puts the rows right.

use super::Core;
use crate::sync::{
    command::{Command, Fate, Put},
    history::Total,
    now::Now,
    repair::{Next, Reason},
    rows::{Row, Rows},
    talk::Page,
};
use protocol::{
    FaceId, Round, RowHash, Seq,
    message::{Change, ReceiptKey, Repair, Report, Roster},
};
use std::collections::BTreeMap;

impl Core {
    /// The website does not trust the rows: what is stored is read again, and then compared with the website's.
    pub(super) fn asked(&mut self, out: &mut Vec<Command>) {
        if !self.repairs.asked() && !self.reads_again {
            self.reads_again = true;
            out.push(Command::ReadAgain);
        }
    }

    /// The rows as they were just read from the store, whatever they were believed to be. `later` was ruled and is not
    /// in the store yet. Where the website has asked for it, they are compared with the website's from now on.
    pub fn read_again<'c>(
        &mut self,
        mut rows: BTreeMap<FaceId, Row>,
        later: impl IntoIterator<Item = &'c Command>,
    ) {
        later.into_iter().for_each(|command| ruled_since(&mut rows, command));
        if std::mem::take(&mut self.reads_again) {
            self.repairs.ask();
        }
        let dropped = self.rows.take_dropped();
        let before = self.rows.total();
        self.rows = Rows::load(self.rows.epoch(), self.rows.floor(), rows, dropped);
        if self.rows.total() != before {
            self.grace.differs();
        }
    }

    pub(super) fn tick(&mut self, now: Now, out: &mut Vec<Command>) {
        if !self.online || self.rows.epoch().is_none() {
            return;
        }
        match self.repairs.next(self.grace.over(now.ran), now.ran) {
            Next::Wait => {}
            Next::Begin => self.begin_round(now, out),
            Next::GiveUp(as_of) => self.give_up(as_of, now, out),
        }
    }

    fn begin_round(&mut self, now: Now, out: &mut Vec<Command>) {
        let Some(epoch) = self.rows.epoch() else { return };
        let round = self.repairs.begin(epoch, self.reason(), now.ran);
        let buckets = self.rows.buckets();
        out.push(Command::Say(Report::Repair(Repair { epoch, round, buckets })));
    }

    fn reason(&self) -> Reason {
        let behind = self.newest.as_ref().is_some_and(|head| head.seq > self.rows.top());
        let unverified = self.rows.floor() == Seq(0);
        match self.lease {
            _ if self.repairs.asked() => Reason::Asked,
            _ if self.repairs.given_up() => Reason::Quarantine,
            None if unverified => Reason::FirstStart,
            _ if unverified || self.rows.mixed() => Reason::Epoch,
            _ if behind => Reason::Missed,
            _ => Reason::Digest,
        }
    }

    /// First drops what the website does not have, then asks for what is lacking.
    pub(super) fn roster(&mut self, roster: Roster, now: Now, out: &mut Vec<Command>) {
        let floor = self.rows.floor();
        let Some(talk) = self.repairs.talk() else { return };
        let (as_of, buckets) = match talk.page(roster, floor, now.ran) {
            Page::Ignored => return,
            Page::Outdated => return self.repairs.rest(now.ran),
            Page::Complete(as_of, buckets) => (as_of, buckets),
        };
        let mut lacking = Vec::new();
        for bucket in &buckets {
            let dropped = self.rows.drop_unlisted(bucket, as_of);
            self.repairs.note(dropped.iter().cloned());
            for face_id in &dropped {
                self.outbox.scrub(face_id);
            }
            out.extend(dropped.into_iter().map(|face_id| Command::Drop { face_id, as_of }));
            lacking.extend(self.rows.lacking(bucket));
        }
        self.repairs.note(lacking.iter().map(|(face_id, _)| face_id.clone()));
        if let Some(talk) = self.repairs.talk() {
            talk.lacks(lacking);
        }
        self.go_on(now, out);
    }

    /// A row that was asked for.
    pub(super) fn wanted(
        &mut self,
        round: Round,
        change: Change,
        hash: Option<RowHash>,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        let ours = self.rows.epoch() == Some(change.epoch);
        let came =
            |talk: &mut crate::sync::talk::Talk| talk.came(round, &change.face_id, change.seq, now.ran);
        if ours && self.repairs.talk().is_some_and(came) {
            let ruling = self.rows.wanted(change.epoch, &change.face_id, change.seq, hash);
            self.carry(change, hash, ruling, out);
            self.go_on(now, out);
        }
    }

    fn go_on(&mut self, now: Now, out: &mut Vec<Command>) {
        if let Some(talk) = self.repairs.talk() {
            out.extend(talk.ask().into_iter().map(|want| Command::Say(Report::Want(want))));
        }
        self.repairs.complete(now.ran);
        self.recheck(now, out);
    }

    /// Three completed rounds have not helped: whatever is wrong is not in single rows. Everything goes, and the
    /// edge recognises nobody until it has been filled and has verified a head. Epoch and floor stay.
    fn give_up(&mut self, as_of: Seq, now: Now, out: &mut Vec<Command>) {
        let Some(epoch) = self.rows.epoch() else { return };
        let ended = self.provisional.all();
        self.end_provisional(ended, Fate::Declined, out);
        self.rows.wipe();
        self.lease = None;
        self.verified = Total::default();
        self.grace.differs();
        let diagnosis = self.repairs.diagnosis(now.wall, epoch, as_of);
        self.diagnosis = Some(diagnosis.clone());
        out.push(Command::GiveUp(diagnosis));
    }
}

/// What a command means for rows that were read before it was stored.
fn ruled_since(rows: &mut BTreeMap<FaceId, Row>, command: &Command) {
    match command {
        Command::Put(put) => {
            let Put { face_id, epoch, seq, hash, customer: _ } = &**put;
            rows.insert(face_id.clone(), Row { epoch: *epoch, seq: *seq, hash: *hash });
        }
        Command::Remove { key: ReceiptKey { face_id, .. }, .. } | Command::Drop { face_id, .. } => {
            rows.remove(face_id);
        }
        Command::AdoptEpoch(epoch) => rows.values_mut().for_each(|row| row.epoch = *epoch),
        Command::GiveUp(_) => rows.clear(),
        Command::EndProvisional(..)
        | Command::SettleProvisional(..)
        | Command::MarkSettled(..)
        | Command::ForgetVisits(_)
        | Command::Unsettle
        | Command::ForgetReceipts(_)
        | Command::LoseReceipts(_)
        | Command::Verified(..)
        | Command::Say(_)
        | Command::ReadAgain => {}
    }
}

#[cfg(test)]
#[path = "repairing_tests.rs"]
mod tests;
