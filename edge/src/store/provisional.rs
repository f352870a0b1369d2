//! The table `provisional`: faces this edge has minted and the website has not answered for.

use super::{
    customers,
    faces::{self, Slot},
};
use crate::sync::Provisional;
use protocol::{Embedding, Epoch, FaceId, Seq, SpaceId};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashSet;

pub(super) const FORM: &str = "
    CREATE TABLE provisional (
        face_id       TEXT NOT NULL PRIMARY KEY,
        epoch         INTEGER NOT NULL,
        floor         INTEGER NOT NULL,
        settled_epoch INTEGER,
        settled_seq   INTEGER,
        space         TEXT NOT NULL,
        embedding     BLOB NOT NULL
    ) STRICT;
";

/// Since version 3: the faces stand in slots, behind those of the customers.
pub(super) const IN_SLOTS: &str = "
    ALTER TABLE provisional RENAME TO provisional_with_faces;
    CREATE TABLE provisional (
        face_id       TEXT NOT NULL PRIMARY KEY,
        epoch         INTEGER NOT NULL,
        floor         INTEGER NOT NULL,
        settled_epoch INTEGER,
        settled_seq   INTEGER,
        space         TEXT NOT NULL,
        slot          INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO provisional (face_id, epoch, floor, settled_epoch, settled_seq, space, slot)
        SELECT face_id, epoch, floor, settled_epoch, settled_seq, space,
               rowid + (SELECT coalesce(max(slot), 0) FROM customers)
        FROM provisional_with_faces;
    INSERT INTO faces (slot, used, face)
        SELECT slot, 1, embedding FROM provisional JOIN provisional_with_faces USING (face_id) ORDER BY slot;
    DROP TABLE provisional_with_faces;
";

/// A face of the edge's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFace {
    /// What the rules know of it.
    pub rule: Provisional,
    /// The space of `embedding`.
    pub space: SpaceId,
    /// The face.
    pub embedding: Embedding,
}

pub(super) fn put(tx: &Transaction<'_>, face_id: &FaceId, own: &OwnFace) -> rusqlite::Result<()> {
    let OwnFace { rule: Provisional { basis, settled }, space, embedding } = own;
    delete(tx, face_id)?;
    let slot = faces::put(tx, embedding.as_bytes())?;
    tx.prepare_cached(
        "INSERT INTO provisional (face_id, epoch, floor, settled_epoch, settled_seq, space, slot)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        face_id.as_str(),
        basis.0.0 as i64,
        basis.1.0 as i64,
        settled.map(|(epoch, _)| epoch.0 as i64),
        settled.map(|(_, seq)| seq.0 as i64),
        space.as_str(),
        slot.0,
    ])
    .map(drop)
}

pub(super) fn settle(tx: &Transaction<'_>, face_id: &FaceId, at: (Epoch, Seq)) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE provisional SET settled_epoch = ?2, settled_seq = ?3 WHERE face_id = ?1")?
        .execute(params![face_id.as_str(), at.0.0 as i64, at.1.0 as i64])
        .map(|_| ())
}

/// A face; `None` when it is not there, or damaged.
pub(super) fn face_of(db: &Connection, face_id: &FaceId) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let face = db
        .prepare_cached("SELECT space, face FROM provisional JOIN faces USING (slot) WHERE face_id = ?1")?
        .query_row([face_id.as_str()], customers::face)
        .optional()?;
    Ok(face.flatten())
}

/// Deletes a row and erases its face; tells whether it was there.
pub(super) fn delete(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<bool> {
    let slot = tx
        .prepare_cached("DELETE FROM provisional WHERE face_id = ?1 RETURNING slot")?
        .query_row([face_id.as_str()], |row| row.get(0).map(Slot))
        .optional()?;
    slot.map_or(Ok(()), |slot| faces::free(tx, slot))?;
    Ok(slot.is_some())
}

/// Deletes every row; the faces are cleared for themselves.
pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM provisional")?.execute([]).map(drop)
}

/// Reads every face but the damaged ones, and adds the slot of each row to `named`: a damaged face stays in its slot until its row goes.
pub(super) fn load(db: &Connection, named: &mut HashSet<Slot>) -> rusqlite::Result<Vec<(FaceId, OwnFace)>> {
    let mut query = db.prepare(
        "SELECT space, face, face_id, epoch, floor, settled_epoch, settled_seq, slot
         FROM provisional LEFT JOIN faces USING (slot)",
    )?;
    let rows = query.query_map([], |row| {
        named.insert(Slot(row.get(7)?));
        let number = |column| row.get::<_, Option<i64>>(column).map(|n| n.map(|n| n as u64));
        let basis = (Epoch(number(3)?.unwrap_or_default()), Seq(number(4)?.unwrap_or_default()));
        let settled = number(5)?.map(Epoch).zip(number(6)?.map(Seq));
        let face_id = row.get_ref(2)?.as_str()?.parse().ok();
        let rule = Provisional { basis, settled };
        let own = customers::face(row)?.map(|(space, embedding)| OwnFace { rule, space, embedding });
        Ok(Option::<FaceId>::zip(face_id, own))
    })?;
    rows.filter_map(Result::transpose).collect()
}
