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
        "SELECT expires_at FROM login_links WHERE hash = $1 AND expires_at > $2 AND used_at IS NULL")
        .bind(hash.to_vec()).bind(now.0).fetch_optional(conn).await)?;
    Ok(row.is_some())
}

/// Uses the link: whose session it opens, or nothing when it was used, has expired or never was. One statement,
/// so that of two who come at once only one is let in.
pub async fn take(tx: &mut Tx, hash: SecretHash, now: UnixMs) -> sqlx::Result<Option<String>> {
    let row: Option<(String,)> = on!(tx, conn => sqlx::query_as(
        "UPDATE login_links SET used_at = $2 WHERE hash = $1 AND expires_at > $2 AND used_at IS NULL RETURNING manager")
        .bind(hash.to_vec()).bind(now.0).fetch_optional(conn).await)?;
    Ok(row.map(|(manager,)| manager))
}

/// Whether any link was ever used.
pub async fn any_used(tx: &mut Tx) -> sqlx::Result<bool> {
    let used: i64 = on!(tx, conn => sqlx::query_scalar(
        "SELECT COUNT(*) FROM login_links WHERE used_at IS NOT NULL").fetch_one(conn).await)?;
    Ok(used > 0)
}
