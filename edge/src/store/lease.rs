//! The table `lease`: until when the edge may recognise. It lies with the rows it was given for: losing them voids it.

use crate::sync::Lease;
use protocol::{UnixMs, message::EnrolPolicy};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) const FORM: &str = "
    CREATE TABLE lease (
        one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        issued_at INTEGER NOT NULL,
        lease_s   INTEGER NOT NULL,
        enrol     TEXT NOT NULL
    ) STRICT;
";

pub(super) fn put(tx: &Transaction<'_>, lease: Lease, enrol: EnrolPolicy) -> rusqlite::Result<()> {
    let Lease { issued_at, lease_s } = lease;
    tx.prepare_cached("INSERT OR REPLACE INTO lease (one, issued_at, lease_s, enrol) VALUES (1, ?1, ?2, ?3)")?
        .execute(params![issued_at.0, lease_s, enrol.as_str()])
        .map(|_| ())
}

pub(super) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM lease")?.execute([]).map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Option<(Lease, EnrolPolicy)>> {
    let row = db
        .query_row("SELECT issued_at, lease_s, enrol FROM lease", [], |row| {
            Ok((Lease { issued_at: UnixMs(row.get(0)?), lease_s: row.get(1)? }, row.get::<_, String>(2)?))
        })
        .optional()?;
    Ok(row.and_then(|(lease, enrol)| Some((lease, enrol.parse().ok()?))))
}
