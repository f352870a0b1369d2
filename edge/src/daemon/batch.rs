//! Carrying out: gallery, files, probe, receipts, acknowledgements, in the order that makes every kill harmless.

use super::Daemon;
use crate::{
    notice::Notice,
    store::{Carried, Opened},
    sync::{Command, Fate, Lease, Standing},
};
use anyhow::{Context, Result};
use protocol::message::{EnrolPolicy, Receipt};
use rumqttc::ManualAck;

/// What has been ruled on and not carried out.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) inputs: usize,
    pub(super) commands: Vec<Command>,
    pub(super) acks: Vec<(ManualAck, u64)>,
    /// Where the rules stood after it.
    pub(super) after: (Standing, Option<(Lease, EnrolPolicy)>),
    pub(super) progress: Progress,
}

/// How far a batch has been stored.
#[derive(Debug, Default)]
pub(super) enum Progress {
    #[default]
    Nothing,
    /// The cache has it; the receipts are not in the outbox.
    Cached { erased: bool, receipts: Vec<Receipt> },
}

impl Daemon {
    /// What must be forgotten leaves the live gallery before anything else happens: nobody is recognised while a file
    /// is being written.
    pub(super) fn forget_at_once(&mut self, ruled: &[Command]) {
        for command in ruled {
            match command {
                Command::Remove { key, merged_into } => {
                    self.live.remove(&key.face_id);
                    self.tell(Notice::Forgotten { face_id: key.face_id.clone(), seq: key.seq });
                    match merged_into {
                        Some(into) => self.presence.merged(&key.face_id, into),
                        None => self.presence.forget(&key.face_id),
                    }
                }
                Command::Drop { face_id, as_of } => {
                    self.live.remove(face_id);
                    self.presence.forget(face_id);
                    self.tell(Notice::Forgotten { face_id: face_id.clone(), seq: *as_of });
                }
                Command::GiveUp(_) => self.live.clear(),
                Command::EndProvisional(face_id, Fate::Customer) => self.presence.confirmed(face_id),
                Command::EndProvisional(face_id, Fate::Declined) => {
                    self.live.remove(face_id);
                    self.presence.declined(face_id);
                }
                Command::EndProvisional(face_id, Fate::Nobody) => {
                    self.live.remove(face_id);
                    self.presence.forget(face_id);
                }
                _ => {}
            }
        }
    }

    /// Commits what was ruled, then lets the gallery know it, empties the logs after an erasure, probes, writes the
    /// receipts, and acknowledges. What cannot be stored now waits here, and whatever comes after it behind it.
    pub(super) fn carry_out(&mut self, batch: Batch) -> Result<()> {
        let after = (self.core.standing(), self.core.lease());
        match self.unstored.back_mut() {
            Some(Batch { commands, acks, after: before, progress: Progress::Nothing, .. }) => {
                commands.extend(batch.commands);
                acks.extend(batch.acks);
                *before = after;
            }
            _ => self.unstored.push_back(Batch { after, ..batch }),
        }
        while let Some(mut batch) = self.unstored.pop_front() {
            if let Err(error) = self.store(&mut batch) {
                self.unstored.push_front(batch);
                return self.bear(error);
            }
            self.conclude(batch)?;
        }
        Ok(())
    }

    fn store(&mut self, batch: &mut Batch) -> Result<()> {
        let begun = matches!(batch.progress, Progress::Cached { .. });
        // A head that comes late can renew the lease and change nothing else.
        let renewed = batch.after.1.map(|(lease, _)| lease) != self.live.lease();
        let news = renewed || !batch.commands.is_empty() || batch.after.0 != self.store.outbox.standing();
        if begun || news {
            crash_point::reach("edge_ruled_before_stored");
            self.commit(batch)?;
            self.could_store();
        }
        crash_point::reach("edge_stored_before_acknowledged");
        Ok(())
    }

