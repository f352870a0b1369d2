//! Codes that wait for the edge that brings them.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, UnixMs};

/// Gives `edge` a code, in place of any earlier one.
pub async fn upsert(tx: &mut Tx, edge: &EdgeId, hash: &[u8; 32], expires_at: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO join_codes (edge, hash, expires_at) VALUES ($1, $2, $3) \
         ON CONFLICT (edge) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at")
        .bind(edge.as_str()).bind(&hash[..]).bind(expires_at.0).execute(conn).await.map(drop))
}

/// Whose code this is, and until when it holds.
pub async fn get(tx: &mut Tx, hash: &[u8; 32]) -> sqlx::Result<Option<(EdgeId, UnixMs)>> {
    let row: Option<(String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT edge, expires_at FROM join_codes WHERE hash = $1")
        .bind(&hash[..]).fetch_optional(conn).await)?;
    row.map(|(edge, expires_at)| Ok((column::text(&edge)?, UnixMs(expires_at)))).transpose()
}

/// Takes an edge's code away; tells whether there was one.
pub async fn delete(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query("DELETE FROM join_codes WHERE edge = $1")
        .bind(edge.as_str()).execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// Lets go of codes that expired before `before`.
pub async fn prune(tx: &mut Tx, before: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM join_codes WHERE expires_at < $1")
        .bind(before.0).execute(conn).await.map(drop))
}
