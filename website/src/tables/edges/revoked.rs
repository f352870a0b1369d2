//! Edges that were shut out for good.

use crate::{
    column,
    db::{Tx, on},
    decide::revocation::{Known, Revocation},
};
use protocol::{EdgeId, UnixMs};

/// Shuts an edge out for good; tells whether it was not yet. The ledger does not have that yet.
pub async fn revoke(tx: &mut Tx, id: &EdgeId, now: UnixMs) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "UPDATE edges SET revoked_at = $2, revoked_in_ledger = 0, online = 0 WHERE id = $1 AND revoked_at IS NULL")
        .bind(id.as_str()).bind(now.0).execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// Every edge of every location, as the ledger is compared with it.
pub async fn known(tx: &mut Tx) -> sqlx::Result<Vec<Known>> {
    let rows: Vec<(String, String, Option<i64>)> = on!(tx, conn => sqlx::query_as(
        "SELECT location, id, revoked_at FROM edges ORDER BY location, id").fetch_all(conn).await)?;
    let known = |(location, edge, at): &(String, String, Option<i64>)| {
        let (location, edge) = (column::text(location)?, column::text(edge)?);
        Ok(Known { location, edge, revoked_at: column::moment(*at) })
    };
    rows.iter().map(known).collect()
}

/// Revocations that the ledger does not have yet; at most `limit`.
pub async fn unwritten_revocations(tx: &mut Tx, limit: u32) -> sqlx::Result<Vec<Revocation>> {
    let rows: Vec<(String, String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT location, id, revoked_at FROM edges WHERE revoked_at IS NOT NULL AND revoked_in_ledger = 0 \
         ORDER BY revoked_at LIMIT $1")
        .bind(i64::from(limit)).fetch_all(conn).await)?;
    let revocation = |(location, edge, at): &(String, String, i64)| {
        Ok(Revocation { location: column::text(location)?, edge: column::text(edge)?, at: UnixMs(*at) })
    };
    rows.iter().map(revocation).collect()
}

/// The ledger has the revocation of this edge.
pub async fn set_revocation_written(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET revoked_in_ledger = 1 WHERE id = $1")
        .bind(id.as_str()).execute(conn).await.map(drop))
}

/// The ledger does not have the revocation of this edge: it is to be written again.
pub async fn set_revocation_unwritten(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET revoked_in_ledger = 0 WHERE id = $1")
        .bind(id.as_str()).execute(conn).await.map(drop))
}
