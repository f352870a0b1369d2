//! Links that open one session each.

use crate::{
    db::{Tx, on},
    web::secret::SecretHash,
};
use protocol::UnixMs;

/// Adds a link for `manager`.
pub async fn insert(
    tx: &mut Tx,
    hash: SecretHash,
    manager: &str,
    now: UnixMs,
    expires_at: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO login_links (hash, manager, created_at, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash.to_vec())
        .bind(manager)
        .bind(now.0)
        .bind(expires_at.0)
        .execute(conn).await.map(drop))
}

/// Whether the link would open a session at `now`. Looking does not use it.
pub async fn is_open(tx: &mut Tx, hash: SecretHash, now: UnixMs) -> sqlx::Result<bool> {
    let row: Option<(i64,)> = on!(tx, conn => sqlx::query_as(
        "SELECT expires_at FROM login_links WHERE hash = $1 AND expires_at > $2")
        .bind(hash.to_vec()).bind(now.0).fetch_optional(conn).await)?;
    Ok(row.is_some())
}

/// Uses the link: whose session it opens, or nothing when it was used, has expired or never was. One statement,
/// so that of two who come at once only one is let in.
pub async fn take(tx: &mut Tx, hash: SecretHash, now: UnixMs) -> sqlx::Result<Option<String>> {
    let row: Option<(String,)> = on!(tx, conn => sqlx::query_as(
        "DELETE FROM login_links WHERE hash = $1 AND expires_at > $2 RETURNING manager")
        .bind(hash.to_vec()).bind(now.0).fetch_optional(conn).await)?;
    Ok(row.map(|(manager,)| manager))
}

/// Forgets links that have expired.
pub async fn forget_expired(tx: &mut Tx, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM login_links WHERE expires_at <= $1")
        .bind(now.0).execute(conn).await.map(drop))
}
