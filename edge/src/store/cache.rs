//! `cache.db`: what the website has said. Always rebuildable.

use super::{
    OpenError, Opened,
    customers::{self, RawId, Read, StoredRow},
    dropped,
    faces::{self, Slot},
    lease,
    open::{self, Database, Flush, Form},
    position,
    provisional::{self, OwnFace},
    removals::{self, Owed},
};
use crate::sync::{Command, Lease, Row, Slice, Standing};
use protocol::{
    DigestKey, Embedding, FaceId, SpaceId,
    message::{Customer, EnrolPolicy, ReceiptKey},
};
use rusqlite::Transaction;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

pub(super) const FORMS: [Form; 4] = [
    Form::Sql(&[customers::FORM, dropped::FORM, provisional::FORM, lease::FORM, removals::FORM]),
    Form::Sql(&[position::FORM]),
    Form::Sql(&[faces::FORM, customers::IN_SLOTS, provisional::IN_SLOTS]),
    Form::WrittenAnew,
];

/// The open file.
#[derive(Debug)]
pub struct Cache {
    db: Database,
    file: PathBuf,
    /// The lease as it is stored.
    lease: Option<(Lease, EnrolPolicy)>,
}

/// A face as it stands in this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFace {
    /// Whose.
    pub face_id: FaceId,
    /// The space of `embedding`.
    pub space: SpaceId,
    /// The face.
    pub embedding: Embedding,
}

impl Cache {
    /// Opens or makes the file.
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let db = open::open(file, &FORMS)?;
        let lease = lease::load(db.read()).map_err(|error| OpenError::of(file, error))?;
        Ok(Self { db, file: file.to_owned(), lease })
    }

    /// Reads everything; the customers go to `each` one by one, so that a vector need not be in memory twice. The hash
    /// of every row is computed from its content, not believed: a row that has another one than was stored with it is
    /// damaged, and goes.
    pub(crate) fn load_each(
        &mut self,
        key: &DigestKey,
        each: &mut dyn FnMut(FaceId, StoredRow),
    ) -> Result<Opened, OpenError> {
        let file = self.file.clone();
        let wrong = |error| OpenError::of(&file, error);
        let mut opened = Opened { owed: removals::load(self.db.read()).map_err(wrong)?, ..Opened::default() };
        let rows = &mut opened.loaded.rows;
        let (mut named, mut damaged) = (HashSet::new(), Vec::new());
        let read = customers::read(self.db.read(), key, "", None, &mut |read| match read {
            Read::Sound { face_id, row, hash, slot } => {
                rows.insert(face_id.clone(), Row { epoch: row.epoch, seq: row.seq, hash });
                named.insert(slot);
                each(face_id, row);
            }
            Read::Damaged(id) => damaged.push(id),
        });
        read.map_err(wrong)?;
        let own = provisional::load(self.db.read(), &mut named).map_err(wrong)?;
        match self.mend(&damaged, &named) {
            // The next load tries again; meanwhile nobody believes what is damaged.
            Err(error) if open::waits_for_disk(&error) => {}
            mended => mended.map_err(wrong)?,
        }
        opened.loaded.dropped = dropped::load(self.db.read()).map_err(wrong)?;
        opened.loaded.lease = self.lease;
        opened.loaded.standing = position::load(self.db.read()).map_err(wrong)?;
        opened.loaded.provisional = own.iter().map(|(id, own)| (id.clone(), own.rule)).collect();
        Ok(Opened { own, ..opened })
    }

    /// Damaged rows go, and with them every face that nobody names any more: whom it is of cannot be told, so no removal
    /// would ever find it. A row that cannot be found by its id is damage to the file.
    fn mend(&mut self, damaged: &[RawId], named: &HashSet<Slot>) -> rusqlite::Result<()> {
        let astray = faces::astray(self.db.read(), named)?;
        if damaged.is_empty() && astray.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            rows = damaged.len(),
            faces = astray.len(),
            "the cache is damaged: rows will be fetched again, and faces that no row names are erased"
        );
        let tx = self.db.begin(Flush::AtCommit)?;
        for id in damaged {
            if !customers::delete_damaged(&tx, id)? {
                return Err(open::damage());
            }
        }
        astray.into_iter().try_for_each(|slot| faces::free(&tx, slot))?;
        tx.commit()?;
        self.db.empty_log()
    }

    /// Reads the next `limit` rows that follow the id `after` back from the file, not from memory; `known` tells whether a customer is in
    /// the gallery as it should be.
    pub fn read_back(
        &self,
        key: &DigestKey,
        after: Option<&FaceId>,
        limit: usize,
        known: &dyn Fn(&FaceId, &Customer) -> bool,
    ) -> rusqlite::Result<Slice> {
        self.db.forget_pages()?;
        let (mut rows, mut amiss, mut read) = (Vec::with_capacity(limit), 0, 0);
        let after = after.map_or("", FaceId::as_str);
        customers::read(self.db.read(), key, after, Some(limit), &mut |row| {
            read += 1;
            let Read::Sound { face_id, row: StoredRow { epoch, seq, customer }, hash, slot: _ } = row else {
                amiss += 1;
                return;
            };
            amiss += usize::from(!known(&face_id, &customer));
            rows.push((face_id, Row { epoch, seq, hash }));
        })?;
        Ok(Slice { rows, amiss, last: read < limit })
    }

    /// The faces that these commands remove, as they stand in this file, and so in the live gallery. One that comes and
    /// goes within the commands was in neither.
    pub fn to_be_removed(&self, commands: &[Command]) -> rusqlite::Result<Vec<HeldFace>> {
        let mut faces = Vec::new();
        for command in commands {
            let Command::Remove { key: ReceiptKey { face_id, .. }, merged_into: _ } = command else {
                continue;
            };
            let db = self.db.read();
            let held = [customers::face_of(db, face_id)?, provisional::face_of(db, face_id)?];
            let face = |(space, embedding)| HeldFace { face_id: face_id.clone(), space, embedding };
            faces.extend(held.into_iter().flatten().map(face));
        }
        Ok(faces)
    }

    /// The lease as it is stored, and the enrol policy that came with it.
    pub fn lease(&self) -> Option<(Lease, EnrolPolicy)> {
        self.lease
    }

    /// Writes what concerns this file, in order and in one transaction, together with the standing and the lease that
    /// result; what was dropped is remembered until that standing's floor has passed it. Answers with the removals, whose
    /// receipts are owed from now on.
    pub fn write(
        &mut self,
        commands: &[Command],
        standing: &Standing,
        lease: Option<(Lease, EnrolPolicy)>,
        flush: Flush,
    ) -> rusqlite::Result<Vec<Owed>> {
        let mut removed = Vec::new();
        let tx = self.db.begin(flush)?;
        for command in commands {
            write(&tx, command, standing, &mut removed)?;
        }
        dropped::forget_up_to(&tx, standing)?;
        position::put(&tx, standing)?;
        if let Some((lease, enrol)) = lease {
            lease::put(&tx, lease, enrol)?;
        }
        tx.commit()?;
        self.lease = lease;
        Ok(removed)
    }

    /// Keeps faces of the edge's own.
    pub fn mint<'f>(
        &mut self,
        faces: impl IntoIterator<Item = (&'f FaceId, &'f OwnFace)>,
    ) -> rusqlite::Result<()> {
        let tx = self.db.begin(Flush::AtCommit)?;
        faces.into_iter().try_for_each(|(face_id, own)| provisional::put(&tx, face_id, own))?;
        tx.commit()
    }

    /// Writes the file anew: no name that was deleted is left in it, wherever it once stood.
    pub(super) fn vacuum(&self) -> rusqlite::Result<()> {
        self.db.vacuum()
    }

    /// Makes sure that nothing deleted is left in any file of this database.
    pub fn empty_log(&self) -> rusqlite::Result<()> {
        self.db.empty_log()
    }
}