    fn conclude(&mut self, batch: Batch) -> Result<()> {
        let Batch { commands, acks, .. } = batch;
        if let Some(link) = &self.link {
            acks.into_iter().for_each(|(ack, number)| link.ack(ack, number));
        }
        crash_point::reach("edge_acknowledged_before_reported");
        for command in &commands {
            match command {
                Command::Verified(seq, total) => {
                    self.tell(Notice::Verified { seq: *seq, digest: total.digest, count: total.count });
                }
                Command::MarkSettled(keys, _) => self.tell(Notice::Settled { visits: keys.len() }),
                Command::Say(report) => self.say(report),
                Command::ReadAgain => self.read_again()?,
                Command::GiveUp(diagnosis) => {
                    tracing::error!(
                        rows = diagnosis.rows,
                        as_of = diagnosis.as_of.0,
                        "three repairs did not help: every row was given up and is fetched again"
                    );
                    self.tell(Notice::GivesUp);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: &mut Batch) -> Result<()> {
        let Batch { commands, after: (standing, lease), progress, .. } = batch;
        if let Progress::Nothing = progress {
            let durable = self.store.outbox.standing();
            let carried = self
                .store
                .cache
                .carry_out(commands, standing, &durable, *lease)
                .context("the cache cannot be written")?;
            self.learn(commands);
            crash_point::reach("edge_cache_committed");
            *progress = Progress::Cached { erased: carried.erased, receipts: self.probe(&carried) };
        }
        let Progress::Cached { erased, receipts } = progress else { return Ok(()) };
        if *erased {
            self.store.cache.empty_log().context("the cache's log cannot be emptied")?;
            crash_point::reach("edge_log_emptied");
        }
        self.store.outbox.carry_out(commands, receipts, standing).context("the outbox cannot be written")?;
        if *erased {
            self.store.outbox.empty_log().context("the outbox's log cannot be emptied")?;
        }
        self.keep(std::mem::take(receipts))?;
        self.live.renew(lease.map(|(lease, _)| lease));
        Ok(())
    }

    /// What is stored enters the gallery, unless the same batch has replaced or removed it.
    fn learn(&self, commands: &[Command]) {
        for command in commands {
            if let Command::Put(put) = command
                && self
                    .core
                    .rows()
                    .get(&put.face_id)
                    .is_some_and(|row| row.seq == put.seq && row.epoch == put.epoch)
            {
                self.live.put(&put.face_id, &put.customer);
                self.tell(Notice::Learned { face_id: put.face_id.clone(), seq: put.seq });
            }
        }
    }

    /// The website does not trust what this edge holds: rows and gallery are what the store has.
    fn read_again(&mut self) -> Result<()> {
        if !self.unstored.is_empty() {
            // The store is behind what was ruled: its rows would bring back whom the gallery has forgotten.
            return Ok(());
        }
        let Opened { loaded, customers, own, .. } =
            self.store.cache.load(&self.identity.digest_key).context("the cache cannot be read")?;
        self.core.read_again(loaded.rows);
        self.live.clear();
        customers.iter().for_each(|(face_id, row)| self.live.put(face_id, &row.customer));
        own.iter().for_each(|(face_id, own)| self.live.put_own(face_id, &own.space, &own.embedding));
        Ok(())
    }

    /// Written receipts wait for the website. Where too many do, the oldest are lost, and that is said.
    pub(super) fn keep(&mut self, receipts: Vec<Receipt>) -> Result<()> {
        receipts.into_iter().for_each(|receipt| self.core.receipt(receipt));
        let lost = self.core.shed_receipts();
        if !lost.is_empty() {
            tracing::error!(
                receipts = lost.len(),
                "too many receipts of removals wait for the website: the oldest were lost"
            );
            self.store.outbox.lose_receipts(&lost).context("the outbox cannot be written")?;
            self.counters.lost_receipts += lost.len() as u64;
        }
        Ok(())
    }

    /// Asks the gallery for every removed face with the very vector it had.
    fn probe(&self, carried: &Carried) -> Vec<Receipt> {
        let removed_at = self.clock.wall();
        let probe = |(owed, face): &(crate::store::Owed, Option<_>)| {
            let probe = self.live.probe(&owed.key.face_id, face.as_ref());
            Receipt { key: owed.key.clone(), removed_at, probe }
        };
        carried.removed.iter().map(probe).collect()
    }
}
