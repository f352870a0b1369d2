//! When an edge was first known to hold a seq.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, Epoch, LocationId, Seq, UnixMs};

/// Stores that `edge` was known to hold `seq` at `now`.
pub async fn insert(tx: &mut Tx, edge: &EdgeId, epoch: Epoch, seq: Seq, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO edge_progress (edge, epoch, seq, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(edge.as_str()).bind(epoch.0 as i64).bind(seq.0 as i64).bind(now.0).execute(conn).await.map(drop))
}

/// For each edge of the location that was ever known to hold `seq`: since when.
pub async fn holding(
    tx: &mut Tx,
    location: &LocationId,
    epoch: Epoch,
    seq: Seq,
) -> sqlx::Result<Vec<(EdgeId, UnixMs)>> {
    let rows: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT edge, MIN(at) FROM edge_progress WHERE epoch = $2 AND seq >= $3 \
         AND edge IN (SELECT id FROM edges WHERE location = $1) GROUP BY edge")
        .bind(location.as_str()).bind(epoch.0 as i64).bind(seq.0 as i64).fetch_all(conn).await)?;
    rows.into_iter().map(|(edge, at)| Ok((column::text(&edge)?, UnixMs(at)))).collect()
}

/// Lets go of what was stored before `before`.
pub async fn prune(tx: &mut Tx, before: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM edge_progress WHERE at < $1")
        .bind(before.0).execute(conn).await.map(drop))
}
