//! The daemon's thread: the only one that writes to the store, the live gallery and the core. It takes what has come
//! in, lets the core rule, carries out what follows in the order that makes every kill harmless, and only then
//! acknowledges.

mod audit;
mod batch;
pub mod rest;
mod speech;
mod unstored;
mod vacuum;
mod visitors;

use crate::{
    clock::Clock,
    identity::Identity,
    input::{Input, Link},
    live::Live,
    memory::Memory,
    notice::Notice,
    presence::Presence,
    status::Status,
    store::{Cached, Opened, Owed, Store},
    sync::{Audit, Command, Core, Event},
};
use anyhow::{Context, Result};
use batch::{Batch, Progress};
use protocol::{Epoch, FaceId, Seq, StreamId, UnixMs, message::Start};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use vacuum::Vacuum;

/// How many inputs are carried out together at most.
const BATCH_MAX: usize = 1_024;
/// A head follows its change at once. A batch of a few inputs waits so long for it, and one flush then stores both; a
/// removed face has left the live gallery before.
const HEAD_FOLLOWS: Duration = Duration::from_millis(2);
/// A larger batch is of an edge that catches up, where the head comes last.
const FEW: usize = 8;

/// Everything the thread owns.
#[derive(Debug)]
pub struct Daemon {
    core: Core,
    store: Store,
    memory: Memory,
    clock: Arc<Clock>,
    identity: Arc<Identity>,
    start: Start,
    link: Option<Link>,
    reported_at: UnixMs,
    notices: broadcast::Sender<Notice>,
    status: watch::Sender<Status>,
    counters: Counters,
    /// What was ruled on and could not be stored yet, in order.
    unstored: VecDeque<Batch>,
    vacuum: Vacuum,
    audit: Audit,
}

#[derive(Debug, Default)]
struct Counters {
    refused: u64,
    lost_visits: u64,
    lost_receipts: u64,
    trouble: Option<String>,
    storage_trouble: Option<String>,
    not_stored: u64,
    cache_lost: Option<String>,
    read_back_at: Option<UnixMs>,
}

/// What a daemon is made of.
#[derive(Debug)]
pub struct Parts {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The open store.
    pub store: Store,
    /// What was in it.
    pub opened: Opened,
    /// Whom it recognises.
    pub live: Arc<Live>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Who is in the store.
    pub presence: Presence,
    /// Which start this is.
    pub start: Start,
    /// The number space of this start's visits.
    pub stream: StreamId,
    /// Where to tell what happens.
    pub notices: broadcast::Sender<Notice>,
}

