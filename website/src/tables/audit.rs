//! Who did what, and when. Holds no customer's name and nothing biometric.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{LocationId, UnixMs};

/// One thing done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: UnixMs,
    /// By whom, for example `manager:ada`.
    pub actor: String,
    /// What, for example `customer.remove`.
    pub action: String,
    /// Where, if at one location.
    pub location: Option<LocationId>,
    /// To what: a face id, an edge id, a name of a token.
    pub subject: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    actor: String,
    action: String,
    location: Option<String>,
    subject: String,
}

/// Adds one entry.
pub async fn insert(tx: &mut Tx, entry: &Entry) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("INSERT INTO audit (at, actor, action, location, subject) VALUES ($1, $2, $3, $4, $5)")
        .bind(entry.at.0)
        .bind(entry.actor.as_str())
        .bind(entry.action.as_str())
        .bind(entry.location.as_ref().map(LocationId::as_str))
        .bind(entry.subject.as_str())
        .execute(conn).await.map(drop))
}

/// The newest entries, newest first; at most `limit`.
pub async fn newest(tx: &mut Tx, limit: u32) -> sqlx::Result<Vec<Entry>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT at, actor, action, location, subject FROM audit ORDER BY id DESC LIMIT $1")
        .bind(i64::from(limit)).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|row| {
            Ok(Entry {
                at: UnixMs(row.at),
                actor: row.actor,
                action: row.action,
                location: column::text_or_null(row.location.as_deref())?,
                subject: row.subject,
            })
        })
        .collect()
}
