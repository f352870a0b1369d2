//! The storage thread: the only one that touches the files. It carries out the steps of one batch after the other, and what
//! takes long and need not hurry; whatever the disk does meanwhile, the rules task goes on.

use super::{batch::Batch, disk_full, plan::Step, vacuum::Vacuum};
use crate::{
    clock::Clock,
    identity::Identity,
    live::Live,
    store::{CountedVisit, Opened, Owed, Store, StoredVisit},
    sync::{Row, Slice, VisitKey},
};
use anyhow::{Context, Result, anyhow};
use protocol::{FaceId, message::Receipt};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Retry interval while the disk is full or read-only.
const RETRY: Duration = Duration::from_millis(200);
/// At every idle tick so many rows are read back: a millisecond or two, and 100,000 rows in five minutes.
const SLICE: usize = 64;

/// What the rules task asks for. It asks for one thing at a time.
#[derive(Debug)]
pub(super) enum Request {
    /// A batch is to be stored by these steps. Receipts of the removals in `owed` are still to be written.
    Store { batch: Box<Batch>, steps: Vec<Step>, owed: Vec<Owed> },
    /// These visits are to be sent, each with the first unsettled number of its stream.
    ReadVisits(Vec<(VisitKey, u64)>),
    /// The rows are not trusted.
    ReadAgain,
    /// Nothing else is to be done.
    Idle(ReadBack),
}

/// Whether rows are to be read back from the disk.
#[derive(Debug)]
pub(super) enum ReadBack {
    /// Those that follow this id, or the first.
    After(Option<FaceId>),
    /// Not now.
    NotDue,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The batch is stored.
    Stored { batch: Batch, receipts: Vec<Receipt>, wrote: Wrote },
    /// The disk is full or read-only. The batch goes on when it can; these visits, the newest first, will not be stored.
    DiskFull { why: String, visits: Vec<CountedVisit> },
    /// The visits that are still there.
    Visits(Vec<(StoredVisit, u64)>),
    /// The rows as they are on the disk, and a gallery of them and of the edge's own faces.
    ReadAgain { rows: BTreeMap<FaceId, Row>, gallery: Live },
    /// The idle work is done; rows that were read back.
    Idle(Option<Slice>),
}

/// Whether the disk was seen to take anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    Something,
    Nothing,
}

/// Everything the thread owns.
#[derive(Debug)]
pub struct Storage {
    pub(super) store: Store,
    pub(super) live: Arc<Live>,
    pub(super) clock: Arc<Clock>,
    pub(super) identity: Arc<Identity>,
    pub(super) vacuum: Vacuum,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) done: mpsc::Sender<Done>,
}

/// How far a batch has come.
struct Progress {
    batch: Batch,
    steps: VecDeque<Step>,
    /// Removals whose receipts are to be written.
    owed: Vec<Owed>,
    probe: Option<JoinHandle<Vec<FaceId>>>,
    receipts: Vec<Receipt>,
    wrote: Wrote,
}

