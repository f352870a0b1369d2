//! An edge: the real core, gallery, clock and stays over a disk in memory. The order of effects is that of the real
//! daemon, and it can be killed between any two of them.

pub mod daemon;
pub mod disk;
mod hearing;
mod seeing;

pub use seeing::Saw;

use crate::{
    dice::Dice,
    letter::Up,
    rules::{Rule, Rules},
};
use daemon::Daemon;
use disk::{Carried, Disk};
use edge::sync::{Command, Event, Fate, Ran, Standing};
use protocol::{
    Epoch, FaceId, Nonce, Seq, StreamId, UnixMs,
    message::{Receipt, Report, Start, Visit},
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
        self.disk.flush();
        let nonce = Nonce(dice.number());
        self.nonces.push(nonce);
        let fresh = StreamId(dice.number());
        let stream = if self.rules.lack(Rule::StreamPerStart) { StreamId(1) } else { fresh };
        let (start, system) = (Start { count: self.disk.outbox.starts, nonce }, self.system(at));
        let mut daemon = Daemon::start(&mut self.disk, self.model, start, stream, at, system);
        daemon.core.bound_visits(self.visits_max);
        self.daemon = Some(daemon);
    }

    /// The daemon is killed, or the power goes: whatever was not committed is gone, or not on the disk. Answers with the
    /// letters that were not acknowledged.
    pub fn kill(&mut self, how: Kill) -> Vec<u64> {
        self.life += 1;
        match how {
            Kill::Process => self.disk.before_erasure = None,
            Kill::Power => self.disk.lose_power(),
        }
        self.daemon.take().map(|daemon| daemon.unacknowledged).unwrap_or_default()
    }

    /// What the system's clock says.
    pub fn system(&self, at: i64) -> UnixMs {
        UnixMs(at + self.clock_off_ms)
    }

    /// Takes in an event; what follows from it is carried out by [`EdgeBox::commit`].
    pub fn apply(&mut self, event: Event, at: i64, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
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
        daemon.forget_at_once(&ruled);
        daemon.ruled.extend(ruled);
        if self.rules.lack(Rule::CommitFirst) {
            // Receipts and reports go out for what is only in memory.
            daemon.boast(now, did);
        }
    }

    /// Carries out what was ruled: cache, gallery, outbox, acknowledgements, words. `power` says at each step whether
    /// it is still there.
    pub fn commit(&mut self, at: i64, power: &mut dyn FnMut() -> bool, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
        daemon.commit_due = false;
        let commands = std::mem::take(&mut daemon.ruled);
        let standing = daemon.core.standing();
        did.changed |= !commands.is_empty();
        let renewed = daemon.core.lease().map(|(lease, _)| lease) != daemon.memory.live.lease();
        if renewed || !commands.is_empty() || standing != self.disk.outbox.standing {
            let lease = daemon.core.lease();
            if !power() {
                did.killed = true;
                return;
            }
            let asked = self.disk.cache.to_be_removed(&commands);
            let Carried { removed, cached } = self.disk.carry_out_in_cache(&commands, &standing, lease);
            if self.rules.lack(Rule::DurableFloor) {
                self.disk.cache.position = Standing::default();
            }
            daemon.learn(&commands);
            if !power() {
                did.killed = true;
                return;
            }
            self.disk.before_erasure = None;
            observe(&mut self.highest, &commands, did);
            if !power() {
                did.killed = true;
                return;
            }
            let now = daemon.now(system, at).wall;
            let found = daemon.memory.live.still_found(&asked);
            let receipts: Vec<Receipt> =
                removed.into_iter().map(|owed| daemon.memory.receipt(owed, &found, now)).collect();
            self.disk.carry_out_in_outbox(&commands, &receipts, &standing, cached);
            receipts.into_iter().for_each(|receipt| daemon.core.receipt(receipt));
            daemon.memory.live.renew(lease.map(|(lease, _)| lease), &standing);
        }
        if !power() {
            did.killed = true;
            return;
        }
        did.acknowledged.append(&mut daemon.unacknowledged);
        for command in &commands {
            match command {
                Command::Say(Report::Repair(repair)) => {
                    daemon.asked_round = Some(repair.round);
                    daemon.rounds += 1;
                    did.says.push(Up::Repair(repair.clone()));
                }
                Command::Say(Report::Want(want)) => did.says.push(Up::Want(want.clone())),
                Command::Verified(..) => daemon.rounds = 0,
                Command::ReadAgain => daemon.core.read_again(self.disk.cache.hashed()),
                _ => {}
            }
        }
        if self.rules.lack(Rule::CountedRounds) && daemon.rounds >= 3 {
            self.give_up_uncounted(at, did);
        }
    }

    /// Nothing else is to be done: what was stored becomes durable.
    pub fn flush(&mut self) {
        if self.daemon.is_some() {
            self.disk.flush();
        }
    }

    /// Says what is due: a report, and visits.
    pub fn speak(&mut self, at: i64, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
        let now = daemon.now(system, at);
        if daemon.core.report(now) {
            did.says.extend(daemon.reports(now));
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
