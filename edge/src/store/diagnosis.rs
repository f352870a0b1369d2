//! The table `diagnosis`: why the rows were given up last. It lies in the outbox, because the cache is what was given up.
//! Empty while that has never happened.

use crate::sync::Diagnosis;
use protocol::{Epoch, Seq, UnixMs};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) const FORM: &str = "
    CREATE TABLE diagnosis (
        one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        at         INTEGER NOT NULL,
        epoch      INTEGER NOT NULL,
        as_of      INTEGER NOT NULL,
        row_count  INTEGER NOT NULL,
        first_faces TEXT NOT NULL
    ) STRICT;
";

pub(super) fn put(tx: &Transaction<'_>, diagnosis: &Diagnosis) -> rusqlite::Result<()> {
    let Diagnosis { at, epoch, as_of, rows, faces } = diagnosis;
    let faces: Vec<&str> = faces.iter().map(protocol::FaceId::as_str).collect();
    tx.prepare_cached(
        "INSERT OR REPLACE INTO diagnosis (one, at, epoch, as_of, row_count, first_faces)
         VALUES (1, ?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![at.0, epoch.0 as i64, as_of.0 as i64, *rows as i64, faces.join(" ")])
    .map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Option<Diagnosis>> {
    db.query_row("SELECT at, epoch, as_of, row_count, first_faces FROM diagnosis", [], |row| {
        let faces: String = row.get(4)?;
        Ok(Diagnosis {
            at: UnixMs(row.get(0)?),
            epoch: Epoch(row.get::<_, i64>(1)? as u64),
            as_of: Seq(row.get::<_, i64>(2)? as u64),
            rows: row.get::<_, i64>(3)? as u64,
            faces: faces.split_whitespace().filter_map(|face| face.parse().ok()).collect(),
        })
    })
    .optional()
}
