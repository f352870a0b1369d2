//! The table `customers`: the website's rows.

use crate::sync::Put;
use protocol::{
    Embedding, Epoch, FaceId, Name, Seq, SpaceId,
    message::{Customer, Flag},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

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

pub(super) fn put(tx: &Transaction<'_>, put: &Put) -> rusqlite::Result<()> {
    let Put { face_id, epoch, seq, hash, customer: Customer { name, flag, space, embedding } } = put;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO customers (face_id, epoch, seq, name, flag, space, embedding, row_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        face_id.as_str(),
        epoch.0 as i64,
        seq.0 as i64,
        name.as_str(),
        flag.as_str(),
        space.as_str(),
        embedding.as_bytes(),
        hash.to_bytes(),
    ])?;
    Ok(())
}

/// A row; `None` when it is not there, or damaged.
pub(super) fn get(db: &Connection, face_id: &FaceId) -> rusqlite::Result<Option<StoredRow>> {
    let row = db
        .prepare_cached(
            "SELECT face_id, epoch, seq, name, flag, space, embedding FROM customers WHERE face_id = ?1",
        )?
        .query_row([face_id.as_str()], stored)
        .optional()?;
    Ok(row.flatten().map(|(_, row)| row))
}

/// The face of a row; `None` when there is no such row, or it is damaged.
pub(super) fn face_of(db: &Connection, face_id: &FaceId) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let face = db
        .prepare_cached("SELECT space, embedding FROM customers WHERE face_id = ?1")?
        .query_row([face_id.as_str()], face)
        .optional()?;
    Ok(face.flatten())
}

/// Deletes a row; tells whether it was there.
pub(super) fn delete(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<bool> {
    let deleted =
        tx.prepare_cached("DELETE FROM customers WHERE face_id = ?1")?.execute([face_id.as_str()])?;
    Ok(deleted > 0)
}

/// Reads the face columns; `None` when they are damaged.
pub(super) fn face(row: &Row<'_>) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let space = row.get_ref(0)?.as_str()?.parse().ok();
    let embedding = Embedding::from_bytes(row.get_ref(1)?.as_blob()?).ok();
    Ok(space.zip(embedding))
}

pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM customers")?.execute([]).map(|_| ())
}

pub(super) fn adopt_epoch(tx: &Transaction<'_>, epoch: Epoch) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE customers SET epoch = ?1")?.execute([epoch.0 as i64]).map(|_| ())
}

/// Hands every row to `each`; damaged ones are left out, and counted.
pub(super) fn load(db: &Connection, each: &mut dyn FnMut(FaceId, StoredRow)) -> rusqlite::Result<usize> {
    let mut query = db.prepare("SELECT face_id, epoch, seq, name, flag, space, embedding FROM customers")?;
    let mut damaged = 0;
    for row in query.query_map([], stored)? {
        match row? {
            Some((face_id, row)) => each(face_id, row),
            None => damaged += 1,
        }
    }
    Ok(damaged)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Option<(FaceId, StoredRow)>> {
    let parsed = || {
        let face_id = row.get_ref(0).ok()?.as_str().ok()?.parse().ok()?;
        let epoch = Epoch(row.get::<_, i64>(1).ok()? as u64);
        let seq = Seq(row.get::<_, i64>(2).ok()? as u64);
        let name: Name = row.get_ref(3).ok()?.as_str().ok()?.parse().ok()?;
        let flag: Flag = row.get_ref(4).ok()?.as_str().ok()?.parse().ok()?;
        let space = row.get_ref(5).ok()?.as_str().ok()?.parse().ok()?;
        let embedding = Embedding::from_bytes(row.get_ref(6).ok()?.as_blob().ok()?).ok()?;
        Some((face_id, StoredRow { epoch, seq, customer: Customer { name, flag, space, embedding } }))
    };
    Ok(parsed())
}