impl Storage {
    /// Does what it is asked for until nobody can ask any more; when `stop` comes while the disk is full, it ends as well.
    ///
    /// # Errors
    /// When a file is damaged: what was not stored was not acknowledged either, and comes again.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        while let Some(request) = self.requests.blocking_recv() {
            let Some(done) = self.serve(request, stop)? else { return Ok(()) };
            if self.done.blocking_send(done).is_err() {
                break;
            }
        }
        self.vacuum_at_the_end();
        Ok(())
    }

    /// `None` when it was stopped before it could be done.
    pub(super) fn serve(&mut self, request: Request, stop: &CancellationToken) -> Result<Option<Done>> {
        Ok(match request {
            Request::Store { batch, steps, owed } => {
                let wrote = Wrote::Nothing;
                let (probe, receipts) = (None, Vec::new());
                let progress = Progress { batch: *batch, steps: steps.into(), owed, probe, receipts, wrote };
                self.store(progress, stop)?
            }
            Request::ReadVisits(due) => Some(self.read_visits(&due)?),
            Request::ReadAgain => loop {
                match self.read_again() {
                    Ok(done) => break Some(done),
                    Err(error) => self.disk_full(error, Vec::new())?,
                }
                if stopped_while_waiting(stop) {
                    break None;
                }
            },
            Request::Idle(read_back) => Some(self.idle(&read_back)?),
        })
    }

    /// Carries out the steps. What cannot be stored now waits here, and whatever comes after it behind it; but a visit does
    /// not wait for a full disk, because somebody waits for what has become of it.
    fn store(&mut self, mut progress: Progress, stop: &CancellationToken) -> Result<Option<Done>> {
        let counts = !progress.batch.commands.is_empty() || !progress.batch.visits.is_empty();
        let reach = |point| {
            if counts {
                crash_point::reach(point)
            }
        };
        reach("edge_ruled_before_stored");
        while let Some(step) = progress.steps.front().copied() {
            match self.make(step, &mut progress) {
                Ok(()) => {
                    progress.steps.pop_front();
                    progress.wrote = Wrote::Something;
                    step.point().into_iter().for_each(reach);
                }
                Err(error) => {
                    let visits = progress.give_up_visits();
                    self.disk_full(error, visits)?;
                    if !progress.steps.is_empty() && stopped_while_waiting(stop) {
                        return Ok(None);
                    }
                    progress.wrote = Wrote::Nothing;
                }
            }
        }
        let Progress { batch, receipts, wrote, .. } = progress;
        Ok(Some(Done::Stored { batch, receipts, wrote }))
    }

    fn make(&mut self, step: Step, progress: &mut Progress) -> Result<()> {
        let (no_cache, no_outbox) = ("the cache cannot be written", "the outbox cannot be written");
        let Store { cache, outbox } = &mut self.store;
        let commands = &progress.batch.commands;
        let after = &progress.batch.after;
        match step {
            Step::FlushOutbox => outbox.flush().context(no_outbox),
            Step::Probe => {
                let asked = cache.to_be_removed(commands).context("the cache cannot be read")?;
                let live = self.live.clone();
                progress.probe = (!asked.is_empty()).then(|| thread::spawn(move || live.still_found(&asked)));
                Ok(())
            }
            Step::WriteCache(flush) => {
                progress.owed =
                    cache.write(commands, &after.standing, after.lease, flush).context(no_cache)?;
                Ok(())
            }
            Step::EmptyCacheLog => cache.empty_log().context("the cache's log cannot be emptied"),
            Step::WriteOutbox(flush) => {
                self.write_receipts(progress)?;
                let Progress { batch, receipts, .. } = progress;
                let (commands, standing) = (&batch.commands, &batch.after.standing);
                self.store.outbox.write(commands, receipts, standing, flush).context(no_outbox)
            }
            Step::EmptyOutboxLog => {
                self.vacuum.erased(self.clock.now().ran);
                outbox.empty_log().context("the outbox's log cannot be emptied")
            }
            Step::StoreVisits => outbox.add(&progress.batch.visits).context("the visit cannot be written"),
            Step::StoreFaces => {
                cache.mint(progress.batch.visits.iter().filter_map(CountedVisit::face)).context(no_cache)
            }
            Step::KeepReceipts | Step::Learn | Step::Renew | Step::Acknowledge | Step::Send => Ok(()),
        }
    }

    /// The gallery has answered by now, or is waited for.
    fn write_receipts(&self, progress: &mut Progress) -> Result<()> {
        let found = progress.probe.take().map_or(Ok(Vec::new()), JoinHandle::join);
        let found = found.map_err(|_| anyhow!("the gallery could not be asked for a removed face"))?;
        let removed_at = self.clock.wall();
        let receipt = |owed| self.live.receipt(owed, &found, removed_at);
        progress.receipts.extend(std::mem::take(&mut progress.owed).into_iter().map(receipt));
        Ok(())
    }

    fn read_visits(&self, due: &[(VisitKey, u64)]) -> Result<Done> {
        let read = due.iter().filter_map(|(key, first_unsettled)| {
            let visit = self.store.outbox.visit(*key).context("the outbox cannot be read").transpose()?;
            Some(visit.map(|visit| (visit, *first_unsettled)))
        });
        Ok(Done::Visits(read.collect::<Result<_>>()?))
    }

    fn read_again(&mut self) -> Result<Done> {
        let gallery = Live::new(self.live.space().clone());
        let mut know = |face_id, row: crate::store::StoredRow| gallery.put(&face_id, &row.customer);
        let read = self.store.cache.load_each(&self.identity.digest_key, &mut know);
        let Opened { loaded, own, .. } = read.context("the cache cannot be read")?;
        own.iter().for_each(|(face_id, own)| gallery.put_own(face_id, &own.space, &own.embedding));
        Ok(Done::ReadAgain { rows: loaded.rows, gallery })
    }

    /// What was stored since the last visit is flushed, some rows are read back, and the cache is written anew if that is due.
    fn idle(&mut self, read_back: &ReadBack) -> Result<Done> {
        if let Err(error) = self.store.outbox.flush().context("the outbox cannot be written") {
            self.disk_full(error, Vec::new())?;
            return Ok(Done::Idle(None));
        }
        let slice = match read_back {
            ReadBack::NotDue => None,
            ReadBack::After(after) => {
                let (key, live) = (&self.identity.digest_key, &self.live);
                let agrees = |face_id: &FaceId, row: &_| live.agrees(face_id, row);
                let read = self.store.cache.read_back(key, after.as_ref(), SLICE, &agrees);
                match read.context("the cache cannot be read") {
                    Ok(slice) => Some(slice),
                    Err(error) => {
                        self.disk_full(error, Vec::new())?;
                        None
                    }
                }
            }
        };
        self.vacuum_if_due();
        Ok(Done::Idle(slice))
    }

    /// Tells the rules task that the disk is full or read-only; any other error is given back.
    fn disk_full(&self, error: anyhow::Error, visits: Vec<CountedVisit>) -> Result<()> {
        let why = disk_full::retry_when_disk_full(error)?;
        // Nobody listens any more when the edge ends.
        let _ = self.done.blocking_send(Done::DiskFull { why, visits });
        Ok(())
    }
}

impl Progress {
    /// Takes out the visits, the newest first, unless they are stored. Those of which only the face could not be stored stay:
    /// they propose it all the same, and until it comes back as a customer it is not recognised.
    fn give_up_visits(&mut self) -> Vec<CountedVisit> {
        let unstored = self.steps.contains(&Step::StoreVisits);
        self.steps.retain(|step| !matches!(step, Step::StoreVisits | Step::StoreFaces));
        let visits = &mut self.batch.visits;
        if unstored {
            return std::mem::take(visits).into_iter().rev().collect();
        }
        visits.iter_mut().for_each(|visit| visit.own = None);
        Vec::new()
    }
}

fn stopped_while_waiting(stop: &CancellationToken) -> bool {
    thread::sleep(RETRY);
    stop.is_cancelled()
}
