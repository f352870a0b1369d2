//! An edge: the real core, gallery, clock and stays over a disk in memory. What it rules is stored by the real plan, and it can be
//! killed between any two of its steps, and rule on what comes meanwhile.

pub mod daemon;
pub mod disk;
mod hearing;
mod seeing;
mod storing;

pub use seeing::Saw;

use crate::{
    dice::Dice,
    letter::Up,
    rules::{Rule, Rules},
};
use daemon::Daemon;
use disk::Disk;
use edge::sync::{Command, Event, Fate, Ran};
use protocol::{
    Epoch, FaceId, Nonce, Seq, StreamId, UnixMs,
    message::{Start, Visit},
};
use std::collections::BTreeMap;

/// One box in the store.
#[derive(Debug)]
pub struct EdgeBox {
    /// Its number.
    pub index: usize,
    /// How many boxes have been here before: each has a key of its own.
    pub generation: u32,
    /// Its model.
    pub model: usize,
    /// What survives a kill.
    pub disk: Disk,
    /// How many visits wait in it at most.
    pub visits_max: usize,
    /// How wrong its system's clock is.
    pub clock_off_ms: i64,
    /// The daemon, while it runs.
    pub daemon: Option<Daemon>,
    /// Goes up with every start and every end of the daemon.
    pub life: u64,
    /// The nonces of all its starts.
    pub nonces: Vec<Nonce>,
    /// Those of starts whose disk is not this one any more.
    pub dead: Vec<Nonce>,
    /// The highest seq applied of each face in each epoch, since the rows were last lost.
    pub highest: BTreeMap<(Epoch, FaceId), Seq>,
    rules: Rules,
}

/// What an edge did in one step.
#[derive(Debug, Default)]
pub struct Did {
    /// Letters acknowledged.
    pub acknowledged: Vec<u64>,
    /// What it says, in order.
    pub says: Vec<Up>,
    /// Sightings written to the outbox.
    pub counted: Vec<i64>,
    /// Sightings that had to go because too many waited.
    pub lost: Vec<i64>,
    /// What was wrong with it.
    pub wrong: Vec<String>,
    /// The power went.
    pub killed: bool,
    /// It gave its rows up.
    pub gave_up: bool,
    /// Whether its gallery may be another one than before.
    pub changed: bool,
}

/// How a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// By itself: what it has committed stays.
    Process,
    /// With the machine: what it has not flushed goes.
    Power,
}

impl EdgeBox {
    /// A box that has joined and never started.
    pub fn new(index: usize, model: usize, visits_max: usize, rules: Rules) -> Self {
        let (disk, nonces, dead, highest) = Default::default();
        Self {
            index,
            generation: 0,
            model,
            disk,
            visits_max,
            clock_off_ms: 0,
            daemon: None,
            life: 0,
            nonces,
            dead,
            highest,
            rules,
        }
    }

    /// Starts the daemon.
    pub fn start(&mut self, at: i64, dice: &mut Dice) {
        self.life += 1;
        self.disk.outbox.starts += 1;
        self.disk.flush_outbox();
        let nonce = Nonce(dice.number());
        self.nonces.push(nonce);
        let fresh = StreamId(dice.number());
        let stream = if self.rules.lack(Rule::StreamPerStart) { StreamId(1) } else { fresh };
        let (start, system) = (Start { count: self.disk.outbox.starts, nonce }, self.system(at));
        let mut daemon = Daemon::start(&self.disk, self.model, start, stream, at, system);
        daemon.core.bound_visits(self.visits_max);
        self.daemon = Some(daemon);
    }

    /// The daemon is killed, or the power goes: whatever was not committed is gone, or not on the disk.
    pub fn kill(&mut self, how: Kill) {
        self.life += 1;
        if how == Kill::Power {
            self.disk.lose_power();
        }
        self.daemon = None;
    }

    /// What the system's clock says.
    pub fn system(&self, at: i64) -> UnixMs {
        UnixMs(at + self.clock_off_ms)
    }

    /// Takes in an event; what follows from it is stored by [`EdgeBox::store`]. Answers with the number of its batch.
    pub fn apply(&mut self, event: Event, at: i64, did: &mut Did) -> u64 {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return 0 };
        if let Event::Head(head) = &event
            && daemon.core.standing().issued_at < Some(head.issued_at)
        {
            daemon.clock.told(head.issued_at, system, Ran(at - daemon.started_at));
        }
        let now = daemon.now(system, at);
        let mut ruled = Vec::new();
        daemon.core.apply(event, now, &mut ruled);
        if self.rules.lack(Rule::ProvisionalEnd) {
            ruled.retain(|command| {
                !matches!(command, Command::EndProvisional(_, Fate::Nobody | Fate::Declined))
            });
        }
        if self.rules.lack(Rule::Unsettle) {
            ruled.retain(|command| *command != Command::Unsettle);
        }
        did.changed |= !ruled.is_empty();
        let number = daemon.rule(ruled, now);
        if self.rules.lack(Rule::CommitFirst) {
            // Receipts and reports go out for what is only in memory.
            daemon.boast(now, did);
        }
        number
    }

    /// Says what is due: a report of what is stored, and visits.
    pub fn speak(&mut self, at: i64, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
        let now = daemon.now(system, at);
        if let Some(claim) = daemon.stored
            && daemon.core.report(&claim, now)
        {
            did.says.extend(daemon.reports(&claim, now));
        }
        if daemon.storing.is_some() || daemon.pending.visits() > 0 {
            return;
        }
        for (key, first_unsettled) in daemon.core.visits_to_send(now) {
            let stored = self.disk.outbox.visits.iter().find(|(visit, _)| visit.key == key);
            let Some((visit, _)) = stored else { continue };
            did.says.push(Up::Visit(Visit {
                stream: key.stream,
                n: key.n,
                first_unsettled,
                at: visit.at,
                sent_at: now.wall,
                seen: visit.seen.clone(),
                basis: visit.basis,
            }));
        }
    }
}
