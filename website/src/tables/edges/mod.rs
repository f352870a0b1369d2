//! Edges: who they are, whether they are online, and what is wrong with them.

mod alarm;
mod revoked;

pub use alarm::{Alarm, ParseAlarmError, end_alarm, set_alarm, void_alarm};
pub use revoked::{known, revoke, set_revocation_unwritten, set_revocation_written, unwritten_revocations};

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{EdgeId, LocationId, Nonce, PublicKey, SpaceId, UnixMs, message::Start};

/// One edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Its id, as it stands in topics; also its name at the MQTT door.
    pub id: EdgeId,
    /// Where it belongs.
    pub location: LocationId,
    /// As people call it, unique within the location.
    pub name: String,
    /// Where in the store it hangs; may be empty.
    pub place: String,
    /// What it brought when it joined.
    pub joined: Option<Joined>,
    /// The newest start it reported; zeros before the first.
    pub start: Start,
    /// What is wrong with it.
    pub alarm: Alarm,
    /// Since when.
    pub alarm_at: Option<UnixMs>,
    /// Since when it has been told to compare its rows and has not begun to.
    pub repair_ordered_at: Option<UnixMs>,
    /// Its connection.
    pub presence: Presence,
    /// The number of its MQTT session; a presence message of a lower one is late.
    pub session: u64,
    /// When anything of it came in last.
    pub last_seen_at: Option<UnixMs>,
    /// Its clock minus the website's, as far as known.
    pub clock_offset_ms: Option<i64>,
    /// When it was added.
    pub created_at: UnixMs,
    /// When it was shut out for good.
    pub revoked_at: Option<UnixMs>,
}

/// What an edge brought when it joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// When.
    pub at: UnixMs,
    /// Its key.
    pub public_key: PublicKey,
    /// The space of its model.
    pub space: SpaceId,
}

/// Whether an edge is connected, as its presence messages say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Connected.
    Online,
    /// Not, or never yet.
    Offline,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    location: String,
    name: String,
    place: String,
    public_key: Option<Vec<u8>>,
    space_id: Option<String>,
    start_count: i64,
    start_nonce: i64,
    alarm: String,
    alarm_at: Option<i64>,
    repair_ordered_at: Option<i64>,
    online: i64,
    session: i64,
    last_seen_at: Option<i64>,
    clock_offset_ms: Option<i64>,
    created_at: i64,
    joined_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for Edge {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let joined = match (row.joined_at, row.public_key, row.space_id) {
            (Some(at), Some(key), Some(space)) => Some(Joined {
                at: UnixMs(at),
                public_key: column::parsed(PublicKey::from_bytes(column::bytes(&key)?), "public key")?,
                space: column::text(&space)?,
            }),
            _ => None,
        };
        Ok(Edge {
            id: column::text(&row.id)?,
            location: column::text(&row.location)?,
            name: row.name,
            place: row.place,
            joined,
            start: Start { count: row.start_count as u64, nonce: Nonce(row.start_nonce as u64) },
            alarm: column::text(&row.alarm)?,
            alarm_at: column::moment(row.alarm_at),
            repair_ordered_at: column::moment(row.repair_ordered_at),
            presence: if row.online == 1 { Presence::Online } else { Presence::Offline },
            session: row.session as u64,
            last_seen_at: column::moment(row.last_seen_at),
            clock_offset_ms: row.clock_offset_ms,
            created_at: UnixMs(row.created_at),
            revoked_at: column::moment(row.revoked_at),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, location, name, place, public_key, space_id, start_count, start_nonce, alarm, \
             alarm_at, repair_ordered_at, online, session, last_seen_at, clock_offset_ms, created_at, joined_at, revoked_at FROM edges ",
            $rest
        )
    };
}

/// Adds an edge that has yet to join; tells whether the name is free in the location.
pub async fn insert(
    tx: &mut Tx,
    id: &EdgeId,
    location: &LocationId,
    name: &str,
    place: &str,
    now: UnixMs,
) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO edges (id, location, name, place, start_count, start_nonce, alarm, online, session, created_at) \
         VALUES ($1, $2, $3, $4, 0, 0, 'none', 0, 0, $5) ON CONFLICT DO NOTHING")
        .bind(id.as_str()).bind(location.as_str()).bind(name).bind(place).bind(now.0)
        .execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// One edge, revoked or not.
pub async fn get(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<Option<Edge>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE id = $1"))
        .bind(id.as_str()).fetch_optional(conn).await)?;
    row.map(Edge::try_from).transpose()
}

/// Every edge there ever was.
pub async fn all_ids(tx: &mut Tx) -> sqlx::Result<Vec<EdgeId>> {
    let ids: Vec<String> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM edges").fetch_all(conn).await)?;
    ids.iter().map(|id| column::text(id)).collect()
}

/// A location's edges by name, revoked ones last.
pub async fn of_location(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<Edge>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        select!("WHERE location = $1 ORDER BY CASE WHEN revoked_at IS NULL THEN 0 ELSE 1 END, name"))
        .bind(location.as_str()).fetch_all(conn).await)?;
    rows.into_iter().map(Edge::try_from).collect()
}

