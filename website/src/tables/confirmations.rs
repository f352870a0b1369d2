//! What boxes that poll say they have deleted. Their word, and no proof.

use crate::{
    column,
    db::{Tx, on},
    decide::erasure::Erasure,
};
use protocol::{EdgeId, UnixMs};

/// One box's word about one removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Whose.
    pub edge: EdgeId,
    /// When the box that gave it had joined.
    pub joined_at: UnixMs,
    /// When it gave it.
    pub at: UnixMs,
}

/// Stores a word once.
pub async fn insert(tx: &mut Tx, erasure: &Erasure, word: &Confirmation) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO confirmations (edge, face_id, epoch, seq, joined_at, at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT DO NOTHING")
        .bind(word.edge.as_str())
        .bind(erasure.face_id.as_str())
        .bind(erasure.epoch.0 as i64)
        .bind(erasure.seq.0 as i64)
        .bind(word.joined_at.0)
        .bind(word.at.0)
        .execute(conn).await.map(drop))
}

/// Every word about one removal.
pub async fn of_removal(tx: &mut Tx, erasure: &Erasure) -> sqlx::Result<Vec<Confirmation>> {
    let rows: Vec<(String, i64, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT edge, joined_at, at FROM confirmations WHERE face_id = $2 AND epoch = $3 AND seq = $4 \
         AND edge IN (SELECT id FROM edges WHERE location = $1) ORDER BY edge")
        .bind(erasure.location.as_str())
        .bind(erasure.face_id.as_str())
        .bind(erasure.epoch.0 as i64)
        .bind(erasure.seq.0 as i64)
        .fetch_all(conn).await)?;
    rows.iter()
        .map(|(edge, joined_at, at)| {
            Ok(Confirmation { edge: column::text(edge)?, joined_at: UnixMs(*joined_at), at: UnixMs(*at) })
        })
        .collect()
}
