//! An edge: the real core, gallery, clock and stays over a disk in memory. The order of effects is that of the real
//! daemon, and it can be killed between any two of them.

pub mod disk;
mod hearing;
mod seeing;

pub use seeing::Saw;

use crate::{
    dice::Dice,
    letter::Up,
    people::{self, DIMENSIONS},
    rules::{Rule, Rules},
};
use disk::{Disk, Removed};
use edge::{
    Space, Thresholds,
    clock::WallClock,
    live::Live,
    presence::Presence,
    store::Owed,
    sync::{Command, Core, Event, Fate, Now, Ran},
};
use protocol::{
    Epoch, FaceId, Nonce, Seq, StreamId, UnixMs,
    message::{Applied, Probe, Receipt, Report, Start, Visit},
};
use std::collections::BTreeMap;

/// A stay ends so long after the last sighting.
const AWAY_MS: i64 = 20_000;

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

/// What runs.
#[derive(Debug)]
pub struct Daemon {
    /// The rules.
    pub core: Core,
    /// Whom it recognises.
    pub live: Live,
    /// This start.
    pub start: Start,
    /// Letters taken in and not acknowledged.
    pub unacknowledged: Vec<u64>,
    /// Whether a commit is on its way.
    pub commit_due: bool,
    clock: WallClock,
    started_at: i64,
    stream: StreamId,
    presence: Presence,
    ruled: Vec<Command>,
    asked_round: Option<protocol::Round>,
    rounds: u32,
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
    /// What was wrong with it.
    pub wrong: Vec<String>,
    /// The power went.
    pub killed: bool,
    /// It gave its rows up.
    pub gave_up: bool,
    /// Whether its gallery may be another one than before.
    pub changed: bool,
}

impl EdgeBox {
    /// A box that has joined and never started.
    pub fn new(index: usize, model: usize, rules: Rules) -> Self {
        let (disk, nonces, dead, highest) = Default::default();
        Self {
            index,
            generation: 0,
            model,
            disk,
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
        let nonce = Nonce(dice.number());
        self.nonces.push(nonce);
        let fresh = StreamId(dice.number());
        let stream = if self.rules.lack(Rule::StreamPerStart) { StreamId(1) } else { fresh };
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let space = Space { id: people::space(self.model), dimension: DIMENSIONS[self.model], thresholds };
        let mut clock = WallClock::start(self.disk.outbox.standing.earliest(), self.system(at));
        let now = Now { wall: clock.at(self.system(at), Ran(0)), ran: Ran(0) };
        let mut daemon = Daemon {
            core: Core::load(self.disk.load(), stream, now),
            live: Live::new(space),
            start: Start { count: self.disk.outbox.starts, nonce },
            unacknowledged: vec![],
            commit_due: false,
            clock,
            started_at: at,
            stream,
            presence: Presence::new(AWAY_MS, 0.55),
            ruled: vec![],
            asked_round: None,
            rounds: 0,
        };
        for (face_id, (_, _, customer)) in &self.disk.cache.rows {
            daemon.live.put(face_id, customer);
        }
        for (face_id, own) in &self.disk.cache.own {
            daemon.live.put_own(face_id, &own.space, &own.embedding);
        }
        daemon.live.renew(daemon.core.lease().map(|(lease, _)| lease));
        // Receipts that a kill has kept back.
        let owed = self.disk.cache.removals.clone();
        let receipts: Vec<Receipt> =
            owed.into_iter().map(|owed| daemon.late_receipt(owed, now.wall)).collect();
        let standing = daemon.core.standing();
        self.disk.outbox.carry_out(&[], &receipts, &standing);
        receipts.into_iter().for_each(|receipt| daemon.core.receipt(receipt));
        self.daemon = Some(daemon);
    }

    /// The power goes: whatever was not committed is gone. Answers with the letters that were not acknowledged.
    pub fn kill(&mut self) -> Vec<u64> {
        self.life += 1;
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
        let renewed = daemon.core.lease().map(|(lease, _)| lease) != daemon.live.lease();
        if renewed || !commands.is_empty() || standing != self.disk.outbox.standing {
            let lease = daemon.core.lease();
            if !power() {
                did.killed = true;
                return;
            }
            let durable = self.disk.outbox.standing;
            let removed = self.disk.cache.carry_out(&commands, &standing, &durable, lease);
            daemon.learn(&commands);
            observe(&mut self.highest, &commands, did);
            if !power() {
                did.killed = true;
                return;
            }
            let now = daemon.now(system, at).wall;
            let receipts: Vec<Receipt> = removed.iter().map(|removed| daemon.probe(removed, now)).collect();
            self.disk.outbox.carry_out(&commands, &receipts, &standing);
            receipts.into_iter().for_each(|receipt| daemon.core.receipt(receipt));
            daemon.live.renew(lease.map(|(lease, _)| lease));
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

impl Daemon {
    /// Now, by both clocks.
    pub fn now(&mut self, system: UnixMs, at: i64) -> Now {
        let ran = Ran(at - self.started_at);
        Now { wall: self.clock.at(system, ran), ran }
    }

    fn forget_at_once(&mut self, ruled: &[Command]) {
        for command in ruled {
            match command {
                Command::Remove { key, merged_into } => {
                    self.live.remove(&key.face_id);
                    match merged_into {
                        Some(into) => self.presence.merged(&key.face_id, into),
                        None => self.presence.forget(&key.face_id),
                    }
                }
                Command::Drop { face_id, .. } => {
                    self.live.remove(face_id);
                    self.presence.forget(face_id);
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

    fn learn(&self, commands: &[Command]) {
        for command in commands {
            if let Command::Put(put) = command
                && self
                    .core
                    .rows()
                    .get(&put.face_id)
                    .is_some_and(|row| (row.seq, row.epoch) == (put.seq, put.epoch))
            {
                self.live.put(&put.face_id, &put.customer);
            }
        }
    }

    fn probe(&self, (owed, face): &Removed, removed_at: UnixMs) -> Receipt {
        let probe = self.live.probe(&owed.key.face_id, face.as_ref());
        Receipt { key: owed.key.clone(), removed_at, probe }
    }

    fn late_receipt(&self, owed: Owed, removed_at: UnixMs) -> Receipt {
        let probe = match (self.live.contains(&owed.key.face_id), owed.held) {
            (true, _) => Probe::StillFound,
            (false, true) => Probe::Gone,
            (false, false) => Probe::NeverHeld,
        };
        Receipt { key: owed.key, removed_at, probe }
    }

    fn boast(&mut self, now: Now, did: &mut Did) {
        let removals: Vec<_> = self
            .ruled
            .iter()
            .filter_map(
                |command| if let Command::Remove { key, .. } = command { Some(key.clone()) } else { None },
            )
            .collect();
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
        let Some(epoch) = self.core.standing().epoch else { return vec![] };
        let page = |receipts| Applied {
            epoch,
            verified: self.core.rows().floor(),
            digest: self.core.rows().total().digest,
            count: self.core.rows().total().count,
            state: self.core.state(now),
            start: self.start,
            space: self.live.space().id.clone(),
            at: UnixMs(now.ran.0),
            lease_until: self.core.lease().map_or(UnixMs(0), |(lease, _)| lease.until()),
            queued: self.core.outbox().waiting() as u64,
            refused: 0,
            repairs: self.core.repairs().counts(),
            receipts,
        };
        self.core.receipts().pages().into_iter().map(|receipts| Up::Applied(page(receipts))).collect()
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
