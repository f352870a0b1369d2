//! The table `provisional`: faces this edge has minted and the website has not answered for.

use super::customers;
use crate::sync::Provisional;
use protocol::{Embedding, Epoch, FaceId, Seq, SpaceId};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

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
    tx.prepare_cached(
        "INSERT OR REPLACE INTO provisional (face_id, epoch, floor, settled_epoch, settled_seq, space, embedding)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        face_id.as_str(),
        basis.0.0 as i64,
        basis.1.0 as i64,
        settled.map(|(epoch, _)| epoch.0 as i64),
        settled.map(|(_, seq)| seq.0 as i64),
        space.as_str(),
        embedding.as_bytes(),
    ])
    .map(|_| ())
}

pub(super) fn settle(tx: &Transaction<'_>, face_id: &FaceId, at: (Epoch, Seq)) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE provisional SET settled_epoch = ?2, settled_seq = ?3 WHERE face_id = ?1")?
        .execute(params![face_id.as_str(), at.0.0 as i64, at.1.0 as i64])
        .map(|_| ())
}

/// A face; `None` when it is not there, or damaged.
pub(super) fn face_of(db: &Connection, face_id: &FaceId) -> rusqlite::Result<Option<(SpaceId, Embedding)>> {
    let face = db
        .prepare_cached("SELECT space, embedding FROM provisional WHERE face_id = ?1")?
        .query_row([face_id.as_str()], customers::face)
        .optional()?;
    Ok(face.flatten())
}

/// Deletes a face; tells whether it was there.
pub(super) fn delete(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<bool> {
    let deleted =
        tx.prepare_cached("DELETE FROM provisional WHERE face_id = ?1")?.execute([face_id.as_str()])?;
    Ok(deleted > 0)
}

pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM provisional")?.execute([]).map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<(FaceId, OwnFace)>> {
    let mut query = db.prepare(
        "SELECT space, embedding, face_id, epoch, floor, settled_epoch, settled_seq FROM provisional",
    )?;
    let rows = query.query_map([], |row| {
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
