//! The table `visits`: what was seen, until the website has stored it and a backup of the website holds it.

use super::{
    customers,
    faces::{self, Slot},
    provisional::OwnFace,
};
use crate::sync::{Entry, VisitKey, Weight};
use protocol::{
    Epoch, FaceId, Seq, StreamId, UnixMs,
    message::{Basis, Seen, Similarity},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashSet;

pub(super) const FORM: &str = "
    CREATE TABLE visits (
        id          INTEGER NOT NULL PRIMARY KEY,
        stream      INTEGER NOT NULL,
        n           INTEGER NOT NULL,
        at          INTEGER NOT NULL,
        kind        TEXT NOT NULL CHECK (kind IN ('known', 'new', 'anonymous')),
        face_id     TEXT,
        similarity  INTEGER,
        space       TEXT,
        embedding   BLOB,
        epoch       INTEGER NOT NULL,
        verified    INTEGER NOT NULL,
        staleness_s INTEGER NOT NULL,
        settled_at  INTEGER,
        UNIQUE (stream, n)
    ) STRICT;
    CREATE INDEX visits_face ON visits (face_id) WHERE kind = 'new';
";

/// Since version 3: the faces stand in slots.
pub(super) const IN_SLOTS: &str = "
    ALTER TABLE visits ADD COLUMN slot INTEGER;
    INSERT INTO faces (slot, used, face)
        SELECT id, 1, embedding FROM visits WHERE embedding IS NOT NULL ORDER BY id;
    UPDATE visits SET slot = id WHERE embedding IS NOT NULL;
    ALTER TABLE visits DROP COLUMN embedding;
";

/// A visit to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVisit {
    /// Its number.
    pub key: VisitKey,
    /// The edge's clock.
    pub at: UnixMs,
    /// Whom.
    pub seen: Seen,
    /// On what it was decided.
    pub basis: Basis,
}

/// A visit that was counted, and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedVisit {
    /// The visit.
    pub visit: NewVisit,
    /// Visits that had to go for it, because too many wait.
    pub lost: Vec<VisitKey>,
    /// What the rules know of the face that it proposes, if it proposes one.
    pub own: Option<OwnFace>,
}

impl CountedVisit {
    /// Who it is, unless counted without identity.
    pub fn who(&self) -> Option<&FaceId> {
        match &self.visit.seen {
            Seen::Known { face_id, .. } | Seen::New { face_id, .. } => Some(face_id),
            Seen::Anonymous => None,
        }
    }

    /// The face that it proposes, if it proposes one.
    pub fn face(&self) -> Option<(&FaceId, &OwnFace)> {
        match (&self.visit.seen, &self.own) {
            (Seen::New { face_id, .. }, Some(own)) => Some((face_id, own)),
            _ => None,
        }
    }
}

/// A visit as it is sent, but for the moment of sending.
pub type StoredVisit = NewVisit;

pub(super) fn add(tx: &Transaction<'_>, visit: &NewVisit) -> rusqlite::Result<()> {
    let NewVisit { key, at, seen, basis: Basis { epoch, verified, staleness_s } } = visit;
    let (kind, face_id, similarity, face) = match seen {
        Seen::Known { face_id, similarity } => ("known", Some(face_id), Some(similarity.0), None),
        Seen::New { face_id, space, embedding } => ("new", Some(face_id), None, Some((space, embedding))),
        Seen::Anonymous => ("anonymous", None, None, None),
    };
    let slot = face.map(|(_, embedding)| faces::put(tx, embedding.as_bytes())).transpose()?;
    tx.prepare_cached(
        "INSERT INTO visits (stream, n, at, kind, face_id, similarity, space, slot, epoch, verified, staleness_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        key.stream.0 as i64,
        key.n as i64,
        at.0,
        kind,
        face_id.map(FaceId::as_str),
        similarity,
        face.map(|(space, _)| space.as_str()),
        slot.map(|slot| slot.0),
        epoch.0 as i64,
        verified.0 as i64,
        staleness_s,
    ])
    .map(|_| ())
}

