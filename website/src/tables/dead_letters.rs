//! What can never be stored, with the reason.

use crate::db::{Tx, on};
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
