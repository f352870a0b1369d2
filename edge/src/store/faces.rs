//! The table `faces`: slots that hold the vectors of a file; the tables beside it name a slot. A face is erased exactly, at
//! once and in place, because no row of this table ever moves.
//!
//! `secure_delete` overwrites a row where it stands. But when SQLite splits or joins pages it copies rows, and leaves what they were
//! copied from in the unused part of a page. So here a row is only ever appended at the end, which copies no other row, or overwritten by
//! one of the very same size, which SQLite does in place; a slot that becomes free is filled with zeros, and waits for
//! another face of its length. The file stays as long as it once had to be. (In a record 0 and 1 have no bytes of their own, so `used`
//! changes nothing of the size.)
//!
//! Architecture invariant: no row of this table is deleted but all at once.

use rusqlite::{Connection, OptionalExtension, Transaction};
use std::collections::HashSet;

pub(super) const FORM: &str = "
    CREATE TABLE faces (
        slot INTEGER NOT NULL PRIMARY KEY,
        used INTEGER NOT NULL CHECK (used IN (0, 1)),
        face BLOB NOT NULL
    ) STRICT;
    CREATE INDEX faces_free ON faces (length(face)) WHERE used = 0;
";

/// Where a face stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) i64);

/// Keeps a face, in a free slot of its length or in a new one.
pub(super) fn put(tx: &Transaction<'_>, face: &[u8]) -> rusqlite::Result<Slot> {
    let free = tx
        .prepare_cached("SELECT slot FROM faces WHERE used = 0 AND length(face) = length(?1) LIMIT 1")?
        .query_row([face], |row| row.get(0).map(Slot))
        .optional()?;
    if let Some(slot) = free {
        overwrite(tx, slot, face)?;
        return Ok(slot);
    }
    tx.prepare_cached("INSERT INTO faces (used, face) VALUES (1, ?1)")?.execute([face])?;
    Ok(Slot(tx.last_insert_rowid()))
}

/// Keeps a face in the place of another one; answers with its slot, which is a new one where the lengths differ.
pub(super) fn replace(tx: &Transaction<'_>, slot: Slot, face: &[u8]) -> rusqlite::Result<Slot> {
    if overwrite(tx, slot, face)? > 0 {
        return Ok(slot);
    }
    free(tx, slot)?;
    put(tx, face)
}

fn overwrite(tx: &Transaction<'_>, slot: Slot, face: &[u8]) -> rusqlite::Result<usize> {
    tx.prepare_cached("UPDATE faces SET used = 1, face = ?2 WHERE slot = ?1 AND length(face) = length(?2)")?
        .execute((slot.0, face))
}

/// Erases a face.
pub(super) fn free(tx: &Transaction<'_>, slot: Slot) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE faces SET used = 0, face = zeroblob(length(face)) WHERE slot = ?1")?
        .execute([slot.0])
        .map(drop)
}

/// Erases every face: SQLite fills each page of the table with zeros.
pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM faces")?.execute([]).map(drop)
}

/// The slots in use that are none of these: damage has cut them off from whoever named them.
pub(super) fn astray(db: &Connection, named: &HashSet<Slot>) -> rusqlite::Result<Vec<Slot>> {
    let mut query = db.prepare("SELECT slot FROM faces WHERE used = 1")?;
    let used = query.query_map([], |row| row.get(0).map(Slot))?;
    used.filter(|slot| slot.as_ref().map_or(true, |slot| !named.contains(slot))).collect()
}
