//! What each seq of a location was, without names or content.

use super::locations::update_totals;
use crate::{
    column,
    db::{Tx, on},
    decide::totals::Totals,
};
use protocol::{Epoch, FaceId, LocationId, RowHash, Seq, UnixMs, message::Customer as Content};
use sqlx::PgExecutor;
use std::{fmt, str::FromStr};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its seq.
    pub seq: Seq,
    /// The history the seq counts in.
    pub epoch: Epoch,
    /// Whose row.
    pub face_id: FaceId,
    /// What.
    pub verb: Verb,
    /// Who, for example `token:till` or `edge:AbC...`.
    pub actor: String,
    /// When it was committed, by the website's clock.
    pub at: UnixMs,
}

/// What a change was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A new customer.
    Enrolled,
    /// A new name.
    Renamed,
    /// A new flag.
    Flagged,
    /// Name and flag in one.
    Edited,
    /// Erased.
    Removed,
    /// Turned out to be another customer.
    Merged,
}

impl Verb {
    const ALL: [Verb; 6] =
        [Verb::Enrolled, Verb::Renamed, Verb::Flagged, Verb::Edited, Verb::Removed, Verb::Merged];

    /// The verb in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Enrolled => "enrolled",
            Verb::Renamed => "renamed",
            Verb::Flagged => "flagged",
            Verb::Edited => "edited",
            Verb::Removed => "removed",
            Verb::Merged => "merged",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no verb.
#[derive(Debug, thiserror::Error)]
#[error("not the name of a change")]
pub struct ParseVerbError;

impl FromStr for Verb {
    type Err = ParseVerbError;

    fn from_str(text: &str) -> Result<Self, ParseVerbError> {
        Verb::ALL.into_iter().find(|verb| verb.as_str() == text).ok_or(ParseVerbError)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    epoch: i64,
    face_id: String,
    verb: String,
    actor: String,
    at: i64,
}

impl TryFrom<Row> for Entry {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Entry {
            seq: Seq(row.seq as u64),
            epoch: Epoch(row.epoch as u64),
            face_id: column::text(&row.face_id)?,
            verb: column::text(&row.verb)?,
            actor: row.actor,
            at: UnixMs(row.at),
        })
    }
}

/// Adds a change that others of the same transaction follow.
pub async fn insert(tx: &mut Tx, location: &LocationId, entry: &Entry) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO change_log (location, seq, epoch, face_id, verb, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(location.as_str())
        .bind(entry.seq.0 as i64)
        .bind(entry.epoch.0 as i64)
        .bind(entry.face_id.as_str())
        .bind(entry.verb.as_str())
        .bind(entry.actor.as_str())
        .bind(entry.at.0)
        .execute(conn).await.map(drop))
}

/// The newest change, at the seq of the counters after it.
macro_rules! log {
    () => {
        concat!(log!("VALUES ("), ")")
    };
    ($before:literal) => {
        concat!(
            "INSERT INTO change_log (location, seq, epoch, face_id, verb, actor, at) ",
            $before,
            "$1, $3, $2, $8, $9, $10, $11"
        )
    };
}

/// The content that the newest change gives a live row.
macro_rules! rewrite {
    () => {
        rewrite!("")
    };
    ($from:literal) => {
        concat!(
            "UPDATE customers SET seq = $3, named_seq = CASE WHEN name = $12 THEN named_seq ELSE $3 END, name = $12, \
             flag = $13, row_hash = $14, changed_at = $11 ",
            $from,
            "WHERE location = $1 AND face_id = $8 AND state = 'live'"
        )
    };
}

/// Binds the counters and then the newest change, as the numbers in the texts above say.
macro_rules! bind {
    ($query:expr, $location:expr, $entry:expr, $totals:expr, $issued_at:expr) => {
        $query
            .bind($location.as_str())
            .bind($totals.epoch.0 as i64)
            .bind($totals.seq.0 as i64)
            .bind($totals.count as i64)
            .bind($totals.digest.to_bytes().to_vec())
            .bind($totals.last_removal.0 as i64)
            .bind($issued_at.0)
            .bind($entry.face_id.as_str())
            .bind($entry.verb.as_str())
            .bind($entry.actor.as_str())
            .bind($entry.at.0)
    };
}

/// Adds the newest change and stores the location's counters after it. Every change does both, so they take one round
/// to the database.
pub async fn insert_with_totals(
    tx: &mut Tx,
    location: &LocationId,
    entry: &Entry,
    totals: &Totals,
    issued_at: UnixMs,
) -> sqlx::Result<()> {
    let sql = match tx {
        Tx::Pg(_) => concat!("WITH logged AS (", log!(), ") ", update_totals!()),
        Tx::Lite(_) => concat!(log!(), "; ", update_totals!()),
    };
    on!(tx, conn => bind!(sqlx::query(sql), location, entry, totals, issued_at).execute(conn).await.map(drop))
}

