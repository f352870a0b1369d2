//! What was ruled gets to the disk, step by step of the plan.

use super::{Did, EdgeBox, daemon::Storing};
use crate::{letter::Up, rules::Rule};
use edge::{
    daemon::plan::{Step, plan},
    store::CountedVisit,
    sync::{Command, Standing},
};
use protocol::{Epoch, FaceId, Seq, message::Report};
use std::collections::BTreeMap;

impl EdgeBox {
    /// Makes at most so many steps. `power` says before each whether it is still there.
    pub fn store(&mut self, at: i64, most: usize, power: &mut dyn FnMut() -> bool, did: &mut Did) {
        for _ in 0..most {
            let Some(step) = self.next_step() else { return };
            if !power() {
                did.killed = true;
                return;
            }
            self.make(step, at, did);
        }
    }

    /// Makes every step.
    pub fn commit(&mut self, at: i64, power: &mut dyn FnMut() -> bool, did: &mut Did) {
        self.store(at, usize::MAX, power, did);
    }

    fn next_step(&mut self) -> Option<Step> {
        let daemon = self.daemon.as_mut()?;
        loop {
            if let Some(storing) = &mut daemon.storing {
                match storing.steps.pop_front() {
                    Some(step) => return Some(step),
                    None => daemon.storing = None,
                }
            }
            let batch = daemon.pending.take()?;
            let steps = plan(&batch, &daemon.on_disk);
            daemon.on_disk = daemon.on_disk.after(&steps, &batch);
            daemon.storing = Some(Storing::begin(batch, steps, vec![]));
        }
    }

    fn make(&mut self, step: Step, at: i64, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
        let now = daemon.now(system, at);
        let Some(mut storing) = daemon.storing.take() else { return };
        let Storing { batch, owed, found, receipts, .. } = &mut storing;
        let (commands, after) = (&batch.commands, &batch.after);
        let live = &daemon.memory.live;
        match step {
            Step::FlushOutbox => self.disk.flush_outbox(),
            Step::Probe => *found = live.still_found(&self.disk.cache.to_be_removed(commands)),
            Step::WriteCache(flush) => {
                *owed = self.disk.write_cache(commands, &after.standing, after.lease, flush);
                if self.rules.lack(Rule::DurableFloor) {
                    self.disk.damage(|cache, _| cache.position = Standing::default());
                }
                observe(&mut self.highest, commands, did);
            }
            Step::EmptyCacheLog => self.disk.flush_cache(),
            Step::WriteOutbox(flush) => {
                let owed = std::mem::take(owed).into_iter();
                receipts.extend(owed.map(|owed| live.receipt(owed, found, now.wall)));
                self.disk.write_outbox(commands, receipts, &after.standing, flush);
            }
            Step::EmptyOutboxLog => self.disk.empty_outbox_log(),
            Step::StoreVisits => {
                did.lost.extend(self.disk.outbox.add(&batch.visits));
                self.disk.flush_outbox();
                did.counted.extend(batch.visits.iter().map(|visit| visit.visit.at.0));
            }
            Step::StoreFaces => {
                let faces = batch.visits.iter().filter_map(CountedVisit::face);
                self.disk.cache.own.extend(faces.map(|(face_id, own)| (face_id.clone(), own.clone())));
                self.disk.flush_cache();
            }
            Step::KeepReceipts => {
                receipts.drain(..).for_each(|receipt| daemon.core.receipt(receipt));
            }
            Step::Learn => {
                for command in commands {
                    daemon.memory.learn(command, daemon.core.rows());
                }
                batch.visits.iter().for_each(|visit| daemon.memory.learn_own(visit, &daemon.core));
                did.changed = true;
            }
            Step::Renew => {
                live.renew(daemon.core.lease().and(after.lease).map(|(lease, _)| lease));
                did.changed = true;
            }
            Step::Acknowledge => {
                let stored = |(number, _): &mut (u64, u64)| *number <= batch.number;
                let letters = daemon.unacknowledged.extract_if(.., stored);
                did.acknowledged.extend(letters.map(|(_, letter)| letter));
            }
            Step::Send => {
                daemon.stored = Some(after.claim);
                for command in commands.clone() {
                    self.say(&command, at, did);
                }
            }
        }
        if let Some(daemon) = &mut self.daemon {
            daemon.storing = Some(storing);
        }
    }

    fn say(&mut self, command: &Command, at: i64, did: &mut Did) {
        let Some(daemon) = &mut self.daemon else { return };
        match command {
            Command::Say(Report::Repair(repair)) => {
                daemon.asked_round = Some(repair.round);
                daemon.rounds += 1;
                did.says.push(Up::Repair(repair.clone()));
            }
            Command::Say(Report::Want(want)) => did.says.push(Up::Want(want.clone())),
            Command::Verified(..) => daemon.rounds = 0,
            Command::ReadAgain => {
                daemon.core.read_again(self.disk.cache.hashed().collect(), daemon.pending.commands());
            }
            _ => {}
        }
        if self.rules.lack(Rule::CountedRounds) && daemon.rounds >= 3 {
            self.give_up_uncounted(at, did);
        }
    }

    /// Nothing else is to be done: what was stored becomes durable.
    pub fn flush(&mut self) {
        if self.daemon.as_ref().is_some_and(|daemon| !daemon.has_work()) {
            self.disk.flush_outbox();
        }
    }
}

/// Looks at what was committed, for what must never be.
fn observe(highest: &mut BTreeMap<(Epoch, FaceId), Seq>, committed: &[Command], did: &mut Did) {
    let mut applied = |epoch: Epoch, face_id: &FaceId, seq: Seq| {
        let newest = highest.entry((epoch, face_id.clone())).or_default();
        if seq < *newest {
            did.wrong.push(format!("seq of {face_id} goes back from {newest} to {seq}"));
        }
        *newest = seq.max(*newest);
    };
    for command in committed {
        match command {
            Command::Put(put) => applied(put.epoch, &put.face_id, put.seq),
            Command::Remove { key, .. } => applied(key.epoch, &key.face_id, key.seq),
            Command::GiveUp(_) => did.gave_up = true,
            _ => {}
        }
    }
}
