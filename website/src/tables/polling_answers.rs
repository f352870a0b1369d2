//! What each answer to a box that polls has brought it to, by the time the answer bore.

use crate::{
    db::{Tx, on},
    decide::poll::{End, Reach},
};
use protocol::{EdgeId, Epoch, Seq};

#[derive(sqlx::FromRow)]
struct Row {
    epoch: i64,
    removed_seq: i64,
    changed_seq: i64,
    held_seq: i64,
    cut: i64,
}

impl From<Row> for Reach {
    fn from(row: Row) -> Reach {
        Reach {
            epoch: Epoch(row.epoch as u64),
            removed: Seq(row.removed_seq as u64),
            changed: Seq(row.changed_seq as u64),
            held: Seq(row.held_seq as u64),
            end: if row.cut == 1 { End::Cut } else { End::Whole },
        }
    }
}

/// Stores that the answer to question number `asking` bore the time `stamp` (seconds since 1970).
pub async fn insert(tx: &mut Tx, edge: &EdgeId, stamp: i64, asking: u64, reach: &Reach) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO polling_answers (edge, stamp, asking, epoch, removed_seq, changed_seq, held_seq, cut) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(edge.as_str())
        .bind(stamp)
        .bind(asking as i64)
        .bind(reach.epoch.0 as i64)
        .bind(reach.removed.0 as i64)
        .bind(reach.changed.0 as i64)
        .bind(reach.held.0 as i64)
        .bind(i64::from(reach.end == End::Cut))
        .execute(conn).await.map(drop))
}

/// What the answer brought the box to that bore this time, if it was one to a question before number `asking`.
pub async fn at(tx: &mut Tx, edge: &EdgeId, stamp: i64, asking: u64) -> sqlx::Result<Option<Reach>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT epoch, removed_seq, changed_seq, held_seq, cut FROM polling_answers \
         WHERE edge = $1 AND stamp = $2 AND asking < $3")
        .bind(edge.as_str()).bind(stamp).bind(asking as i64).fetch_optional(conn).await)?;
    Ok(row.map(Reach::from))
}

/// What the newest answer brought the box to that bore this time or an earlier one.
pub async fn newest_through(tx: &mut Tx, edge: &EdgeId, stamp: i64) -> sqlx::Result<Option<Reach>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT epoch, removed_seq, changed_seq, held_seq, cut FROM polling_answers \
         WHERE edge = $1 AND stamp <= $2 ORDER BY stamp DESC LIMIT 1")
        .bind(edge.as_str()).bind(stamp).fetch_optional(conn).await)?;
    Ok(row.map(Reach::from))
}

/// What the first answer to question number `asking` brought the box to.
pub async fn first_of(tx: &mut Tx, edge: &EdgeId, asking: u64) -> sqlx::Result<Option<Reach>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT epoch, removed_seq, changed_seq, held_seq, cut FROM polling_answers \
         WHERE edge = $1 AND asking = $2 ORDER BY stamp LIMIT 1")
        .bind(edge.as_str()).bind(asking as i64).fetch_optional(conn).await)?;
    Ok(row.map(Reach::from))
}

/// Lets go of the answers to questions before number `asking`, and of all but the first and the newest `kept` to a later
/// one.
pub async fn prune(tx: &mut Tx, edge: &EdgeId, asking: u64, kept: u32) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "DELETE FROM polling_answers WHERE edge = $1 AND (asking < $2 OR stamp IN (SELECT stamp FROM \
         (SELECT stamp, ROW_NUMBER() OVER (PARTITION BY asking ORDER BY stamp) AS nth, \
         ROW_NUMBER() OVER (PARTITION BY asking ORDER BY stamp DESC) AS back FROM polling_answers WHERE edge = $1) \
         AS numbered WHERE nth > 1 AND back > $3))")
        .bind(edge.as_str()).bind(asking as i64).bind(i64::from(kept)).execute(conn).await.map(drop))
}

/// Lets go of all answers to a box: another one has joined in its place.
pub async fn delete(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM polling_answers WHERE edge = $1")
        .bind(edge.as_str()).execute(conn).await.map(drop))
}
