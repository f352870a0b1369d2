//! The table `customers`: the website's rows, each with the slot of its face.

use super::faces::{self, Slot};
use crate::sync::Put;
use protocol::{
    DigestKey, Embedding, Epoch, FaceId, Name, RowHash, Seq, SpaceId,
    message::{Customer, Flag},
};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, Transaction, params,
    types::{ToSqlOutput, ValueRef},
};

pub(super) const FORM: &str = "
    CREATE TABLE customers (
        face_id   TEXT NOT NULL PRIMARY KEY,
        epoch     INTEGER NOT NULL,
        seq       INTEGER NOT NULL,
        name      TEXT NOT NULL,
        flag      TEXT NOT NULL,
        space     TEXT NOT NULL,
        embedding BLOB NOT NULL,
        row_hash  BLOB NOT NULL
    ) STRICT;
";

/// Since version 3: the faces stand in slots. One tree, in the order of the ids.
pub(super) const IN_SLOTS: &str = "
    ALTER TABLE customers RENAME TO customers_with_faces;
    CREATE TABLE customers (
        face_id  TEXT NOT NULL PRIMARY KEY,
        epoch    INTEGER NOT NULL,
        seq      INTEGER NOT NULL,
        name     TEXT NOT NULL,
        flag     TEXT NOT NULL,
        space    TEXT NOT NULL,
        slot     INTEGER NOT NULL,
        row_hash BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO faces (slot, used, face) SELECT rowid, 1, embedding FROM customers_with_faces ORDER BY rowid;
    INSERT INTO customers (face_id, epoch, seq, name, flag, space, slot, row_hash)
        SELECT face_id, epoch, seq, name, flag, space, rowid, row_hash FROM customers_with_faces;
    DROP TABLE customers_with_faces;
";

/// A customer as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The seq of the last change.
    pub seq: Seq,
    /// The content.
    pub customer: Customer,
}

/// What stands in a row of the table.
pub(super) enum Read {
    /// What was put there.
    Sound {
        /// Whose.
        face_id: FaceId,
        /// The row.
        row: StoredRow,
        /// The hash of its content, computed from what was read.
        hash: RowHash,
        /// Where its face stands.
        slot: Slot,
    },
    /// Something else: what it holds cannot be read, or has not the hash that was stored with it.
    Damaged(RawId),
}

/// A face id as it stands there, which may be none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawId(Vec<u8>);

impl ToSql for RawId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

pub(super) fn put(tx: &Transaction<'_>, put: &Put) -> rusqlite::Result<()> {
    let Put { face_id, epoch, seq, hash, customer: Customer { name, flag, space, embedding } } = put;
    let held = tx
        .prepare_cached("SELECT slot FROM customers WHERE face_id = ?1")?
        .query_row([face_id.as_str()], |row| row.get(0).map(Slot))
        .optional()?;
    let slot = match held {
        Some(slot) => faces::replace(tx, slot, embedding.as_bytes())?,
        None => faces::put(tx, embedding.as_bytes())?,
    };
    tx.prepare_cached(
        "INSERT OR REPLACE INTO customers (face_id, epoch, seq, name, flag, space, slot, row_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        face_id.as_str(),
        epoch.0 as i64,
        seq.0 as i64,
        name.as_str(),
        flag.as_str(),
        space.as_str(),
        slot.0,
        hash.to_bytes(),
    ])
    .map(drop)
}

/// The face of a row; `None` when there is no such row, or it is damaged.
pub(super) fn face_of(db: &Connection, face_id: &FaceId) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let face = db
        .prepare_cached("SELECT space, face FROM customers JOIN faces USING (slot) WHERE face_id = ?1")?
        .query_row([face_id.as_str()], face)
        .optional()?;
    Ok(face.flatten())
}

/// Deletes a row and erases its face; tells whether it was there.
pub(super) fn delete(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<bool> {
    let slot = tx
        .prepare_cached("DELETE FROM customers WHERE face_id = ?1 RETURNING slot")?
        .query_row([face_id.as_str()], |row| row.get(0).map(Slot))
        .optional()?;
    slot.map_or(Ok(()), |slot| faces::free(tx, slot))?;
    Ok(slot.is_some())
}

/// Deletes a damaged row, but for its face: the slot it names may be another's. Tells whether it was found.
pub(super) fn delete_damaged(tx: &Transaction<'_>, id: &RawId) -> rusqlite::Result<bool> {
    let deleted = tx.prepare_cached("DELETE FROM customers WHERE face_id = ?1")?.execute([id])?;
    Ok(deleted > 0)
}

/// Reads a space and a face, the first two columns; `None` when they are damaged.
pub(super) fn face(row: &Row<'_>) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let space = row.get_ref(0)?.as_str().ok().and_then(|space| space.parse().ok());
    let embedding = row.get_ref(1)?.as_blob().ok().and_then(|bytes| Embedding::from_bytes(bytes).ok());
    Ok(space.zip(embedding))
}

/// Deletes every row; the faces are cleared for themselves.
pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM customers")?.execute([]).map(drop)
}

pub(super) fn adopt_epoch(tx: &Transaction<'_>, epoch: Epoch) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE customers SET epoch = ?1")?.execute([epoch.0 as i64]).map(drop)
}

/// The columns that [`sound`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT space, face, face_id, epoch, seq, name, flag, row_hash, slot \
             FROM customers LEFT JOIN faces USING (slot) ",
            $rest
        )
    };
}

/// Hands rows to `each` in the order of ids: those that follow the id `after`, and no more than `limit`.
pub(super) fn read(
    db: &Connection,
    key: &DigestKey,
    after: &str,
    limit: Option<usize>,
    each: &mut dyn FnMut(Read),
) -> rusqlite::Result<()> {
    let mut query = db.prepare_cached(select!("WHERE face_id > ?1 ORDER BY face_id LIMIT ?2"))?;
    // SQLite takes a negative limit for none.
    let mut rows = query.query((after, limit.map_or(-1, |limit| limit as i64)))?;
    while let Some(row) = rows.next()? {
        each(match sound(row, key) {
            Some(sound) => sound,
            None => Read::Damaged(RawId(row.get_ref(2)?.as_bytes()?.to_vec())),
        });
    }
    Ok(())
}

fn sound(row: &Row<'_>, key: &DigestKey) -> Option<Read> {
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let (space, embedding) = face(row).ok()??;
    let face_id: FaceId = text(2)?.parse().ok()?;
    let epoch = Epoch(row.get::<_, i64>(3).ok()? as u64);
    let seq = Seq(row.get::<_, i64>(4).ok()? as u64);
    let name: Name = text(5)?.parse().ok()?;
    let flag: Flag = text(6)?.parse().ok()?;
    let customer = Customer { name, flag, space, embedding };
    let hash = key.hash(&face_id, seq, &customer);
    let stored: [u8; 16] = row.get(7).ok()?;
    let slot = Slot(row.get(8).ok()?);
    (hash.to_bytes() == stored).then_some(Read::Sound {
        face_id,
        row: StoredRow { epoch, seq, customer },
        hash,
        slot,
    })
}
