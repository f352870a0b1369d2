//! The table `removals`: removals carried out in this file whose receipt the website does not hold. Written in the
//! transaction of the removal, so that neither a kill between the two files nor a power cut before the outbox is on the
//! disk can lose a receipt.

use crate::sync::Command;
use protocol::{Epoch, Seq, message::ReceiptKey};
use rusqlite::{Connection, Transaction, params};

pub(super) const FORM: &str = "
    CREATE TABLE removals (
        face_id TEXT NOT NULL,
        epoch   INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        held    INTEGER NOT NULL,
        PRIMARY KEY (face_id, epoch, seq)
    ) STRICT, WITHOUT ROWID;
";

/// A receipt that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Of which removal.
    pub key: ReceiptKey,
    /// Whether this edge held the face.
    pub held: bool,
}

impl Owed {
    /// The removal once more, for whatever of it a kill or a power cut has kept from the outbox and from the logs.
    pub fn again(&self) -> Command {
        Command::Remove { key: self.key.clone(), merged_into: None }
    }
}

pub(super) fn note(tx: &Transaction<'_>, owed: &Owed) -> rusqlite::Result<()> {
    let Owed { key: ReceiptKey { face_id, epoch, seq }, held } = owed;
    tx.prepare_cached("INSERT OR REPLACE INTO removals (face_id, epoch, seq, held) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![face_id.as_str(), epoch.0 as i64, seq.0 as i64, held])
        .map(|_| ())
}

pub(super) fn forget(tx: &Transaction<'_>, key: &ReceiptKey) -> rusqlite::Result<()> {
    let ReceiptKey { face_id, epoch, seq } = key;
    tx.prepare_cached("DELETE FROM removals WHERE face_id = ?1 AND epoch = ?2 AND seq = ?3")?
        .execute(params![face_id.as_str(), epoch.0 as i64, seq.0 as i64])
        .map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<Owed>> {
    let mut query = db.prepare("SELECT face_id, epoch, seq, held FROM removals")?;
    let rows = query.query_map([], |row| {
        let face_id = row.get_ref(0)?.as_str()?.parse().ok();
        let (epoch, seq) = (Epoch(row.get::<_, i64>(1)? as u64), Seq(row.get::<_, i64>(2)? as u64));
        let held = row.get(3)?;
        Ok(face_id.map(|face_id| Owed { key: ReceiptKey { face_id, epoch, seq }, held }))
    })?;
    rows.filter_map(Result::transpose).collect()
}