pub(super) fn get(db: &Connection, key: VisitKey) -> rusqlite::Result<Option<StoredVisit>> {
    db.prepare_cached(
        "SELECT space, face, at, kind, face_id, similarity, epoch, verified, staleness_s
         FROM visits LEFT JOIN faces USING (slot) WHERE stream = ?1 AND n = ?2",
    )?
    .query_row(params![key.stream.0 as i64, key.n as i64], |row| stored(row, key))
    .optional()
}

fn stored(row: &Row<'_>, key: VisitKey) -> rusqlite::Result<StoredVisit> {
    let at = UnixMs(row.get(2)?);
    let face_id = row.get::<_, Option<String>>(4)?.and_then(|text| text.parse().ok());
    let seen = match (row.get_ref(3)?.as_str()?, face_id) {
        ("known", Some(face_id)) => Seen::Known { face_id, similarity: Similarity(row.get(5)?) },
        ("new", Some(face_id)) => match customers::face(row)? {
            Some((space, embedding)) => Seen::New { face_id, space, embedding },
            None => Seen::Anonymous,
        },
        _ => Seen::Anonymous,
    };
    let (epoch, verified) = (Epoch(row.get::<_, i64>(6)? as u64), Seq(row.get::<_, i64>(7)? as u64));
    Ok(StoredVisit { key, at, seen, basis: Basis { epoch, verified, staleness_s: row.get(8)? } })
}

pub(super) fn mark(tx: &Transaction<'_>, key: VisitKey, at: UnixMs) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE visits SET settled_at = ?3 WHERE stream = ?1 AND n = ?2")?
        .execute(params![key.stream.0 as i64, key.n as i64, at.0])
        .map(|_| ())
}

pub(super) fn unsettle(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE visits SET settled_at = NULL")?.execute([]).map(|_| ())
}

pub(super) fn forget(tx: &Transaction<'_>, key: VisitKey) -> rusqlite::Result<()> {
    let slot = tx
        .prepare_cached("DELETE FROM visits WHERE stream = ?1 AND n = ?2 RETURNING slot")?
        .query_row(params![key.stream.0 as i64, key.n as i64], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    slot.flatten().map_or(Ok(()), |slot| faces::free(tx, Slot(slot)))
}

/// Visits that proposed this face become anonymous: the vector goes. Tells how many there were.
pub(super) fn scrub(tx: &Transaction<'_>, face_id: &FaceId) -> rusqlite::Result<usize> {
    let mut query = tx.prepare_cached("SELECT slot FROM visits WHERE kind = 'new' AND face_id = ?1")?;
    let slots = query.query_map([face_id.as_str()], |row| row.get::<_, Option<i64>>(0))?;
    let slots: Vec<Option<i64>> = slots.collect::<rusqlite::Result<_>>()?;
    slots.into_iter().flatten().try_for_each(|slot| faces::free(tx, Slot(slot)))?;
    tx.prepare_cached(
        "UPDATE visits SET kind = 'anonymous', face_id = NULL, space = NULL, slot = NULL
         WHERE kind = 'new' AND face_id = ?1",
    )?
    .execute([face_id.as_str()])
}

/// The slots that visits name.
pub(super) fn slots(db: &Connection) -> rusqlite::Result<HashSet<Slot>> {
    let mut query = db.prepare("SELECT slot FROM visits WHERE slot IS NOT NULL")?;
    let slots = query.query_map([], |row| row.get(0).map(Slot))?;
    slots.collect()
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut query = db.prepare("SELECT stream, n, kind, face_id, settled_at FROM visits ORDER BY id")?;
    let rows = query.query_map([], |row| {
        let key =
            VisitKey { stream: StreamId(row.get::<_, i64>(0)? as u64), n: row.get::<_, i64>(1)? as u64 };
        let face_id = row.get::<_, Option<String>>(3)?.and_then(|text| text.parse().ok());
        let weight = match (row.get_ref(2)?.as_str()?, face_id) {
            ("known", _) => Weight::Known,
            ("new", Some(face_id)) => Weight::New(face_id),
            _ => Weight::Anonymous,
        };
        Ok(Entry { key, weight, settled_at: row.get::<_, Option<i64>>(4)?.map(UnixMs) })
    })?;
    rows.collect()
}
