//! The table `position`: the standing that belongs to the rows of this file, written with them. The outbox has it too, where
//! the loss of this file does not take it, but it may come to the disk a little later there. Empty until the first write.

use crate::sync::Standing;
use protocol::{Epoch, Seq, UnixMs};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

/// Since version 2.
pub(super) const FORM: &str = "
    CREATE TABLE position (
        one           INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        epoch         INTEGER,
        floor         INTEGER NOT NULL,
        issued_at     INTEGER,
        clock         INTEGER,
        removal_epoch INTEGER,
        removal_seq   INTEGER
    ) STRICT;
";

pub(super) fn put(tx: &Transaction<'_>, standing: &Standing) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO position (one, epoch, floor, issued_at, clock, removal_epoch, removal_seq)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(columns(standing))
    .map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Standing> {
    let sql = "SELECT epoch, floor, issued_at, clock, removal_epoch, removal_seq FROM position";
    Ok(db.query_row(sql, [], standing).optional()?.unwrap_or_default())
}

/// A standing as columns, in this order: epoch, floor, issued_at, clock, removal_epoch, removal_seq.
pub(super) fn columns(standing: &Standing) -> [Option<i64>; 6] {
    let Standing { epoch, floor, issued_at, clock, removal } = standing;
    [
        epoch.map(|epoch| epoch.0 as i64),
        Some(floor.0 as i64),
        issued_at.map(|at| at.0),
        clock.map(|at| at.0),
        removal.map(|(epoch, _)| epoch.0 as i64),
        removal.map(|(_, seq)| seq.0 as i64),
    ]
}

/// Reads it from columns in that order.
pub(super) fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let number = |column| row.get::<_, Option<i64>>(column);
    let removal = number(4)?.zip(number(5)?);
    Ok(Standing {
        epoch: number(0)?.map(|epoch| Epoch(epoch as u64)),
        floor: Seq(row.get::<_, i64>(1)? as u64),
        issued_at: number(2)?.map(UnixMs),
        clock: number(3)?.map(UnixMs),
        removal: removal.map(|(epoch, seq)| (Epoch(epoch as u64), Seq(seq as u64))),
    })
}
