//! `cache.db`: what the website has said. Always rebuildable.

use super::{
    OpenError, Opened,
    customers::{self, StoredRow},
    dropped, lease, open,
    provisional::{self, OwnFace},
    removals::{self, Owed},
};
use crate::sync::{Command, Fate, Lease, Row, Standing};
use protocol::{DigestKey, Embedding, FaceId, SpaceId, message::EnrolPolicy};
use rusqlite::{Connection, Transaction};
use std::path::{Path, PathBuf};

const FORMS: [&[&str]; 1] =
    [&[customers::FORM, dropped::FORM, provisional::FORM, lease::FORM, removals::FORM]];

/// The open file.
#[derive(Debug)]
pub struct Cache {
    db: Connection,
    file: PathBuf,
    /// The lease as it is stored.
    lease: Option<(Lease, EnrolPolicy)>,
}

/// What a batch of commands brought out of the store.
#[derive(Debug, Default)]
pub struct Carried {
    /// Removals, and the face each had here.
    pub removed: Vec<(Owed, Option<(SpaceId, Embedding)>)>,
    /// Whether a face was deleted, so that the log must be emptied.
    pub erased: bool,
}

impl Cache {
    /// Opens or makes the file.
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let forms: Vec<String> = FORMS.iter().map(|tables| tables.concat()).collect();
        let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
        let db = open::open(file, &forms)?;
        let lease = lease::load(&db).map_err(|error| OpenError::of(file, error))?;
        Ok(Self { db, file: file.to_owned(), lease })
    }

    /// Reads everything.
    pub(crate) fn load(&self, key: &DigestKey) -> Result<Opened, OpenError> {
        let mut customers = Vec::new();
        let opened = self.load_each(key, &mut |face_id, row| customers.push((face_id, row)))?;
        Ok(Opened { customers, ..opened })
    }

    /// Reads everything; the customers go to `each` one by one, so that a vector need not be in memory twice. The hash
    /// of every row is computed from its content, not believed: a damaged row shows in the digest.
    pub(super) fn load_each(
        &self,
        key: &DigestKey,
        each: &mut dyn FnMut(FaceId, StoredRow),
    ) -> Result<Opened, OpenError> {
        let wrong = |error| OpenError::of(&self.file, error);
        let mut opened = Opened { owed: removals::load(&self.db).map_err(wrong)?, ..Opened::default() };
        let rows = &mut opened.loaded.rows;
        let damaged = customers::load(&self.db, &mut |face_id, row| {
            let StoredRow { epoch, seq, customer } = &row;
            let hash = key.hash(&face_id, *seq, customer);
            rows.insert(face_id.clone(), Row { epoch: *epoch, seq: *seq, hash });
            each(face_id, row);
        });
        let damaged = damaged.map_err(wrong)?;
        if damaged > 0 {
            tracing::warn!(rows = damaged, "rows of the cache are damaged and will be fetched again");
        }
        let own = provisional::load(&self.db).map_err(wrong)?;
        opened.loaded.dropped = dropped::load(&self.db).map_err(wrong)?;
        opened.loaded.lease = self.lease;
        opened.loaded.provisional = own.iter().map(|(id, own)| (id.clone(), own.rule)).collect();
        Ok(Opened { own, ..opened })
    }

    /// Carries out what concerns this file, in order and in one transaction, together with the standing and the lease
    /// that result. Receipts of earlier removals are in the outbox by now; so is the standing `durable`, and only what
    /// that one's floor has passed is forgotten. Where nothing concerns this file nothing is written, and what can be
    /// forgotten waits for the next time.
    pub fn carry_out(
        &mut self,
        commands: &[Command],
        standing: &Standing,
        durable: &Standing,
        lease: Option<(Lease, EnrolPolicy)>,
    ) -> rusqlite::Result<Carried> {
        let mut carried = Carried::default();
        let renewed = lease.is_some() && lease != self.lease;
        if !renewed && !commands.iter().any(concerns) {
            return Ok(carried);
        }
        let tx = self.db.transaction()?;
        removals::clear(&tx)?;
        for command in commands {
            carry_out(&tx, command, standing, &mut carried)?;
        }
        if durable.epoch == standing.epoch {
            dropped::forget_up_to(&tx, durable)?;
        }
        if let Some((lease, enrol)) = lease {
            lease::put(&tx, lease, enrol)?;
        }
        tx.commit()?;
        self.lease = lease;
        Ok(carried)
    }

    /// Keeps a face that was just minted.
    pub fn mint(&mut self, face_id: &FaceId, own: &OwnFace) -> rusqlite::Result<()> {
        let tx = self.db.transaction()?;
        provisional::put(&tx, face_id, own)?;
        tx.commit()
    }

    /// Makes sure that nothing deleted is left in any file of this database.
    pub fn empty_log(&self) -> rusqlite::Result<()> {
        open::empty_log(&self.db)
    }
}

fn concerns(command: &Command) -> bool {
    match command {
        Command::Put(_)
        | Command::Remove { .. }
        | Command::Drop { .. }
        | Command::AdoptEpoch(_)
        | Command::GiveUp(_)
        | Command::EndProvisional(..)
        | Command::SettleProvisional(..) => true,
        Command::MarkSettled(..)
        | Command::ForgetVisits(_)
        | Command::Unsettle
        | Command::ForgetReceipts(_)
        | Command::Verified(..)
        | Command::Say(_)
        | Command::ReadAgain => false,
    }
}

fn carry_out(
    tx: &Transaction<'_>,
    command: &Command,
    standing: &Standing,
    carried: &mut Carried,
) -> rusqlite::Result<()> {
    match command {
        Command::Put(put) => {
            dropped::forget(tx, &put.face_id)?;
            customers::put(tx, put)
        }
        Command::Remove { key, merged_into: _ } => {
            let customer = customers::take(tx, &key.face_id)?;
            let own = provisional::take(tx, &key.face_id)?;
            dropped::remember(tx, &key.face_id, key.epoch, key.seq)?;
            let face = customer.or(own);
            let owed = Owed { key: key.clone(), held: face.is_some() };
            removals::note(tx, &owed)?;
            carried.erased = true;
            carried.removed.push((owed, face));
            Ok(())
        }
        Command::Drop { face_id, as_of } => {
            carried.erased |= customers::take(tx, face_id)?.is_some();
            match standing.epoch {
                Some(epoch) => dropped::remember(tx, face_id, epoch, *as_of),
                None => Ok(()),
            }
        }
        Command::AdoptEpoch(epoch) => customers::adopt_epoch(tx, *epoch),
        Command::GiveUp(_) => {
            carried.erased = true;
            customers::clear(tx)?;
            dropped::clear(tx)?;
            provisional::clear(tx)?;
            lease::clear(tx)
        }
        Command::EndProvisional(face_id, fate) => {
            provisional::take(tx, face_id)?;
            // The visit that proposed it holds the face as well, in the other file.
            carried.erased |= *fate != Fate::Customer;
            Ok(())
        }
        Command::SettleProvisional(face_id, at) => provisional::settle(tx, face_id, *at),
        Command::MarkSettled(..)
        | Command::ForgetVisits(_)
        | Command::Unsettle
        | Command::ForgetReceipts(_)
        | Command::Verified(..)
        | Command::Say(_)
        | Command::ReadAgain => Ok(()),
    }
}