/// The alarms of which [`Alarm::shuts_out`] says so.
macro_rules! shutting_out {
    () => {
        "('old_image', 'clone', 'ahead', 'rejoined')"
    };
}

/// Edges that must not be connected: revoked at `since` or later, or shut out until their boxes join again.
pub async fn barred(tx: &mut Tx, since: UnixMs) -> sqlx::Result<Vec<(LocationId, EdgeId)>> {
    let rows: Vec<(String, String)> = on!(tx, conn => sqlx::query_as(concat!(
        "SELECT location, id FROM edges WHERE revoked_at >= $1 OR (revoked_at IS NULL AND alarm IN ", shutting_out!(), ")"))
        .bind(since.0).fetch_all(conn).await)?;
    rows.iter().map(|(location, id)| Ok((column::text(location)?, column::text(id)?))).collect()
}

/// The location of an edge that may log in, and the hash of its token.
pub async fn credentials(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<Option<(LocationId, [u8; 32])>> {
    let row: Option<(String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(concat!(
        "SELECT location, token_hash FROM edges WHERE id = $1 AND revoked_at IS NULL AND token_hash IS NOT NULL \
         AND alarm NOT IN ", shutting_out!()))
        .bind(id.as_str()).fetch_optional(conn).await)?;
    row.map(|(location, hash)| Ok((column::text(&location)?, column::bytes(&hash)?))).transpose()
}

/// What is stored of the login token of an edge's box, whether it may log in or not.
pub async fn token_hash(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<Option<Vec<u8>>> {
    let hash: Option<Option<Vec<u8>>> = on!(tx, conn => sqlx::query_scalar(
        "SELECT token_hash FROM edges WHERE id = $1").bind(id.as_str()).fetch_optional(conn).await)?;
    Ok(hash.flatten())
}

/// The same of every edge that is not revoked.
pub async fn token_hashes(tx: &mut Tx) -> sqlx::Result<Vec<(LocationId, EdgeId, Vec<u8>)>> {
    let rows: Vec<(String, String, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "SELECT location, id, token_hash FROM edges WHERE token_hash IS NOT NULL AND revoked_at IS NULL \
         ORDER BY location, id")
        .fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(location, id, hash)| Ok((column::text(&location)?, column::text(&id)?, hash)))
        .collect()
}

/// Stores what the edge brought. It starts from zero: counters and alarm of an earlier life are void.
pub async fn set_joined(
    tx: &mut Tx,
    id: &EdgeId,
    joined: &Joined,
    token_hash: &[u8; 32],
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE edges SET public_key = $2, token_hash = $3, space_id = $4, joined_at = $5, start_count = 0, \
         start_nonce = 0, alarm = 'none', alarm_at = NULL, repair_ordered_at = NULL, online = 0, session = 0 \
         WHERE id = $1 AND revoked_at IS NULL")
        .bind(id.as_str())
        .bind(&joined.public_key.to_bytes()[..])
        .bind(&token_hash[..])
        .bind(joined.space.as_str())
        .bind(joined.at.0)
        .execute(conn).await.map(drop))
}

/// Stores which start of the edge reports.
pub async fn set_start(tx: &mut Tx, id: &EdgeId, start: Start) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET start_count = $2, start_nonce = $3 WHERE id = $1")
        .bind(id.as_str()).bind(start.count as i64).bind(start.nonce.0 as i64).execute(conn).await.map(drop))
}

/// The edge is to compare its rows; it is told again until it begins.
pub async fn order_repair(tx: &mut Tx, id: &EdgeId, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET repair_ordered_at = $2 WHERE id = $1")
        .bind(id.as_str()).bind(now.0).execute(conn).await.map(drop))
}

/// The edge has begun to compare its rows.
pub async fn repair_begun(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET repair_ordered_at = NULL WHERE id = $1 AND repair_ordered_at IS NOT NULL")
        .bind(id.as_str()).execute(conn).await.map(drop))
}

/// Something of the edge came in at `now`, sent at `sent_at` by its own clock.
pub async fn set_seen(tx: &mut Tx, id: &EdgeId, now: UnixMs, sent_at: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET last_seen_at = $2, clock_offset_ms = $3 WHERE id = $1")
        .bind(id.as_str()).bind(now.0).bind(sent_at.since(now)).execute(conn).await.map(drop))
}

/// Stores a presence message, unless it belongs to an older session than the newest known; tells whether it
/// counted.
pub async fn set_presence(
    tx: &mut Tx,
    id: &EdgeId,
    location: &LocationId,
    session: u64,
    presence: Presence,
    now: UnixMs,
) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "UPDATE edges SET online = $4, session = $3, last_seen_at = $5 \
         WHERE id = $1 AND location = $2 AND session <= $3 AND revoked_at IS NULL")
        .bind(id.as_str())
        .bind(location.as_str())
        .bind(session as i64)
        .bind(i64::from(presence == Presence::Online))
        .bind(now.0)
        .execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// Nobody is known to be connected: the broker has just started, and each edge will say so itself.
pub async fn all_offline(tx: &mut Tx) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET online = 0 WHERE online = 1").execute(conn).await.map(drop))
}
