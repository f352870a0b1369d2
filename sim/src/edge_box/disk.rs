//! What an edge has on disk: two files, each changed by whole transactions. A kill undoes none of them; a power cut undoes
//! those since the file was flushed.

use edge::{
    daemon::plan::OnDisk,
    store::{CountedVisit, Flush, HeldFace, NewVisit, Owed, OwnFace},
    sync::{Command, Entry, Fate, Lease, Loaded, Put, Row, Standing, Weight},
};
use protocol::{
    Embedding, Epoch, FaceId, Seq, SpaceId, UnixMs,
    message::{Customer, EnrolPolicy, Receipt, Seen},
};
use std::collections::BTreeMap;

/// Both files.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// `cache.db`.
    pub cache: Cache,
    /// `outbox.db`.
    pub outbox: Outbox,
    /// Both as a power cut leaves them.
    flushed: (Cache, Outbox),
}

/// What the website can say again.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// Customers.
    pub rows: BTreeMap<FaceId, (Epoch, Seq, Customer)>,
    /// What was dropped.
    pub dropped: BTreeMap<FaceId, (Epoch, Seq)>,
    /// The edge's own faces.
    pub own: BTreeMap<FaceId, OwnFace>,
    /// The lease.
    pub lease: Option<(Lease, EnrolPolicy)>,
    /// Removals whose receipt the website does not hold.
    pub removals: Vec<Owed>,
    /// The standing that belongs to the rows.
    pub position: Standing,
}

/// What only this edge knows.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// Visits, and when the website said that they are stored.
    pub visits: Vec<(NewVisit, Option<UnixMs>)>,
    /// Receipts the website does not hold.
    pub receipts: Vec<Receipt>,
    /// How far the edge has verified.
    pub standing: Standing,
    /// How often it has started.
    pub starts: u64,
    /// Whether a face that no visit has any longer may be in the log.
    pub faces_in_log: bool,
}

impl Cache {
    /// The faces that these commands remove, as they stand in this file.
    pub fn to_be_removed(&self, commands: &[Command]) -> Vec<HeldFace> {
        let held = |command: &Command| {
            let Command::Remove { key, .. } = command else { return vec![] };
            let row =
                self.rows.get(&key.face_id).map(|(_, _, customer)| (&customer.space, &customer.embedding));
            let own = self.own.get(&key.face_id).map(|own| (&own.space, &own.embedding));
            let face = |(space, embedding): (&SpaceId, &Embedding)| HeldFace {
                face_id: key.face_id.clone(),
                space: space.clone(),
                embedding: embedding.clone(),
            };
            row.into_iter().chain(own).map(face).collect()
        };
        commands.iter().flat_map(held).collect()
    }

    fn write(
        &mut self,
        commands: &[Command],
        standing: &Standing,
        lease: Option<(Lease, EnrolPolicy)>,
    ) -> Vec<Owed> {
        let mut removed = Vec::new();
        for command in commands {
            self.one(command, standing, &mut removed);
        }
        let Standing { epoch: ours, floor, .. } = *standing;
        self.dropped.retain(|_, (epoch, seq)| ours.is_none() || (Some(*epoch) == ours && *seq > floor));
        self.position = *standing;
        if lease.is_some() {
            self.lease = lease;
        }
        removed
    }

    fn one(&mut self, command: &Command, standing: &Standing, removed: &mut Vec<Owed>) {
        match command {
            Command::Put(put) => {
                let Put { face_id, epoch, seq, hash: _, customer } = &**put;
                self.dropped.remove(face_id);
                self.rows.insert(face_id.clone(), (*epoch, *seq, customer.clone()));
            }
            Command::Remove { key, merged_into: _ } => {
                let row = self.rows.remove(&key.face_id).is_some();
                let own = self.own.remove(&key.face_id).is_some();
                self.dropped.insert(key.face_id.clone(), (key.epoch, key.seq));
                let owed = Owed { key: key.clone(), held: row || own };
                self.removals.retain(|other| other.key != owed.key);
                self.removals.push(owed.clone());
                removed.push(owed);
            }
            Command::Drop { face_id, as_of } => {
                self.rows.remove(face_id);
                if let Some(epoch) = standing.epoch {
                    self.dropped.insert(face_id.clone(), (epoch, *as_of));
                }
            }
            Command::AdoptEpoch(epoch) => self.rows.values_mut().for_each(|row| row.0 = *epoch),
            Command::EndProvisional(face_id, _) => drop(self.own.remove(face_id)),
            Command::SettleProvisional(face_id, at) => {
                if let Some(own) = self.own.get_mut(face_id) {
                    own.rule.settled = Some(*at);
                }
            }
            Command::ForgetReceipts(keys) | Command::LoseReceipts(keys) => {
                self.removals.retain(|owed| !keys.contains(&owed.key))
            }
            Command::GiveUp(_) => {
                *self = Self { removals: std::mem::take(&mut self.removals), ..Self::default() }
            }
            Command::MarkSettled(..)
            | Command::ForgetVisits(_)
            | Command::Unsettle
            | Command::Verified(..)
            | Command::Say(_)
            | Command::ReadAgain => {}
        }
    }

