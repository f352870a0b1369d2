//! The daemon: a task and a thread between what comes in and the disk.
//!
//! The *rules task* ([`rules::Rules`]) owns the core and is the only one that writes to the live gallery. It rules on what comes in, one
//! input after the other, and waits for no disk: a removed face has left the gallery when the next input is taken, and a
//! sighting is answered from the gallery as it is. What it has ruled gathers in a batch. It is a task beside the session's and no thread
//! of its own, because it never blocks, and waking a thread takes longer than everything it does with a removal.
//!
//! The *storage thread* ([`storage::Storage`]) owns the files. It carries out the steps of one batch ([`plan`]) while the next one
//! gathers; then the rules task learns what was stored, acknowledges, and says what may be said.

pub mod batch;
mod conclude;
mod disk_full;
pub mod plan;
mod read_back;
pub mod rest;
pub mod rules;
mod send;
pub mod storage;
mod vacuum;
mod visits;

pub(crate) use rules::INPUTS_MAX;
pub use visits::{Asker, Seen};

use crate::{
    clock::Clock,
    identity::Identity,
    live::Live,
    memory::Memory,
    notice::Notice,
    presence::Presence,
    status::Status,
    store::{Opened, Owed, Store},
    sync::{Audit, Command, Core},
};
use batch::{After, Batch, Pending};
use plan::{OnDisk, plan_of_start};
use protocol::{StreamId, UnixMs, message::Start};
use rules::Rules;
use std::{collections::VecDeque, sync::Arc};
use storage::{Request, Storage};
use tokio::sync::{broadcast, mpsc, watch};
use vacuum::Vacuum;

/// What the storage thread answers at once at most: what it has done, and before it that the disk is full.
const DONE_MAX: usize = 4;

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

/// Fills the gallery from what was stored, and makes the two halves: one to be run as a task, one on a thread of its own. What a kill has
/// kept back is stored first.
pub fn load(parts: Parts) -> (Rules, Storage, watch::Receiver<Status>) {
    let Parts { identity, store, opened, live, clock, presence, start, stream, notices } = parts;
    let Opened { loaded, customers, own, owed, starts: _, lost_visits, lost_receipts, cache_lost } = opened;
    for (face_id, row) in &customers {
        live.put(face_id, &row.customer);
    }
    for (face_id, own) in &own {
        live.put_own(face_id, &own.space, &own.embedding);
    }
    let now = clock.now();
    let core = Core::load(loaded, stream, now);
    live.renew(core.lease().map(|(lease, _)| lease));
    let claim = core.claim(now);
    let after = After { standing: core.standing(), lease: core.lease(), claim };
    let on_disk = OnDisk { standing: store.outbox.standing(), lease: store.cache.lease() };
    let (commands, visits) = (owed.iter().map(Owed::again).collect::<Vec<Command>>(), Vec::new());
    let first = Batch { number: 0, inputs: 0, commands, visits, after };
    let mut steps = plan_of_start(&first, &on_disk);
    let on_disk = on_disk.after(&steps, &first);
    steps.retain(|step| step.is_on_disk());
    let counters = Counters { lost_visits, lost_receipts, cache_lost, ..Counters::default() };
    let status = send::status(&identity, &core, &claim, live.len(), &counters, start.count, now);
    let (status, watched) = watch::channel(status);
    // One request at a time, and the first is made here.
    let (requests, asked) = mpsc::channel(1);
    let (done, finished) = mpsc::channel(DONE_MAX);
    let storage = Storage {
        store,
        live: live.clone(),
        clock: clock.clone(),
        identity: identity.clone(),
        vacuum: Vacuum::begin(now.ran),
        requests: asked,
        done,
    };
    let mut rules = Rules {
        core,
        memory: Memory::new(live, presence),
        clock,
        identity,
        start,
        link: None,
        reported_at: UnixMs(0),
        notices,
        status,
        counters,
        pending: Pending::begin(1),
        changed_at: None,
        acks: VecDeque::new(),
        answers: Vec::new(),
        unstored_visits: 0,
        requests,
        done: finished,
        busy: false,
        on_disk,
        stored: claim,
        may_report: false,
        reads_again: false,
        ruled: 0,
        read_back: None,
        audit: Audit::default(),
        erased_since_asked: None,
    };
    rules.ask(Request::Store { batch: Box::new(first), steps, owed });
    (rules, storage, watched)
}

#[cfg(test)]
#[path = "lagging_tests.rs"]
mod lagging_tests;
#[cfg(test)]
mod scene;
