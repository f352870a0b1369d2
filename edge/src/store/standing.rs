//! The table `standing`: how far the edge has verified, and how often it has started. One row.

use super::position;
use crate::sync::Standing;
use rusqlite::{Connection, Transaction};

pub(super) const FORM: &str = "
    CREATE TABLE standing (
        one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        epoch       INTEGER,
        floor       INTEGER NOT NULL,
        issued_at   INTEGER,
        clock       INTEGER,
        removal_epoch INTEGER,
        removal_seq INTEGER,
        starts      INTEGER NOT NULL,
        lost_visits INTEGER NOT NULL
    ) STRICT;
    INSERT INTO standing (one, epoch, floor, issued_at, clock, starts, lost_visits) VALUES (1, NULL, 0, NULL, NULL, 0, 0);
";

/// Since version 2.
pub(super) const LOST_RECEIPTS: &str =
    "ALTER TABLE standing ADD COLUMN lost_receipts INTEGER NOT NULL DEFAULT 0;";

/// The row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingRow {
    /// What the rules know.
    pub standing: Standing,
    /// How often the edge has started.
    pub starts: u64,
    /// Visits lost because too many waited.
    pub lost_visits: u64,
    /// Receipts lost because too many waited.
    pub lost_receipts: u64,
}

pub(super) fn put(tx: &Transaction<'_>, standing: &Standing) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE standing SET epoch = ?1, floor = ?2, issued_at = ?3, clock = ?4,
        removal_epoch = ?5, removal_seq = ?6",
    )?
    .execute(position::columns(standing))
    .map(|_| ())
}

pub(super) fn started(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    tx.query_row("UPDATE standing SET starts = starts + 1 RETURNING starts", [], |row| row.get::<_, i64>(0))
        .map(|starts| starts as u64)
}

pub(super) fn lost(tx: &Transaction<'_>, visits: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE standing SET lost_visits = lost_visits + ?1")?
        .execute([visits as i64])
        .map(|_| ())
}

pub(super) fn lost_receipts(tx: &Transaction<'_>, receipts: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE standing SET lost_receipts = lost_receipts + ?1")?
        .execute([receipts as i64])
        .map(|_| ())
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<StandingRow> {
    let sql = "SELECT epoch, floor, issued_at, clock, removal_epoch, removal_seq, starts, lost_visits, lost_receipts
        FROM standing";
    db.query_row(sql, [], |row| {
        Ok(StandingRow {
            standing: position::standing(row)?,
            starts: row.get::<_, i64>(6)? as u64,
            lost_visits: row.get::<_, i64>(7)? as u64,
            lost_receipts: row.get::<_, i64>(8)? as u64,
        })
    })
}
