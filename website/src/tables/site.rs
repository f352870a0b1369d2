//! Which signing key this database belongs to.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{PublicKey, UnixMs};

/// The public half of the website's key, once it has one.
pub async fn public_key(tx: &mut Tx) -> sqlx::Result<Option<PublicKey>> {
    let bytes: Option<Vec<u8>> =
        on!(tx, conn => sqlx::query_scalar("SELECT public_key FROM site").fetch_optional(conn).await)?;
    bytes.map(|bytes| column::parsed(PublicKey::from_bytes(column::bytes(&bytes)?), "public key")).transpose()
}

/// Stores the public half; tells whether there was none.
pub async fn insert(tx: &mut Tx, key: &PublicKey, now: UnixMs) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO site (only_row, public_key, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING")
        .bind(&key.to_bytes()[..]).bind(now.0).execute(conn).await.map(|done| done.rows_affected() == 1))
}
