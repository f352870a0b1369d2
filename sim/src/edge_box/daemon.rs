//! The daemon of a box, while it runs.

use super::{Did, disk::Disk};
use crate::{letter::Up, people};
use edge::{
    Space, Thresholds,
    clock::WallClock,
    live::Live,
    memory::Memory,
    presence::Presence,
    store::{Cached, Owed},
    sync::{Command, Core, Now, Ran, Teller},
};
use protocol::{
    Round, StreamId, UnixMs,
    message::{Probe, Receipt, Start},
};
use std::sync::Arc;

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
    /// Letters taken in and not acknowledged.
    pub unacknowledged: Vec<u64>,
    /// Whether a commit is on its way.
    pub commit_due: bool,
    pub(super) clock: WallClock,
    pub(super) started_at: i64,
    pub(super) stream: StreamId,
    pub(super) ruled: Vec<Command>,
    pub(super) asked_round: Option<Round>,
    pub(super) rounds: u32,
}

impl Daemon {
    /// Starts from a disk, at `at` by the world's clock and `system` by the box's. Receipts that a kill has kept back are
    /// written.
    pub(super) fn start(
        disk: &mut Disk,
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
        let mut daemon = Self {
            core: Core::load(disk.load(), stream, now),
            memory: Memory { live: Arc::new(Live::new(space)), presence },
            start,
            unacknowledged: vec![],
            commit_due: false,
            clock,
            started_at: at,
            stream,
            ruled: vec![],
            asked_round: None,
            rounds: 0,
        };
        let live = &daemon.memory.live;
        disk.cache.rows.iter().for_each(|(face_id, (_, _, customer))| live.put(face_id, customer));
        disk.cache.own.iter().for_each(|(face_id, own)| live.put_own(face_id, &own.space, &own.embedding));
        live.renew(daemon.core.lease().map(|(lease, _)| lease), &daemon.core.standing());
        let owed = disk.cache.removals.clone();
        let again: Vec<Command> = owed.iter().map(Owed::again).collect();
        let late = owed.into_iter().map(|owed| daemon.memory.receipt(owed, &[], now.wall));
        let receipts: Vec<Receipt> = late.collect();
        disk.carry_out_in_outbox(&again, &receipts, &daemon.core.standing(), Cached::Nothing);
        receipts.into_iter().for_each(|receipt| daemon.core.receipt(receipt));
        daemon
    }

    /// Now, by both clocks.
    pub fn now(&mut self, system: UnixMs, at: i64) -> Now {
        let ran = Ran(at - self.started_at);
        Now { wall: self.clock.at(system, ran), ran }
    }

    pub(super) fn forget_at_once(&mut self, ruled: &[Command]) {
        for command in ruled {
            self.memory.forget(command);
        }
    }

    pub(super) fn learn(&self, commands: &[Command]) {
        for command in commands {
            self.memory.learn(command, self.core.rows());
        }
    }

    /// Says that everything ruled is done, though it is only in memory.
    pub(super) fn boast(&mut self, now: Now, did: &mut Did) {
        let removed = |command: &Command| match command {
            Command::Remove { key, .. } => Some(key.clone()),
            _ => None,
        };
        let removals: Vec<_> = self.ruled.iter().filter_map(removed).collect();
        for key in removals {
            self.core.receipt(Receipt { key, removed_at: now.wall, probe: Probe::Gone });
        }
        if self.core.report(now) {
            did.says.extend(self.reports(now));
        }
        did.acknowledged.append(&mut self.unacknowledged);
    }

    /// What it would report.
    pub fn reports(&self, now: Now) -> Vec<Up> {
        let space = self.memory.live.space().id.clone();
        let teller = Teller { start: self.start, space, refused: 0 };
        self.core.applied(&teller, UnixMs(now.ran.0), now).into_iter().map(Up::Applied).collect()
    }
}
