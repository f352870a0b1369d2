//! The visits of boxes that poll, by the ids that the boxes gave them.

use super::visits::Kind;
use crate::{
    column,
    db::{Tx, on},
    polling::VisitId,
};
use protocol::{EdgeId, FaceId, StreamId};

/// The stream of their visits: the boxes have none, and number nothing.
pub const STREAM: StreamId = StreamId(0);

/// Stores that a box's visit has number `n` among its edge's.
pub async fn insert(tx: &mut Tx, edge: &EdgeId, visit: &VisitId, n: u64) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("INSERT INTO polled_visits (edge, visit, n) VALUES ($1, $2, $3)")
        .bind(edge.as_str()).bind(&visit.hash()[..]).bind(n as i64).execute(conn).await.map(drop))
}

/// What became of a box's visit, and whose it is by now; nothing when it is not stored.
pub async fn get(
    tx: &mut Tx,
    edge: &EdgeId,
    visit: &VisitId,
) -> sqlx::Result<Option<(Kind, Option<FaceId>)>> {
    let row: Option<(String, Option<String>)> = on!(tx, conn => sqlx::query_as(
        "SELECT v.kind, v.face_id FROM polled_visits p JOIN visits v ON v.edge = p.edge AND v.stream = $3 AND v.n = p.n \
         WHERE p.edge = $1 AND p.visit = $2")
        .bind(edge.as_str()).bind(&visit.hash()[..]).bind(STREAM.0 as i64).fetch_optional(conn).await)?;
    row.map(|(kind, face)| Ok((column::text(&kind)?, column::text_or_null(face.as_deref())?))).transpose()
}

/// The highest number that a visit of this edge has; 0 without one.
pub async fn newest(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<u64> {
    let n: i64 = on!(tx, conn => sqlx::query_scalar("SELECT COALESCE(MAX(n), 0) FROM polled_visits WHERE edge = $1")
        .bind(edge.as_str()).fetch_one(conn).await)?;
    Ok(n as u64)
}