impl Daemon {
    /// Fills the gallery from the store, finishes what a kill has kept back, and is ready.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn load(parts: Parts) -> Result<(Self, watch::Receiver<Status>)> {
        let Parts { identity, store, opened, live, clock, presence, start, stream, notices } = parts;
        let Opened { loaded, customers, own, owed, starts: _, lost_visits, lost_receipts, cache_lost } =
            opened;
        for (face_id, row) in &customers {
            live.put(face_id, &row.customer);
        }
        for (face_id, own) in &own {
            live.put_own(face_id, &own.space, &own.embedding);
        }
        let core = Core::load(loaded, stream, clock.now());
        live.renew(core.lease().map(|(lease, _)| lease), &core.standing());
        let counters = Counters { lost_visits, lost_receipts, cache_lost, ..Counters::default() };
        let first = speech::status(&identity, &core, live.len(), &counters, start.count, clock.now());
        let (status, watched) = watch::channel(first);
        let vacuum = Vacuum::begin(clock.now().ran);
        let mut daemon = Self {
            core,
            store,
            memory: Memory { live, presence },
            clock,
            identity,
            start,
            link: None,
            reported_at: UnixMs(0),
            notices,
            status,
            counters,
            unstored: VecDeque::new(),
            vacuum,
            audit: Audit::default(),
        };
        daemon.finish(owed)?;
        Ok((daemon, watched))
    }

    /// Finishes removals that are in the cache and whose receipt the website does not hold: a kill may have come before
    /// the logs were emptied, and a power cut before the outbox was on the disk. Their vectors are gone, so the probe can
    /// only ask whether the gallery, which was filled from what is left, has the face.
    fn finish(&mut self, owed: Vec<Owed>) -> Result<()> {
        let removed_at = self.clock.wall();
        if !owed.is_empty() {
            let commands = owed.iter().map(Owed::again).collect();
            let receipts = owed.into_iter().map(|owed| self.memory.receipt(owed, &[], removed_at)).collect();
            let after = (self.core.standing(), self.core.lease());
            let progress = Progress::Cached { erased: true, cached: Cached::Nothing, receipts };
            self.unstored.push_back(Batch { commands, after, progress, ..Batch::default() });
        }
        self.carry_out(Batch::default())
    }

    /// Takes in what comes until it is stopped, or nothing can come any more. While the disk is full or read-only it
    /// goes on, and tries again to store what came.
    ///
    /// # Errors
    /// When a file is damaged: what was not carried out was not acknowledged either, and comes again.
    pub fn run(mut self, mut inputs: mpsc::Receiver<Input>, stop: &CancellationToken) -> Result<()> {
        while let Some(first) = inputs.blocking_recv() {
            if stop.is_cancelled() {
                break;
            }
            let mut batch = Batch::default();
            self.take(first, &mut batch)?;
            while batch.inputs < BATCH_MAX
                && let Some(next) = self.another(&mut inputs, &batch)
            {
                self.take(next, &mut batch)?;
            }
            let idle = batch.is_idle();
            self.carry_out(batch)?;
            self.speak()?;
            if idle {
                self.flush()?;
                self.audit()?;
                self.vacuum_if_due();
            }
            self.tell_status();
        }
        self.vacuum_at_the_end();
        Ok(())
    }

    /// What has come, or will in a moment.
    fn another(&self, inputs: &mut mpsc::Receiver<Input>, batch: &Batch) -> Option<Input> {
        if let Ok(next) = inputs.try_recv() {
            return Some(next);
        }
        let changed = |command: &Command| matches!(command, Command::Put(_) | Command::Remove { .. });
        let unverified = self.core.rows().top() > self.core.rows().floor();
        let follows = unverified && batch.inputs <= FEW && batch.commands.iter().any(changed);
        let soon = async { timeout(HEAD_FOLLOWS, inputs.recv()).await.ok().flatten() };
        if follows { Handle::current().block_on(soon) } else { None }
    }

    fn take(&mut self, input: Input, batch: &mut Batch) -> Result<()> {
        batch.inputs += 1;
        match input {
            Input::Said { said, ack, link } => {
                let Identity { location, site_key, .. } = &*self.identity;
                match said.and_then(|heard| heard.proved(location, site_key)) {
                    Ok(event) => self.hear(event, batch)?,
                    Err(refusal) => {
                        self.counters.refused += 1;
                        tracing::warn!(%refusal, "a message was not taken in");
                    }
                }
                batch.acks.extend(ack.map(|ack| (ack, link)));
            }
            Input::Began(link) => {
                let number = link.number();
                self.unstored.iter_mut().for_each(|batch| batch.acks.retain(|(_, link)| *link == number));
                self.link = Some(link);
                self.counters.trouble = None;
                self.apply(Event::SessionBegan, batch);
                self.tell(Notice::Connected);
            }
            Input::Over { link, why } => {
                if self.link.as_ref().is_some_and(|ours| ours.number() == link) {
                    self.link = None;
                    self.tell(Notice::Disconnected);
                }
                self.counters.trouble = Some(why);
                self.apply(Event::SessionEnded, batch);
            }
            Input::Tick => self.apply(Event::Tick, batch),
            Input::Seen(sighting, asker) => {
                // The decision and its basis are on what is stored.
                let carried = std::mem::take(batch);
                self.carry_out(carried)?;
                let answer = self.see(sighting)?;
                if let Some(asker) = asker {
                    // Whoever asked may have gone.
                    let _ = asker.send(answer);
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: Event, batch: &mut Batch) -> Result<()> {
        self.hear_time(&event);
        let removal = event.removal().map(|(face_id, epoch, seq)| (face_id.clone(), epoch, seq));
        self.apply(event, batch);
        removal.map_or(Ok(()), |removal| self.ruled_on(removal))
    }

    /// A removal that was heard is ruled on. Where the rules have kept the face, the gallery gets it back: as the store
    /// has it, and where a newer one waits to be stored, that one comes after.
    fn ruled_on(&self, (face_id, epoch, seq): (FaceId, Epoch, Seq)) -> Result<()> {
        let lifted = self.memory.live.ruled_on(&face_id, epoch, seq);
        if !lifted || self.core.rows().get(&face_id).is_none() {
            return Ok(());
        }
        let stored = self.store.cache.customer(&self.identity.digest_key, &face_id);
        if let Some(row) = stored.context("the cache cannot be read")? {
            self.memory.live.put(&face_id, &row.customer);
        }
        Ok(())
    }

    /// A head that is newer than all before it tells what time it is.
    fn hear_time(&self, event: &Event) {
        if let Event::Head(head) = event
            && self.core.standing().issued_at < Some(head.issued_at)
        {
            self.clock.told(head.issued_at);
        }
    }

    /// What was stored since the last visit reaches the disk while nothing else is to be done.
    fn flush(&mut self) -> Result<()> {
        match self.store.outbox.flush().context("the outbox cannot be written") {
            Ok(()) => Ok(()),
            Err(error) => self.bear(error),
        }
    }

    fn apply(&mut self, event: Event, batch: &mut Batch) {
        let ruled = batch.commands.len();
        self.core.apply(event, self.clock.now(), &mut batch.commands);
        self.forget_at_once(&batch.commands[ruled..]);
    }

    fn tell(&self, notice: Notice) {
        // Nobody has to listen.
        let _ = self.notices.send(notice);
    }
}

#[cfg(test)]
#[path = "heard_tests.rs"]
mod heard_tests;
