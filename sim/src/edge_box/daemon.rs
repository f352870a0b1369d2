//! The daemon of a box, while it runs.

use super::{Did, disk::Disk};
use crate::{letter::Up, people};
use edge::{
    Space, Thresholds,
    clock::WallClock,
    daemon::{
        batch::{After, Batch, Pending},
        plan::{OnDisk, Step, plan_of_start},
    },
    live::Live,
    memory::Memory,
    presence::Presence,
    store::Owed,
    sync::{Claim, Command, Core, Now, Ran, ReportContext},
};
use protocol::{
    FaceId, Round, StreamId, UnixMs,
    message::{Probe, Receipt, Start},
};
use std::{collections::VecDeque, sync::Arc};

/// A stay ends so long after the last sighting.
const AWAY_MS: i64 = 20_000;

/// What runs.
#[derive(Debug)]
pub struct Daemon {
    /// The rules.
    pub core: Core,
    /// Whom it recognises, and who is there.
    pub memory: Memory,
    /// This start.
    pub start: Start,
    /// Letters taken in and not acknowledged, each with the batch that has to be stored before.
    pub unacknowledged: Vec<(u64, u64)>,
    /// Whether the storage thread is about to go on.
    pub storing_due: bool,
    pub(super) clock: WallClock,
    pub(super) started_at: i64,
    pub(super) stream: StreamId,
    /// What was ruled and not handed on.
    pub(super) pending: Pending,
    /// What is being stored.
    pub(super) storing: Option<Storing>,
    /// What the files will hold then.
    pub(super) on_disk: OnDisk,
    /// How the rows stood after the last batch that was stored; nothing is reported before the first.
    pub(super) stored: Option<Claim>,
    pub(super) asked_round: Option<Round>,
    pub(super) rounds: u32,
}

/// A batch on its way to the disk, and what it has brought so far.
#[derive(Debug)]
pub(super) struct Storing {
    pub(super) batch: Batch,
    pub(super) steps: VecDeque<Step>,
    pub(super) owed: Vec<Owed>,
    pub(super) found: Vec<FaceId>,
    pub(super) receipts: Vec<Receipt>,
}

impl Storing {
    pub(super) fn begin(batch: Batch, steps: Vec<Step>, owed: Vec<Owed>) -> Self {
        Self { batch, steps: steps.into(), owed, found: vec![], receipts: vec![] }
    }
}

impl Daemon {
    /// Starts from a disk, at `at` by the world's clock and `system` by the box's. What a kill has kept back is the first
    /// to be stored.
    pub(super) fn start(
        disk: &Disk,
        model: usize,
        start: Start,
        stream: StreamId,
        at: i64,
        system: UnixMs,
    ) -> Self {
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let space = Space { id: people::space(model), dimension: people::DIMENSIONS[model], thresholds };
        let mut clock = WallClock::start(disk.standing().earliest(), system);
        let now = Now { wall: clock.at(system, Ran(0)), ran: Ran(0) };
        let presence = Presence::new(AWAY_MS, thresholds.matches);
        let core = Core::load(disk.load(), stream, now);
        let live = Live::new(space);
        disk.cache.rows.iter().for_each(|(face_id, (_, _, customer))| live.put(face_id, customer));
        disk.cache.own.iter().for_each(|(face_id, own)| live.put_own(face_id, &own.space, &own.embedding));
        live.renew(core.lease().map(|(lease, _)| lease));
        let owed = disk.cache.removals.clone();
        let after = After { standing: core.standing(), lease: core.lease(), claim: core.claim(now) };
        let commands = owed.iter().map(Owed::again).collect();
        let first = Batch { number: 0, inputs: 0, commands, visits: vec![], after };
        let steps = plan_of_start(&first, &disk.state());
        Self {
            core,
            memory: Memory::new(Arc::new(live), presence),
            start,
            unacknowledged: vec![],
            storing_due: false,
            clock,
            started_at: at,
            stream,
            pending: Pending::begin(1),
            on_disk: disk.state().after(&steps, &first),
            storing: Some(Storing::begin(first, steps, owed)),
            stored: None,
            asked_round: None,
            rounds: 0,
        }
    }

    /// Where the rules stand.
    pub(super) fn after(&self, now: Now) -> After {
        After { standing: self.core.standing(), lease: self.core.lease(), claim: self.core.claim(now) }
    }

    /// Whether anything is to be stored, or to be concluded.
    pub fn has_work(&self) -> bool {
        self.storing.is_some() || !self.pending.is_empty()
    }

    /// Now, by both clocks.
    pub fn now(&mut self, system: UnixMs, at: i64) -> Now {
        let ran = Ran(at - self.started_at);
        Now { wall: self.clock.at(system, ran), ran }
    }

    /// What must be forgotten is forgotten at once; the rest waits to be stored. Answers with the number of its batch.
    pub(super) fn rule(&mut self, commands: Vec<Command>, now: Now) -> u64 {
        for command in &commands {
            self.memory.forget(command);
        }
        if self.core.lease().is_none() {
            self.memory.live.renew(None);
        }
        let after = self.after(now);
        self.pending.rule(commands, after)
    }

    /// Says that everything ruled is done, though it is only in memory.
    pub(super) fn boast(&mut self, now: Now, did: &mut Did) {
        let removed = |command: &Command| match command {
            Command::Remove { key, .. } => Some(key.clone()),
            _ => None,
        };
        let removals: Vec<_> = self.pending.commands().filter_map(removed).collect();
        for key in removals {
            self.core.receipt(Receipt { key, removed_at: now.wall, probe: Probe::Gone });
        }
        let claim = self.core.claim(now);
        if self.core.report(&claim, now) {
            did.says.extend(self.reports(&claim, now));
        }
        did.acknowledged.extend(self.unacknowledged.drain(..).map(|(_, letter)| letter));
    }

    /// What it would report.
    pub fn reports(&self, claim: &Claim, now: Now) -> Vec<Up> {
        let space = self.memory.live.space().id.clone();
        let context = ReportContext { start: self.start, space, refused: 0 };
        self.core.applied(claim, &context, UnixMs(now.ran.0), now).into_iter().map(Up::Applied).collect()
    }
}
