//! The table `dropped`: what was removed or dropped, until the verified floor has passed it.

use crate::sync::Standing;
use protocol::{Epoch, FaceId, Seq};
use rusqlite::{Connection, Transaction, params};
use std::collections::BTreeMap;

pub(super) const FORM: &str = "
    CREATE TABLE dropped (
        face_id TEXT NOT NULL PRIMARY KEY,
        epoch   INTEGER NOT NULL,
        seq     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

pub(super) fn remember(
    tx: &Transaction<'_>,
    face_id: &FaceId,
    epoch: Epoch,
    seq: Seq,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO dropped (face_id, epoch, seq) VALUES (?1, ?2, ?3)")?
        .execute(params![face_id.as_str(), epoch.0 as i64, seq.0 as i64])
        .map(|_| ())
}

pub(super) fn forget(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM dropped WHERE face_id = ?1")?.execute([face_id.as_str()]).map(|_| ())
}

/// Forgets what the floor has passed, and what belongs to another epoch.
pub(super) fn forget_up_to(tx: &Transaction<'_>, standing: &Standing) -> rusqlite::Result<()> {
    let Some(epoch) = standing.epoch else { return Ok(()) };
    tx.prepare_cached("DELETE FROM dropped WHERE epoch <> ?1 OR seq <= ?2")?
        .execute(params![epoch.0 as i64, standing.floor.0 as i64])
        .map(|_| ())
}

pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM dropped")?.execute([]).map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<BTreeMap<FaceId, (Epoch, Seq)>> {
    let mut query = db.prepare("SELECT face_id, epoch, seq FROM dropped")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, Epoch(row.get::<_, i64>(1)? as u64), Seq(row.get::<_, i64>(2)? as u64)))
    })?;
    let mut dropped = BTreeMap::new();
    for row in rows {
        let (face_id, epoch, seq) = row?;
        if let Ok(face_id) = face_id.parse() {
            dropped.insert(face_id, (epoch, seq));
        }
    }
    Ok(dropped)
}
