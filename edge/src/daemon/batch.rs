//! Carrying out: gallery, files, probe, receipts, acknowledgements, in the order that makes every kill harmless.

use super::Daemon;
use crate::{
    notice::Notice,
    store::{Cached, Opened},
    sync::{Command, Lease, Standing},
};
use anyhow::{Context, Result, anyhow};
use protocol::message::{EnrolPolicy, Receipt};
use rumqttc::ManualAck;
use std::{thread, time::Instant};

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
    Cached { erased: bool, cached: Cached, receipts: Vec<Receipt> },
}

impl Batch {
    /// Whether nothing has come but time.
    pub(super) fn is_idle(&self) -> bool {
        self.inputs == 1 && self.commands.is_empty() && self.acks.is_empty()
    }
}

impl Daemon {
    /// What must be forgotten leaves the live gallery before anything else happens. Whoever heard of a removal has told
    /// it already.
    pub(super) fn forget_at_once(&mut self, ruled: &[Command]) {
        for command in ruled {
            if let Some((face_id, seq)) = self.memory.forget(command)
                && !self.memory.live.has_heard(face_id)
            {
                let face_id = face_id.clone();
                self.tell(Notice::Forgotten { face_id, seq, at: Instant::now() });
            }
        }
    }

    /// Commits what was ruled, then lets the gallery know it, empties the logs after an erasure while the gallery is
    /// probed, writes the receipts, and acknowledges. What cannot be stored now waits here, and whatever comes after it
    /// behind it.
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
        let renewed = batch.after.1.map(|(lease, _)| lease) != self.memory.live.lease();
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
        match batch.progress {
            Progress::Nothing => self.commit_to_cache(batch)?,
            // The last attempt came to here and no further.
            Progress::Cached { erased: true, .. } => self.empty_cache_log()?,
            Progress::Cached { erased: false, .. } => {}
        }
        let Batch { commands, after: (standing, lease), progress, .. } = batch;
        let Progress::Cached { erased, cached, receipts } = progress else { return Ok(()) };
        let written = self.store.outbox.carry_out(commands, receipts, standing, *cached);
        written.context("the outbox cannot be written")?;
        if *erased {
            self.vacuum.erased(self.clock.now().ran);
            self.store.outbox.empty_log().context("the outbox's log cannot be emptied")?;
        }
        self.keep(std::mem::take(receipts))?;
        self.memory.live.renew(lease.map(|(lease, _)| lease), standing);
        Ok(())
    }

    /// The cache is written and its log emptied. Meanwhile, on a thread of its own, the gallery is asked for every removed
    /// face with the very vector it had: it has forgotten them already, and neither has to wait for the other.
    fn commit_to_cache(&mut self, batch: &mut Batch) -> Result<()> {
        let cannot = "the cache cannot be written";
        let Batch { commands, after: (standing, lease), progress, .. } = batch;
        let asked = self.store.cache.to_be_removed(commands).context("the cache cannot be read")?;
        let live = self.memory.live.clone();
        if standing.epoch != self.store.outbox.standing().epoch {
            // The cache will tell of the new epoch only, and then the outbox alone has to tell of the old one.
            self.store.outbox.flush().context("the outbox cannot be written")?;
        }
        thread::scope(|scope| {
            let asking = (!asked.is_empty()).then(|| scope.spawn(|| live.still_found(&asked)));
            let carried = self.store.cache.carry_out(commands, standing, *lease).context(cannot)?;
            self.learn(commands);
            crash_point::reach("edge_cache_committed");
            let emptied = if carried.erased { self.empty_cache_log() } else { Ok(()) };
            let found = asking.map_or(Ok(Vec::new()), |asking| asking.join());
            let found = found.map_err(|_| anyhow!("the gallery could not be asked for a removed face"))?;
            let removed_at = self.clock.wall();
            let receipt = |owed| self.memory.receipt(owed, &found, removed_at);
            let receipts = carried.removed.into_iter().map(receipt).collect();
            *progress = Progress::Cached { erased: carried.erased, cached: carried.cached, receipts };
            emptied
        })
    }

    fn empty_cache_log(&mut self) -> Result<()> {
        self.store.cache.empty_log().context("the cache's log cannot be emptied")?;
        crash_point::reach("edge_log_emptied");
        Ok(())
    }

    fn learn(&self, commands: &[Command]) {
        for put in commands.iter().filter_map(|command| self.memory.learn(command, self.core.rows())) {
            self.tell(Notice::Learned { face_id: put.face_id.clone(), seq: put.seq });
        }
    }

    /// What this edge holds is not trusted, by the website or by its own audit: rows and gallery are what the store has.
    pub(super) fn read_again(&mut self) -> Result<()> {
        if !self.unstored.is_empty() {
            // The store is behind what was ruled: its rows would bring back whom the gallery has forgotten.
            return Ok(());
        }
        let Opened { loaded, customers, own, .. } =
            self.store.cache.load(&self.identity.digest_key).context("the cache cannot be read")?;
        self.core.read_again(loaded.rows);
        let live = &self.memory.live;
        live.clear();
        customers.iter().for_each(|(face_id, row)| live.put(face_id, &row.customer));
        own.iter().for_each(|(face_id, own)| live.put_own(face_id, &own.space, &own.embedding));
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
            self.store.cache.lose_receipts(&lost).context("the cache cannot be written")?;
            self.counters.lost_receipts += lost.len() as u64;
        }
        Ok(())
    }
}
