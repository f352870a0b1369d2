//! Edges whose box asks over HTTP what has changed, instead of listening over MQTT.

use crate::{
    column,
    db::{Tx, on},
    decide::poll::Confirmed,
    web::secret::SecretHash,
};
use protocol::{EdgeId, Epoch, LocationId, Seq, SpaceId, UnixMs};

/// One box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollingBox {
    /// Which edge it is.
    pub edge: EdgeId,
    /// The space of its model.
    pub space: SpaceId,
    /// When it joined.
    pub joined_at: UnixMs,
    /// When it asked last.
    pub asked_at: Option<UnixMs>,
    /// What it asked.
    pub asked: Asked,
    /// What it is known to have been brought to.
    pub confirmed: Confirmed,
}

/// A box's newest question, among its others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The `since` of it, as it was sent; empty for none.
    pub question: String,
    /// Counts up whenever that differs from the one before.
    pub asking: u64,
    /// The newest time that an answer to this box bore, in seconds since 1970.
    pub newest_stamp: i64,
}

/// Who shows a box's token, as far as the tables know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Where its edge belongs.
    pub location: LocationId,
    /// The space of its model.
    pub space: SpaceId,
    /// SHA-256 of its token's secret.
    pub token_hash: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    edge: String,
    space_id: String,
    joined_at: i64,
    asked_at: Option<i64>,
    question: String,
    asking: i64,
    newest_stamp: i64,
    confirmed_epoch: i64,
    confirmed_removed: i64,
    confirmed_changed: i64,
}

impl TryFrom<Row> for PollingBox {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(PollingBox {
            edge: column::text(&row.edge)?,
            space: column::text(&row.space_id)?,
            joined_at: UnixMs(row.joined_at),
            asked_at: column::moment(row.asked_at),
            asked: Asked {
                question: row.question,
                asking: row.asking as u64,
                newest_stamp: row.newest_stamp,
            },
            confirmed: Confirmed {
                epoch: Epoch(row.confirmed_epoch as u64),
                removed: Seq(row.confirmed_removed as u64),
                changed: Seq(row.confirmed_changed as u64),
            },
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT edge, space_id, joined_at, asked_at, question, asking, newest_stamp, confirmed_epoch, \
             confirmed_removed, confirmed_changed FROM polling_boxes ",
            $rest
        )
    };
}

/// Stores that a box has joined, in the place of the one before: what that one asked and was told is void. The times of
/// answers go on from the newest one.
pub async fn upsert(
    tx: &mut Tx,
    edge: &EdgeId,
    space: &SpaceId,
    token_hash: SecretHash,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO polling_boxes (edge, token_hash, space_id, joined_at, question, asking, newest_stamp, \
         confirmed_epoch, confirmed_removed, confirmed_changed, first_joined_at) \
         VALUES ($1, $2, $3, $4, '', 0, 0, 0, 0, 0, $4) \
         ON CONFLICT (edge) DO UPDATE SET token_hash = excluded.token_hash, space_id = excluded.space_id, \
         joined_at = excluded.joined_at, asked_at = NULL, question = '', asking = 0, confirmed_epoch = 0, \
         confirmed_removed = 0, confirmed_changed = 0")
        .bind(edge.as_str()).bind(token_hash.to_vec()).bind(space.as_str()).bind(now.0)
        .execute(conn).await.map(drop))
}

/// The box of an edge, if that is one that polls.
pub async fn get(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<PollingBox>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE edge = $1"))
        .bind(edge.as_str()).fetch_optional(conn).await)?;
    row.map(PollingBox::try_from).transpose()
}

/// When the first box joined as this edge that polls; nothing when none has.
pub async fn first_joined_at(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<UnixMs>> {
    let at: Option<i64> = on!(tx, conn => sqlx::query_scalar(
        "SELECT first_joined_at FROM polling_boxes WHERE edge = $1")
        .bind(edge.as_str()).fetch_optional(conn).await)?;
    Ok(column::moment(at))
}

/// The box of an edge, locked until the transaction ends. (SQLite has one writer: its lock is the database's.)
pub async fn lock(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<PollingBox>> {
    let row: Option<Row> = match tx {
        Tx::Pg(tx) => {
            sqlx::query_as(select!("WHERE edge = $1 FOR UPDATE"))
                .bind(edge.as_str())
                .fetch_optional(&mut **tx)
                .await?
        }
        Tx::Lite(_) => return get(tx, edge).await,
    };
    row.map(PollingBox::try_from).transpose()
}

/// The boxes of a location that poll.
pub async fn of_location(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<PollingBox>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        select!("WHERE edge IN (SELECT id FROM edges WHERE location = $1) ORDER BY edge"))
        .bind(location.as_str()).fetch_all(conn).await)?;
    rows.into_iter().map(PollingBox::try_from).collect()
}

/// Where an edge's box belongs, and what its token is compared with.
pub async fn bearer(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<Bearer>> {
    let row: Option<(String, String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT e.location, p.space_id, p.token_hash FROM polling_boxes p JOIN edges e ON e.id = p.edge \
         WHERE p.edge = $1")
        .bind(edge.as_str()).fetch_optional(conn).await)?;
    row.map(|(location, space, token_hash)| {
        Ok(Bearer { location: column::text(&location)?, space: column::text(&space)?, token_hash })
    })
    .transpose()
}

/// What is stored of the tokens of all boxes whose edge is not revoked.
pub async fn token_hashes(tx: &mut Tx) -> sqlx::Result<Vec<(LocationId, EdgeId, Vec<u8>)>> {
    let rows: Vec<(String, String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT e.location, p.edge, p.token_hash FROM polling_boxes p JOIN edges e ON e.id = p.edge \
         WHERE e.revoked_at IS NULL ORDER BY e.location, p.edge").fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(location, edge, hash)| Ok((column::text(&location)?, column::text(&edge)?, hash)))
        .collect()
}

/// Stores that a box has asked, what, and what it has confirmed by that.
pub async fn set_asked(
    tx: &mut Tx,
    edge: &EdgeId,
    asked: &Asked,
    confirmed: Confirmed,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE polling_boxes SET asked_at = $2, question = $3, asking = $4, newest_stamp = $5, \
         confirmed_epoch = $6, confirmed_removed = $7, confirmed_changed = $8 WHERE edge = $1")
        .bind(edge.as_str())
        .bind(now.0)
        .bind(asked.question.as_str())
        .bind(asked.asking as i64)
        .bind(asked.newest_stamp)
        .bind(confirmed.epoch.0 as i64)
        .bind(confirmed.removed.0 as i64)
        .bind(confirmed.changed.0 as i64)
        .execute(conn).await.map(drop))
}
