//! The reports that carried receipts, as the edges signed them: whoever has an edge's public key can check them.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, PublicKey, UnixMs};

/// One signed report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The key it is signed with: the edge's at that time.
    pub public_key: PublicKey,
    /// The report as it came, a postcard `Report`.
    pub signed: Vec<u8>,
}

/// Stores a report and tells its number.
pub async fn insert(tx: &mut Tx, edge: &EdgeId, page: &Page, now: UnixMs) -> sqlx::Result<i64> {
    on!(tx, conn => sqlx::query_scalar(
        "INSERT INTO receipt_pages (edge, public_key, signed, stored_at) VALUES ($1, $2, $3, $4) RETURNING id")
        .bind(edge.as_str()).bind(&page.public_key.to_bytes()[..]).bind(&page.signed[..]).bind(now.0)
        .fetch_one(conn).await)
}

/// One signed report.
pub async fn get(tx: &mut Tx, id: i64) -> sqlx::Result<Option<Page>> {
    let row: Option<(Vec<u8>, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT public_key, signed FROM receipt_pages WHERE id = $1").bind(id).fetch_optional(conn).await)?;
    row.map(|(key, signed)| {
        let public_key = column::parsed(PublicKey::from_bytes(column::bytes(&key)?), "public key")?;
        Ok(Page { public_key, signed })
    })
    .transpose()
}

/// Lets go of those that no receipt refers to.
pub async fn prune(tx: &mut Tx) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "DELETE FROM receipt_pages WHERE NOT EXISTS (SELECT 1 FROM receipts WHERE receipts.page = receipt_pages.id)")
        .execute(conn).await.map(drop))
}
