//! Programs that may use the HTTP API.

use crate::{
    db::{Tx, on},
    web::secret::SecretHash,
};
use protocol::UnixMs;

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// What it was made for.
    pub name: String,
    /// SHA-256 of its secret half.
    pub hash: Vec<u8>,
}

/// Adds a token; tells whether its name was free.
pub async fn insert(tx: &mut Tx, id: &str, name: &str, hash: SecretHash, now: UnixMs) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO api_tokens (id, name, hash, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(id)
        .bind(name)
        .bind(hash.to_vec())
        .bind(now.0)
        .execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// The token with this public half.
pub async fn get(tx: &mut Tx, id: &str) -> sqlx::Result<Option<ApiToken>> {
    let row: Option<(String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT name, hash FROM api_tokens WHERE id = $1")
        .bind(id).fetch_optional(conn).await)?;
    Ok(row.map(|(name, hash)| ApiToken { name, hash }))
}

/// Every token, by name.
pub async fn all(tx: &mut Tx) -> sqlx::Result<Vec<ApiToken>> {
    let rows: Vec<(String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT name, hash FROM api_tokens ORDER BY name").fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(name, hash)| ApiToken { name, hash }).collect())
}

/// Deletes the token of this name and tells what was stored of it; nothing when there is none.
pub async fn delete(tx: &mut Tx, name: &str) -> sqlx::Result<Option<Vec<u8>>> {
    on!(tx, conn => sqlx::query_scalar("DELETE FROM api_tokens WHERE name = $1 RETURNING hash")
        .bind(name).fetch_optional(conn).await)
}
