//! `outbox.db`: what only this edge knows.

use super::{
    OpenError, Opened, diagnosis, faces,
    open::{self, Database, Flush, Form},
    receipts, standing,
    visits::{self, CountedVisit, StoredVisit},
};
use crate::sync::{Command, Fate, Standing, VisitKey};
use protocol::message::Receipt;
use std::path::{Path, PathBuf};

pub(super) const FORMS: [Form; 4] = [
    Form::Sql(&[visits::FORM, receipts::FORM, standing::FORM, diagnosis::FORM]),
    Form::Sql(&[standing::LOST_RECEIPTS]),
    Form::Sql(&[faces::FORM, visits::IN_SLOTS]),
    Form::WrittenAnew,
];

/// The open file.
#[derive(Debug)]
pub struct OutboxDb {
    db: Database,
    file: PathBuf,
    standing: Standing,
    /// Whether a power cut could take something back.
    unflushed: bool,
    /// Whether a face that a visit no longer has may be in the log, or in the file behind it.
    faces_in_log: bool,
}

impl OutboxDb {
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let db = open::open(file, &FORMS).map_err(|error| match error {
            OpenError::Damaged { file, reason } => OpenError::Damaged {
                file,
                reason: format!(
                    "{reason}; its visits cannot be had again: move it away and join this edge anew"
                ),
            },
            other => other,
        })?;
        let (file, standing) = (file.to_owned(), Standing::default());
        Ok(Self { db, file, standing, unflushed: false, faces_in_log: true })
    }

    pub(super) fn load(&mut self, opened: &mut Opened) -> Result<(), OpenError> {
        let file = self.file.clone();
        let wrong = |error| OpenError::of(&file, error);
        match self.mend() {
            // The next load tries again.
            Err(error) if open::waits_for_disk(&error) => {}
            mended => mended.map_err(wrong)?,
        }
        let row = standing::load(self.db.read()).map_err(wrong)?;
        opened.loaded.standing = row.standing.and(opened.loaded.standing);
        opened.loaded.receipts = receipts::load(self.db.read()).map_err(wrong)?;
        opened.loaded.visits = visits::load(self.db.read()).map_err(wrong)?;
        opened.loaded.diagnosis = diagnosis::load(self.db.read()).map_err(wrong)?;
        opened.starts = row.starts;
        opened.lost_visits = row.lost_visits;
        opened.lost_receipts = row.lost_receipts;
        self.standing = row.standing;
        Ok(())
    }

    /// Faces that damage has cut off from their visits are erased: no removal would ever find them.
    fn mend(&mut self) -> rusqlite::Result<()> {
        let astray = faces::astray(self.db.read(), &visits::slots(self.db.read())?)?;
        if astray.is_empty() {
            return Ok(());
        }
        tracing::warn!(faces = astray.len(), "faces in the outbox that no visit names are erased");
        let tx = self.db.begin(Flush::AtCommit)?;
        astray.into_iter().try_for_each(|slot| faces::free(&tx, slot))?;
        tx.commit()?;
        self.db.empty_log()
    }

    /// Counts a start, and answers with its number.
    pub fn started(&mut self) -> rusqlite::Result<u64> {
        let tx = self.db.begin(Flush::AtCommit)?;
        let starts = standing::started(&tx)?;
        tx.commit()?;
        self.unflushed = false;
        Ok(starts)
    }

    /// The standing as it is stored.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Makes everything stored durable.
    pub fn flush(&mut self) -> rusqlite::Result<()> {
        if self.unflushed {
            let tx = self.db.begin(Flush::AtCommit)?;
            standing::put(&tx, &self.standing)?;
            tx.commit()?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Writes what concerns this file, with the receipts and the standing that result, in one transaction.
    pub fn write(
        &mut self,
        commands: &[Command],
        new: &[Receipt],
        now: &Standing,
        flush: Flush,
    ) -> rusqlite::Result<()> {
        let tx = self.db.begin(flush)?;
        let mut scrubbed = 0;
        for command in commands {
            match command {
                Command::MarkSettled(keys, at) => {
                    keys.iter().try_for_each(|key| visits::mark(&tx, *key, *at))?
                }
                Command::ForgetVisits(keys) => {
                    keys.iter().try_for_each(|key| visits::forget(&tx, *key))?;
                }
                Command::GiveUp(why) => diagnosis::put(&tx, why)?,
                Command::Unsettle => visits::unsettle(&tx)?,
                Command::ForgetReceipts(keys) => {
                    keys.iter().try_for_each(|key| receipts::forget(&tx, key))?
                }
                Command::LoseReceipts(keys) => {
                    keys.iter().try_for_each(|key| receipts::forget(&tx, key))?;
                    standing::lost_receipts(&tx, keys.len() as u64)?;
                }
                Command::Remove { key, .. } => scrubbed += visits::scrub(&tx, &key.face_id)?,
                Command::Drop { face_id, .. }
                | Command::EndProvisional(face_id, Fate::Declined | Fate::Nobody) => {
                    scrubbed += visits::scrub(&tx, face_id)?;
                }
                _ => {}
            }
        }
        new.iter().try_for_each(|receipt| receipts::add(&tx, receipt))?;
        standing::put(&tx, now)?;
        self.faces_in_log |= scrubbed > 0 || forgets(commands);
        tx.commit()?;
        (self.standing, self.unflushed) = (*now, flush == Flush::Later);
        Ok(())
    }

    /// Keeps visits, in order, with those that had to go for them.
    pub fn add(&mut self, visits: &[CountedVisit]) -> rusqlite::Result<()> {
        let tx = self.db.begin(Flush::AtCommit)?;
        for CountedVisit { visit, lost, own: _ } in visits {
            lost.iter().try_for_each(|key| visits::forget(&tx, *key))?;
            if !lost.is_empty() {
                standing::lost(&tx, lost.len() as u64)?;
            }
            visits::add(&tx, visit)?;
        }
        self.faces_in_log = true;
        tx.commit()?;
        self.unflushed = false;
        Ok(())
    }

    /// A visit, if it is still there.
    pub fn visit(&self, key: VisitKey) -> rusqlite::Result<Option<StoredVisit>> {
        visits::get(self.db.read(), key)
    }

    /// Makes sure that nothing deleted is left in any file of this database. Receipts and the standing hold no face:
    /// when nothing else was written since the last time, there is nothing to do.
    pub fn empty_log(&mut self) -> rusqlite::Result<()> {
        if self.faces_in_log {
            self.db.empty_log()?;
            self.faces_in_log = false;
            self.unflushed = false;
        }
        Ok(())
    }
}

fn forgets(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::ForgetVisits(_)))
}
