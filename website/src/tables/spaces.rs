//! The spaces that embeddings live in, as edges registered them when they joined.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{SpaceId, UnixMs, message::Similarity};

/// One space with its thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The model's id.
    pub id: SpaceId,
    /// Components of a vector.
    pub dimension: usize,
    /// At least this alike: the same person.
    pub match_at: Similarity,
    /// Less alike than this: somebody else. Between the two nobody can tell.
    pub new_below: Similarity,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    dimension: i64,
    match_at: i64,
    new_below: i64,
}

/// Registers a space unless it is known.
pub async fn insert(tx: &mut Tx, space: &Space, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO spaces (id, dimension, match_at, new_below, registered_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING")
        .bind(space.id.as_str())
        .bind(space.dimension as i64)
        .bind(i64::from(space.match_at.0))
        .bind(i64::from(space.new_below.0))
        .bind(now.0)
        .execute(conn).await.map(drop))
}

/// A registered space.
pub async fn get(tx: &mut Tx, id: &SpaceId) -> sqlx::Result<Option<Space>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT id, dimension, match_at, new_below FROM spaces WHERE id = $1")
        .bind(id.as_str()).fetch_optional(conn).await)?;
    row.map(|row| {
        Ok(Space {
            id: column::text(&row.id)?,
            dimension: row.dimension as usize,
            match_at: Similarity(row.match_at as i16),
            new_below: Similarity(row.new_below as i16),
        })
    })
    .transpose()
}

/// The id of every registered space.
pub async fn all_ids(tx: &mut Tx) -> sqlx::Result<Vec<SpaceId>> {
    let ids: Vec<String> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM spaces ORDER BY id")
        .fetch_all(conn).await)?;
    ids.iter().map(|id| column::text(id)).collect()
}
