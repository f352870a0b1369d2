//! What can never be stored, with the reason.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, LocationId, StreamId, UnixMs};

/// Stores a dead letter once.
pub async fn insert(
    tx: &mut Tx,
    edge: &EdgeId,
    (stream, n): (StreamId, u64),
    location: &LocationId,
    reason: &str,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO dead_letters (edge, stream, n, location, reason, received_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT DO NOTHING")
        .bind(edge.as_str()).bind(stream.0 as i64).bind(n as i64).bind(location.as_str()).bind(reason).bind(now.0)
        .execute(conn).await.map(drop))
}

/// How many a location has, by reason.
pub async fn by_reason(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<(String, i64)>> {
    on!(tx, conn => sqlx::query_as(
        "SELECT reason, COUNT(*) FROM dead_letters WHERE location = $1 GROUP BY reason ORDER BY reason")
        .bind(location.as_str()).fetch_all(conn).await)
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose visit it was.
    pub edge: EdgeId,
    /// The edge's number for it.
    pub number: (StreamId, u64),
    /// Why it can never be stored.
    pub reason: String,
    /// When it came in.
    pub received_at: UnixMs,
}

/// A location's dead letters, the newest first; skips `offset`, at most `limit`.
pub async fn newest(
    tx: &mut Tx,
    location: &LocationId,
    offset: u32,
    limit: u32,
) -> sqlx::Result<Vec<DeadLetter>> {
    let rows: Vec<(String, i64, i64, String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT edge, stream, n, reason, received_at FROM dead_letters WHERE location = $1 \
         ORDER BY received_at DESC, edge, stream, n LIMIT $2 OFFSET $3")
        .bind(location.as_str()).bind(i64::from(limit)).bind(i64::from(offset)).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(edge, stream, n, reason, at)| {
            Ok(DeadLetter {
                edge: column::text(&edge)?,
                number: (StreamId(stream as u64), n as u64),
                reason,
                received_at: UnixMs(at),
            })
        })
        .collect()
}

/// Lets go of what came in before `before`; should it ever come again, it is judged again.
pub async fn prune(tx: &mut Tx, before: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM dead_letters WHERE received_at < $1")
        .bind(before.0).execute(conn).await.map(drop))
}