    /// The rows as a core takes them, each with the hash of what is really there.
    pub fn hashed(&self) -> impl Iterator<Item = (FaceId, Row)> {
        let key = crate::people::digest_key();
        self.rows.iter().map(move |(face_id, (epoch, seq, customer))| {
            let hash = key.hash(face_id, *seq, customer);
            (face_id.clone(), Row { epoch: *epoch, seq: *seq, hash })
        })
    }
}

impl Outbox {
    fn write(&mut self, commands: &[Command], new: &[Receipt], standing: &Standing) {
        for command in commands {
            match command {
                Command::MarkSettled(keys, at) => {
                    let marked = self.visits.iter_mut().filter(|(visit, _)| keys.contains(&visit.key));
                    marked.for_each(|(_, settled)| *settled = Some(*at));
                }
                Command::ForgetVisits(keys) => {
                    self.visits.retain(|(visit, _)| !keys.contains(&visit.key));
                    self.faces_in_log = true;
                }
                Command::Unsettle => self.visits.iter_mut().for_each(|(_, settled)| *settled = None),
                Command::ForgetReceipts(keys) | Command::LoseReceipts(keys) => {
                    self.receipts.retain(|receipt| !keys.contains(&receipt.key));
                }
                Command::Remove { key, .. } => self.scrub(&key.face_id),
                Command::Drop { face_id, .. }
                | Command::EndProvisional(face_id, Fate::Declined | Fate::Nobody) => self.scrub(face_id),
                _ => {}
            }
        }
        for receipt in new {
            if !self.receipts.iter().any(|kept| kept.key == receipt.key) {
                self.receipts.push(receipt.clone());
            }
        }
        self.standing = *standing;
    }

    /// Keeps visits, in order; answers with the sightings that had to go for them.
    pub fn add(&mut self, visits: &[CountedVisit]) -> Vec<i64> {
        let mut gone = Vec::new();
        for CountedVisit { visit, lost, own: _ } in visits {
            let goes = self.visits.extract_if(.., |(visit, _)| lost.contains(&visit.key));
            gone.extend(goes.map(|(visit, _)| visit.at.0));
            self.visits.push((visit.clone(), None));
        }
        self.faces_in_log = true;
        gone
    }

    fn scrub(&mut self, face_id: &FaceId) {
        for (visit, _) in &mut self.visits {
            if matches!(&visit.seen, Seen::New { face_id: of, .. } if of == face_id) {
                visit.seen = Seen::Anonymous;
                self.faces_in_log = true;
            }
        }
    }
}

impl Disk {
    /// Writes the cache, in one transaction.
    pub fn write_cache(
        &mut self,
        commands: &[Command],
        standing: &Standing,
        lease: Option<(Lease, EnrolPolicy)>,
        flush: Flush,
    ) -> Vec<Owed> {
        let removed = self.cache.write(commands, standing, lease);
        if flush == Flush::AtCommit {
            self.flush_cache();
        }
        removed
    }

    /// Writes the outbox, in one transaction.
    pub fn write_outbox(&mut self, commands: &[Command], new: &[Receipt], standing: &Standing, flush: Flush) {
        self.outbox.write(commands, new, standing);
        if flush == Flush::AtCommit {
            self.flush_outbox();
        }
    }

    /// Everything in the cache is durable.
    pub fn flush_cache(&mut self) {
        self.flushed.0 = self.cache.clone();
    }

    /// Everything in the outbox is durable.
    pub fn flush_outbox(&mut self) {
        self.flushed.1 = self.outbox.clone();
    }

    /// The outbox's log is emptied, if a face may be in it.
    pub fn empty_outbox_log(&mut self) {
        if std::mem::take(&mut self.outbox.faces_in_log) {
            self.flush_outbox();
        }
    }

    /// Something changes both files at rest.
    pub fn damage(&mut self, change: impl Fn(&mut Cache, &mut Outbox)) {
        change(&mut self.cache, &mut self.outbox);
        change(&mut self.flushed.0, &mut self.flushed.1);
    }

    /// The standing as both files tell it.
    pub fn standing(&self) -> Standing {
        self.outbox.standing.and(self.cache.position)
    }

    /// What the order of steps depends on.
    pub fn state(&self) -> OnDisk {
        OnDisk { standing: self.outbox.standing, lease: self.cache.lease }
    }

    /// What the power takes with it goes.
    pub fn lose_power(&mut self) {
        (self.cache, self.outbox) = self.flushed.clone();
    }

    /// What a core starts from.
    pub fn load(&self) -> Loaded {
        let weight = |seen: &Seen| match seen {
            Seen::Known { .. } => Weight::Known,
            Seen::New { face_id, .. } => Weight::New(face_id.clone()),
            Seen::Anonymous => Weight::Anonymous,
        };
        let entry = |(visit, settled): &(NewVisit, Option<UnixMs>)| Entry {
            key: visit.key,
            weight: weight(&visit.seen),
            settled_at: *settled,
        };
        Loaded {
            standing: self.standing(),
            rows: self.cache.hashed().collect(),
            dropped: self.cache.dropped.clone(),
            lease: self.cache.lease,
            provisional: self.cache.own.iter().map(|(face_id, own)| (face_id.clone(), own.rule)).collect(),
            receipts: self.outbox.receipts.clone(),
            visits: self.outbox.visits.iter().map(entry).collect(),
            diagnosis: None,
        }
    }
}
