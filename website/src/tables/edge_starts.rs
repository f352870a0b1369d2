//! Every start an edge has reported.

use crate::db::{Tx, on};
use protocol::{EdgeId, UnixMs, message::Start};

/// Remembers a start.
pub async fn insert(tx: &mut Tx, edge: &EdgeId, start: Start, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO edge_starts (edge, nonce, start_count, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(edge.as_str()).bind(start.nonce.0 as i64).bind(start.count as i64).bind(now.0)
        .execute(conn).await.map(drop))
}

/// Forgets an edge's starts: it joined anew.
pub async fn delete(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM edge_starts WHERE edge = $1")
        .bind(edge.as_str()).execute(conn).await.map(drop))
}

/// When a start was first heard of; none when it never was.
pub async fn since(tx: &mut Tx, edge: &EdgeId, start: Start) -> sqlx::Result<Option<UnixMs>> {
    let at: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "SELECT at FROM edge_starts WHERE edge = $1 AND nonce = $2 AND start_count = $3")
        .bind(edge.as_str()).bind(start.nonce.0 as i64).bind(start.count as i64).fetch_optional(conn).await)?;
    Ok(at.map(UnixMs))
}
