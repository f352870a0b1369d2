//! New faces that wait for a manager; on no edge until accepted.

use super::faces::Slot;
use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, Embedding, FaceId, LocationId, SpaceId, UnixMs};

/// One face that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Minted by the edge.
    pub face_id: FaceId,
    /// Who saw it.
    pub edge: EdgeId,
    /// The space of `embedding`.
    pub space: SpaceId,
    /// The face.
    pub embedding: Embedding,
    /// When, by the edge's clock.
    pub seen_at: UnixMs,
    /// When it came in.
    pub received_at: UnixMs,
}

#[derive(sqlx::FromRow)]
struct Row {
    face_id: String,
    edge: String,
    space_id: String,
    face: Vec<u8>,
    seen_at: i64,
    received_at: i64,
}

impl TryFrom<Row> for Waiting {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Waiting {
            face_id: column::text(&row.face_id)?,
            edge: column::text(&row.edge)?,
            space: column::text(&row.space_id)?,
            embedding: column::parsed(Embedding::from_bytes(&row.face), "face")?,
            seen_at: UnixMs(row.seen_at),
            received_at: UnixMs(row.received_at),
        })
    }
}

/// Adds a face that stands in `slot`.
pub async fn insert(tx: &mut Tx, location: &LocationId, waiting: &Waiting, slot: Slot) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO review_queue (location, face_id, edge, space_id, face_slot, seen_at, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(location.as_str())
        .bind(waiting.face_id.as_str())
        .bind(waiting.edge.as_str())
        .bind(waiting.space.as_str())
        .bind(slot.0)
        .bind(waiting.seen_at.0)
        .bind(waiting.received_at.0)
        .execute(conn).await.map(drop))
}

/// One face that waits.
pub async fn get(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Option<Waiting>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT face_id, edge, space_id, face, seen_at, received_at FROM review_queue JOIN faces ON slot = face_slot \
         WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).fetch_optional(conn).await)?;
    row.map(Waiting::try_from).transpose()
}

/// The faces that have waited longest; at most `limit`.
pub async fn oldest(tx: &mut Tx, location: &LocationId, limit: u32) -> sqlx::Result<Vec<Waiting>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT face_id, edge, space_id, face, seen_at, received_at FROM review_queue JOIN faces ON slot = face_slot \
         WHERE location = $1 ORDER BY received_at, face_id LIMIT $2")
        .bind(location.as_str()).bind(i64::from(limit)).fetch_all(conn).await)?;
    rows.into_iter().map(Waiting::try_from).collect()
}

/// How many faces wait.
pub async fn count(tx: &mut Tx, location: &LocationId) -> sqlx::Result<i64> {
    on!(tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM review_queue WHERE location = $1")
        .bind(location.as_str()).fetch_one(conn).await)
}

/// A face that came in before `before`, if one waits.
pub async fn older(tx: &mut Tx, location: &LocationId, before: UnixMs) -> sqlx::Result<Option<FaceId>> {
    let face_id: Option<String> = on!(tx, conn => sqlx::query_scalar(
        "SELECT face_id FROM review_queue WHERE location = $1 AND received_at < $2 ORDER BY received_at LIMIT 1")
        .bind(location.as_str()).bind(before.0).fetch_optional(conn).await)?;
    column::text_or_null(face_id.as_deref())
}

/// Takes a face out and tells where it is: there it is then to be erased.
pub async fn delete(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Option<Slot>> {
    let slot: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "DELETE FROM review_queue WHERE location = $1 AND face_id = $2 RETURNING face_slot")
        .bind(location.as_str()).bind(face_id.as_str()).fetch_optional(conn).await)?;
    Ok(slot.map(Slot))
}
