//! What follows once a batch is stored.

use super::{batch::Batch, plan::Step, rules::Rules};
use crate::{
    live::Live,
    notice::Notice,
    sync::{Command, Row},
};
use protocol::{FaceId, message::Receipt};
use std::collections::BTreeMap;

impl Rules {
    /// Makes the steps of a batch that are not made on the disk; the others were made.
    pub(super) fn conclude(&mut self, steps: &[Step], batch: Batch, receipts: Vec<Receipt>) {
        let mut receipts = Some(receipts);
        for step in steps {
            match step {
                Step::KeepReceipts => self.keep_receipts(receipts.take().unwrap_or_default()),
                Step::Learn => self.learn(&batch),
                Step::Renew => self.renew(&batch),
                Step::Acknowledge => self.acknowledge(batch.number),
                Step::Send => {
                    (self.stored, self.may_report) = (batch.after.claim, true);
                    batch.commands.iter().for_each(|command| self.follow_up(command));
                }
                Step::FlushOutbox
                | Step::Probe
                | Step::WriteCache(_)
                | Step::EmptyCacheLog
                | Step::WriteOutbox(_)
                | Step::EmptyOutboxLog
                | Step::StoreVisits
                | Step::StoreFaces => {}
            }
            step.point().into_iter().for_each(crash_point::reach);
        }
    }

    /// Written receipts wait for the website. Where too many do, the oldest are lost, and that is said.
    fn keep_receipts(&mut self, receipts: Vec<Receipt>) {
        receipts.into_iter().for_each(|receipt| self.core.receipt(receipt));
        let lost = self.core.shed_receipts();
        if !lost.is_empty() {
            tracing::error!(
                receipts = lost.len(),
                "too many receipts of removals wait for the website: the oldest were lost"
            );
            self.counters.lost_receipts += lost.len() as u64;
            self.rule(vec![Command::LoseReceipts(lost)]);
        }
    }

    fn learn(&mut self, batch: &Batch) {
        let learned = batch.commands.iter().filter_map(|c| self.memory.learn(c, self.core.rows()));
        for put in learned.collect::<Vec<_>>() {
            self.notify(Notice::Learned { face_id: put.face_id.clone(), seq: put.seq });
        }
        for visit in &batch.visits {
            self.memory.learn_own(visit, &self.core);
            self.counters.lost_visits += visit.lost.len() as u64;
            self.unstored_visits -= 1;
            let face_id = visit.who().cloned();
            self.notify(Notice::Counted { face_id });
        }
        let stored = |awaited: &mut super::visits::Awaited| awaited.batch <= batch.number;
        self.answers.extract_if(.., stored).for_each(super::visits::Awaited::answer);
    }

    fn renew(&self, batch: &Batch) {
        // A lease that has ended since does not come back.
        let lease = self.core.lease().and(batch.after.lease).map(|(lease, _)| lease);
        if lease != self.memory.live.lease() {
            self.memory.live.renew(lease);
        }
    }

    fn acknowledge(&mut self, number: u64) {
        while let Some((_, ack, link)) = self.acks.pop_front_if(|(batch, ..)| *batch <= number) {
            if let Some(ours) = &self.link {
                ours.ack(ack, link);
            }
        }
    }

    fn follow_up(&mut self, command: &Command) {
        match command {
            Command::Verified(seq, total) => {
                self.notify(Notice::Verified { seq: *seq, digest: total.digest, count: total.count });
            }
            Command::MarkSettled(keys, _) => self.notify(Notice::Settled { visits: keys.len() }),
            Command::Say(report) => self.send_report(report),
            Command::ReadAgain => self.reads_again = true,
            Command::GiveUp(diagnosis) => {
                tracing::error!(
                    rows = diagnosis.rows,
                    as_of = diagnosis.as_of.0,
                    "three repairs did not help: every row was given up and is fetched again"
                );
                self.notify(Notice::GivesUp);
            }
            _ => {}
        }
    }

    /// What this edge holds is not trusted, by the website or by its own audit: rows and gallery are what the store has, and
    /// what was ruled since it was read. Takes as long as it takes to count the rows.
    pub(super) fn read_again(&mut self, rows: BTreeMap<FaceId, Row>, gallery: Live) {
        self.core.read_again(rows, self.pending.commands());
        if !self.pending.commands().any(|command| matches!(command, Command::GiveUp(_))) {
            let gone: Vec<&FaceId> = self.pending.commands().filter_map(Command::takes_out).collect();
            self.memory.live.replace(gallery, &gone);
        }
        let after = self.after();
        self.pending.rule(Vec::new(), after);
    }
}
