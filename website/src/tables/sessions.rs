//! Browsers that have come in.

use crate::{
    db::{Tx, on},
    web::secret::SecretHash,
};
use protocol::UnixMs;

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub manager: String,
    /// When it was last used, to the minute or so.
    pub last_used_at: UnixMs,
}

/// Begins a session of `manager`.
pub async fn insert(tx: &mut Tx, hash: SecretHash, manager: &str, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO sessions (hash, manager, created_at, last_used_at) VALUES ($1, $2, $3, $3)")
        .bind(hash.to_vec())
        .bind(manager)
        .bind(now.0)
        .execute(conn).await.map(drop))
}

/// The session, if there is one, whatever its age.
pub async fn get(tx: &mut Tx, hash: SecretHash) -> sqlx::Result<Option<Session>> {
    let row: Option<(String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT manager, last_used_at FROM sessions WHERE hash = $1")
        .bind(hash.to_vec()).fetch_optional(conn).await)?;
    Ok(row.map(|(manager, last_used_at)| Session { manager, last_used_at: UnixMs(last_used_at) }))
}

/// Remembers that the session was used.
pub async fn touch(tx: &mut Tx, hash: SecretHash, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE sessions SET last_used_at = $2 WHERE hash = $1")
        .bind(hash.to_vec()).bind(now.0).execute(conn).await.map(drop))
}

/// Ends the session.
pub async fn delete(tx: &mut Tx, hash: SecretHash) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM sessions WHERE hash = $1")
        .bind(hash.to_vec()).execute(conn).await.map(drop))
}

/// Forgets sessions not used since `before`.
pub async fn forget_idle(tx: &mut Tx, before: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM sessions WHERE last_used_at <= $1")
        .bind(before.0).execute(conn).await.map(drop))
}