fn write(
    tx: &Transaction<'_>,
    command: &Command,
    standing: &Standing,
    removed: &mut Vec<Owed>,
) -> rusqlite::Result<()> {
    match command {
        Command::Put(put) => {
            dropped::forget(tx, &put.face_id)?;
            customers::put(tx, put)
        }
        Command::Remove { key, merged_into: _ } => {
            let customer = customers::delete(tx, &key.face_id)?;
            let own = provisional::delete(tx, &key.face_id)?;
            dropped::remember(tx, &key.face_id, key.epoch, key.seq)?;
            let owed = Owed { key: key.clone(), held: customer || own };
            removals::note(tx, &owed)?;
            removed.push(owed);
            Ok(())
        }
        Command::Drop { face_id, as_of } => {
            customers::delete(tx, face_id)?;
            match standing.epoch {
                Some(epoch) => dropped::remember(tx, face_id, epoch, *as_of),
                None => Ok(()),
            }
        }
        Command::AdoptEpoch(epoch) => customers::adopt_epoch(tx, *epoch),
        Command::GiveUp(_) => {
            customers::clear(tx)?;
            dropped::clear(tx)?;
            provisional::clear(tx)?;
            faces::clear(tx)?;
            lease::clear(tx)
        }
        Command::EndProvisional(face_id, _) => provisional::delete(tx, face_id).map(drop),
        Command::SettleProvisional(face_id, at) => provisional::settle(tx, face_id, *at),
        Command::ForgetReceipts(keys) | Command::LoseReceipts(keys) => {
            keys.iter().try_for_each(|key| removals::forget(tx, key))
        }
        Command::MarkSettled(..)
        | Command::ForgetVisits(_)
        | Command::Unsettle
        | Command::Verified(..)
        | Command::Say(_)
        | Command::ReadAgain => Ok(()),
    }
}
