//! `outbox.db`: what only this edge knows.

use super::{
    OpenError, Opened, diagnosis,
    open::{self, Database, Flush},
    receipts, standing,
    visits::{self, NewVisit, StoredVisit},
};
use crate::sync::{Command, Fate, Standing, VisitKey};
use protocol::message::{Receipt, ReceiptKey};
use std::path::{Path, PathBuf};

const FORMS: [&[&str]; 2] =
    [&[visits::FORM, receipts::FORM, standing::FORM, diagnosis::FORM], &[standing::LOST_RECEIPTS]];

/// The open file.
#[derive(Debug)]
pub struct OutboxDb {
    db: Database,
    file: PathBuf,
    standing: Standing,
    /// Whether a power cut could take something back.
    unflushed: bool,
    /// Whether a page of visits, and with it a face, may be in the log, or in the file though it was deleted.
    visits_in_log: bool,
}

/// What of the same batch is durable in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cached {
    /// The standing, and which receipts are owed.
    WithStanding,
    /// Nothing.
    #[default]
    Nothing,
}

impl OutboxDb {
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let forms: Vec<String> = FORMS.iter().map(|tables| tables.concat()).collect();
        let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
        let db = open::open(file, &forms).map_err(|error| match error {
            OpenError::Damaged { file, reason } => OpenError::Damaged {
                file,
                reason: format!(
                    "{reason}; its visits cannot be had again: move it away and join this edge anew"
                ),
            },
            other => other,
        })?;
        let (file, standing) = (file.to_owned(), Standing::default());
        Ok(Self { db, file, standing, unflushed: false, visits_in_log: true })
    }

    pub(super) fn load(&mut self, opened: &mut Opened) -> Result<(), OpenError> {
        let wrong = |error| OpenError::of(&self.file, error);
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

    /// Carries out what concerns this file, with the receipts and the standing that result. Nothing is written when
    /// nothing is new.
    ///
    /// Where the cache has the standing too, and no epoch begins, it is durable with the next visit, the next emptying of the log or
    /// [`OutboxDb::flush`]. A power cut before that costs nothing but work: receipts are still owed by the cache, and
    /// visits are sent again and stored once.
    pub fn carry_out(
        &mut self,
        commands: &[Command],
        new: &[Receipt],
        now: &Standing,
        cache: Cached,
    ) -> rusqlite::Result<()> {
        let concerned = commands.iter().any(concerns) || !new.is_empty() || *now != self.standing;
        if !concerned {
            return Ok(());
        }
        let later = cache == Cached::WithStanding && now.epoch == self.standing.epoch;
        let tx = self.db.begin(if later { Flush::Later } else { Flush::AtCommit })?;
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
        self.visits_in_log |= scrubbed > 0 || commands.iter().any(writes_visits);
        tx.commit()?;
        (self.standing, self.unflushed) = (*now, later);
        Ok(())
    }

    /// Keeps a visit; `lost` ones had to go for it.
    pub fn add(&mut self, visit: &NewVisit, lost: &[VisitKey]) -> rusqlite::Result<()> {
        let tx = self.db.begin(Flush::AtCommit)?;
        lost.iter().try_for_each(|key| visits::forget(&tx, *key))?;
        if !lost.is_empty() {
            standing::lost(&tx, lost.len() as u64)?;
        }
        visits::add(&tx, visit)?;
        self.visits_in_log = true;
        tx.commit()?;
        self.unflushed = false;
        Ok(())
    }

    /// Forgets receipts that had to go because too many wait, and counts them.
    pub fn lose_receipts(&mut self, lost: &[ReceiptKey]) -> rusqlite::Result<()> {
        let tx = self.db.begin(Flush::AtCommit)?;
        lost.iter().try_for_each(|key| receipts::forget(&tx, key))?;
        standing::lost_receipts(&tx, lost.len() as u64)?;
        tx.commit()?;
        self.unflushed = false;
        Ok(())
    }

    /// A visit, if it is still there.
    pub fn visit(&self, key: VisitKey) -> rusqlite::Result<Option<StoredVisit>> {
        visits::get(self.db.read(), key)
    }

    /// Writes the file anew: nothing that was deleted is left in it, wherever it once stood.
    pub(super) fn vacuum(&self) -> rusqlite::Result<()> {
        self.db.vacuum()
    }

    /// Makes sure that nothing deleted is left in any file of this database. Receipts and the standing hold no face:
    /// when nothing else was written since the last time, there is nothing to do.
    pub fn empty_log(&mut self) -> rusqlite::Result<()> {
        if self.visits_in_log {
            self.db.empty_log()?;
            self.visits_in_log = false;
            self.unflushed = false;
        }
        Ok(())
    }
}

fn writes_visits(command: &Command) -> bool {
    matches!(command, Command::MarkSettled(..) | Command::ForgetVisits(_) | Command::Unsettle)
}

fn concerns(command: &Command) -> bool {
    matches!(
        command,
        Command::MarkSettled(..)
            | Command::ForgetVisits(_)
            | Command::GiveUp(_)
            | Command::Unsettle
            | Command::ForgetReceipts(_)
            | Command::Remove { .. }
            | Command::Drop { .. }
            | Command::EndProvisional(_, Fate::Declined | Fate::Nobody)
    )
}