/// The same of a change that gives a live row new content and its hash, which it stores as well.
pub async fn insert_with_rewrite(
    tx: &mut Tx,
    location: &LocationId,
    entry: &Entry,
    (content, row_hash): (&Content, RowHash),
    totals: &Totals,
    issued_at: UnixMs,
) -> sqlx::Result<()> {
    let sql = match tx {
        Tx::Pg(_) => {
            concat!("WITH logged AS (", log!(), "), rewritten AS (", rewrite!(), ") ", update_totals!())
        }
        Tx::Lite(_) => concat!(log!(), "; ", rewrite!(), "; ", update_totals!()),
    };
    on!(tx, conn => bind!(sqlx::query(sql), location, entry, totals, issued_at)
        .bind(content.name.as_str())
        .bind(content.flag.as_str())
        .bind(&row_hash.to_bytes()[..])
        .execute(conn).await.map(drop))
}

/// The same in a transaction of its own and without a lock that was taken before: only if the location's epoch, seq and
/// newest head are still those that the change was made of, `newest_head` and the one before `entry`. Tells whether it was
/// done. (What each part changes depends on what the first one gives; of a location that somebody else is changing it waits
/// for the end of that, and then looks at what was committed.)
pub async fn insert_with_rewrite_if_unmoved(
    on: impl PgExecutor<'_>,
    location: &LocationId,
    entry: &Entry,
    (content, row_hash): (&Content, RowHash),
    totals: &Totals,
    (newest_head, issued_at): (UnixMs, UnixMs),
) -> sqlx::Result<bool> {
    let sql = concat!(
        "WITH unmoved AS (",
        update_totals!(),
        " AND epoch = $2 AND seq = $3 - 1 AND issued_at = $15 RETURNING id), logged AS (",
        log!("SELECT "),
        " FROM unmoved) ",
        rewrite!("FROM unmoved "),
    );
    let done = bind!(sqlx::query(sql), location, entry, totals, issued_at)
        .bind(content.name.as_str())
        .bind(content.flag.as_str())
        .bind(&row_hash.to_bytes()[..])
        .bind(newest_head.0)
        .execute(on)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The change with this seq.
pub async fn get(tx: &mut Tx, location: &LocationId, seq: Seq) -> sqlx::Result<Option<Entry>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT seq, epoch, face_id, verb, actor, at FROM change_log WHERE location = $1 AND seq = $2")
        .bind(location.as_str()).bind(seq.0 as i64).fetch_optional(conn).await)?;
    row.map(Entry::try_from).transpose()
}

/// The newest changes, newest first; at most `limit`.
pub async fn newest(tx: &mut Tx, location: &LocationId, limit: u32) -> sqlx::Result<Vec<Entry>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT seq, epoch, face_id, verb, actor, at FROM change_log WHERE location = $1 ORDER BY seq DESC LIMIT $2")
        .bind(location.as_str()).bind(i64::from(limit)).fetch_all(conn).await)?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The newest `limit` changes after `seq` up to `through`, in order.
pub async fn between(
    tx: &mut Tx,
    location: &LocationId,
    seq: Seq,
    through: Seq,
    limit: u32,
) -> sqlx::Result<Vec<Entry>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT seq, epoch, face_id, verb, actor, at FROM change_log \
         WHERE location = $1 AND seq > $2 AND seq <= $3 ORDER BY seq DESC LIMIT $4")
        .bind(location.as_str()).bind(seq.0 as i64).bind(through.0 as i64).bind(i64::from(limit))
        .fetch_all(conn).await)?;
    rows.into_iter().rev().map(Entry::try_from).collect()
}

/// The lowest seq of a change made at `from` or later.
pub async fn first_since(tx: &mut Tx, location: &LocationId, from: UnixMs) -> sqlx::Result<Option<Seq>> {
    let seq: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "SELECT MIN(seq) FROM change_log WHERE location = $1 AND at >= $2")
        .bind(location.as_str()).bind(from.0).fetch_one(conn).await)?;
    Ok(seq.map(|seq| Seq(seq as u64)))
}

/// The lowest seq that is still there.
pub async fn oldest(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Option<Seq>> {
    let seq: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "SELECT MIN(seq) FROM change_log WHERE location = $1").bind(location.as_str()).fetch_one(conn).await)?;
    Ok(seq.map(|seq| Seq(seq as u64)))
}

/// Lets go of changes made before `before`.
pub async fn prune(tx: &mut Tx, before: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM change_log WHERE at < $1")
        .bind(before.0).execute(conn).await.map(drop))
}
