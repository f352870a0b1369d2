//! Customers, live ones and the nameless tombstones of those removed.

mod polled;
mod with_counters;

pub use polled::{Polled, polled};
pub use with_counters::{WithCounters, with_counters};

use super::faces::Slot;
use crate::{
    column,
    db::{Tx, on},
    points::Points,
};
use protocol::{Embedding, FaceId, LocationId, RowHash, Seq, SpaceId, UnixMs, message::Customer as Content};

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// Whose row.
    pub face_id: FaceId,
    /// The seq of its last change.
    pub seq: Seq,
    /// When the face was enrolled.
    pub created_at: UnixMs,
    /// When it last changed.
    pub changed_at: UnixMs,
    /// Live, or what is left.
    pub state: State,
}

/// Live, or what is left.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// To be recognised.
    Live(Box<Live>),
    /// Erased or merged; nothing personal remains.
    Removed {
        /// When.
        at: UnixMs,
        /// Into whom, where it was merged.
        merged_into: Option<FaceId>,
    },
}

/// A live customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What edges hold of it.
    pub content: Content,
    /// Where its face is.
    pub slot: Slot,
    /// The hash of (face_id, seq, content).
    pub row_hash: RowHash,
    /// Points; edges do not know them.
    pub points: i64,
    /// How often seen.
    pub visits: i64,
    /// When last seen.
    pub last_seen_at: Option<UnixMs>,
    /// Whom this may be, when the face was enrolled between the two thresholds.
    pub duplicate_of: Option<FaceId>,
}

impl Customer {
    /// The live half, if it is live.
    pub fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Live(live) => Some(live),
            State::Removed { .. } => None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    face_id: String,
    seq: i64,
    state: String,
    name: String,
    flag: String,
    space_id: Option<String>,
    face_slot: Option<i64>,
    face: Option<Vec<u8>>,
    row_hash: Option<Vec<u8>>,
    points: i64,
    visits: i64,
    last_seen_at: Option<i64>,
    duplicate_of: Option<String>,
    created_at: i64,
    changed_at: i64,
    removed_at: Option<i64>,
    merged_into: Option<String>,
}

impl TryFrom<Row> for Customer {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let state = if row.state == "live" {
            let face = column::present(row.face, "face")?;
            State::Live(Box::new(Live {
                content: Content {
                    name: column::text(&row.name)?,
                    flag: column::text(&row.flag)?,
                    space: column::text(&column::present(row.space_id, "space")?)?,
                    embedding: column::parsed(Embedding::from_bytes(&face), "face")?,
                },
                slot: Slot(column::present(row.face_slot, "slot")?),
                row_hash: column::row_hash(&column::present(row.row_hash, "row hash")?)?,
                points: row.points,
                visits: row.visits,
                last_seen_at: column::moment(row.last_seen_at),
                duplicate_of: column::text_or_null(row.duplicate_of.as_deref())?,
            }))
        } else {
            State::Removed {
                at: UnixMs(column::present(row.removed_at, "moment of removal")?),
                merged_into: column::text_or_null(row.merged_into.as_deref())?,
            }
        };
        Ok(Customer {
            face_id: column::text(&row.face_id)?,
            seq: Seq(row.seq as u64),
            created_at: UnixMs(row.created_at),
            changed_at: UnixMs(row.changed_at),
            state,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT face_id, seq, state, name, flag, space_id, face_slot, face, row_hash, points, visits, last_seen_at, \
             duplicate_of, created_at, changed_at, removed_at, merged_into \
             FROM customers LEFT JOIN faces ON slot = face_slot ",
            $rest
        )
    };
}

fn all(rows: Vec<Row>) -> sqlx::Result<Vec<Customer>> {
    rows.into_iter().map(Customer::try_from).collect()
}

/// One row, live or not.
pub async fn get(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Option<Customer>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE location = $1 AND face_id = $2"))
        .bind(location.as_str()).bind(face_id.as_str()).fetch_optional(conn).await)?;
    row.map(Customer::try_from).transpose()
}

/// The rows that changed after `seq`, tombstones included, in the order of their changes; at most `limit`.
pub async fn newer_than(
    tx: &mut Tx,
    location: &LocationId,
    seq: Seq,
    limit: u32,
) -> sqlx::Result<Vec<Customer>> {
    all(on!(tx, conn => sqlx::query_as(select!("WHERE location = $1 AND seq > $2 ORDER BY seq LIMIT $3"))
        .bind(location.as_str()).bind(seq.0 as i64).bind(i64::from(limit)).fetch_all(conn).await)?)
}

/// The row whose last change has this seq.
pub async fn at_seq(tx: &mut Tx, location: &LocationId, seq: Seq) -> sqlx::Result<Option<Customer>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE location = $1 AND seq = $2"))
        .bind(location.as_str()).bind(seq.0 as i64).fetch_optional(conn).await)?;
    row.map(Customer::try_from).transpose()
}

/// Live customers by face id, those after `after`; at most `limit`.
pub async fn live_after(
    tx: &mut Tx,
    location: &LocationId,
    after: Option<&FaceId>,
    limit: u32,
) -> sqlx::Result<Vec<Customer>> {
    all(on!(tx, conn => sqlx::query_as(
        select!("WHERE location = $1 AND state = 'live' AND face_id > $2 ORDER BY face_id LIMIT $3"))
        .bind(location.as_str()).bind(after.map_or("", FaceId::as_str)).bind(i64::from(limit))
        .fetch_all(conn).await)?)
}

/// Live customers, the one seen or changed last first, whose name contains `text` (as it is written; everything
/// when empty); skips `offset`, at most `limit`.
pub async fn search(
    tx: &mut Tx,
    location: &LocationId,
    text: &str,
    offset: u32,
    limit: u32,
) -> sqlx::Result<Vec<Customer>> {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    all(on!(tx, conn => sqlx::query_as(select!(
        "WHERE location = $1 AND state = 'live' AND LOWER(name) LIKE LOWER($2) ESCAPE '\\' \
         ORDER BY COALESCE(last_seen_at, changed_at) DESC, face_id LIMIT $3 OFFSET $4"))
        .bind(location.as_str()).bind(format!("%{escaped}%")).bind(i64::from(limit)).bind(i64::from(offset))
        .fetch_all(conn).await)?)
}

/// What [`hashes`] asks. It reads no face; on SQLite no row either, but an index that holds all of it.
pub const HASHES: &str =
    "SELECT face_id, seq, row_hash FROM customers WHERE location = $1 AND state = 'live' ORDER BY face_id";

/// Every live row's id, seq and hash, by face id.
pub async fn hashes(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<(FaceId, Seq, RowHash)>> {
    let rows: Vec<(String, i64, Vec<u8>)> =
        on!(tx, conn => sqlx::query_as(HASHES).bind(location.as_str()).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(face_id, seq, hash)| Ok((column::text(&face_id)?, Seq(seq as u64), column::row_hash(&hash)?)))
        .collect()
}

/// Adds a live row. The face must be unknown.
pub async fn insert_live(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    seq: Seq,
    live: &Live,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO customers (location, face_id, seq, state, name, flag, space_id, face_slot, row_hash, points, \
         visits, last_seen_at, duplicate_of, created_at, changed_at, enrolled_seq, named_seq) \
         VALUES ($1, $2, $3, 'live', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $3, $3)")
        .bind(location.as_str())
        .bind(face_id.as_str())
        .bind(seq.0 as i64)
        .bind(live.content.name.as_str())
        .bind(live.content.flag.as_str())
        .bind(live.content.space.as_str())
        .bind(live.slot.0)
        .bind(&live.row_hash.to_bytes()[..])
        .bind(live.points)
        .bind(live.visits)
        .bind(live.last_seen_at.map(|at| at.0))
        .bind(live.duplicate_of.as_ref().map(FaceId::as_str))
        .bind(now.0)
        .execute(conn).await.map(drop))
}

/// Adds the tombstone of a face that has no row: it must never have a live one, or was `merged_into` another one from
/// the start.
pub async fn insert_tombstone(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    seq: Seq,
    merged_into: Option<&FaceId>,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO customers (location, face_id, seq, state, name, flag, points, visits, created_at, changed_at, \
         removed_at, merged_into) VALUES ($1, $2, $3, 'removed', '', 'none', 0, 0, $5, $5, $5, $4)")
        .bind(location.as_str()).bind(face_id.as_str()).bind(seq.0 as i64)
        .bind(merged_into.map(FaceId::as_str)).bind(now.0)
        .execute(conn).await.map(drop))
}

/// Overwrites everything personal and leaves the tombstone, whose face is then to be erased; other rows forget that they may
/// be this one.
pub async fn bury(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    seq: Seq,
    merged_into: Option<&FaceId>,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE customers SET seq = $3, state = 'removed', name = '', flag = 'none', space_id = NULL, \
         face_slot = NULL, row_hash = NULL, points = 0, visits = 0, last_seen_at = NULL, duplicate_of = NULL, \
         created_at = $5, changed_at = $5, removed_at = $5, merged_into = $4 WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).bind(seq.0 as i64)
        .bind(merged_into.map(FaceId::as_str)).bind(now.0)
        .execute(conn).await.map(drop))?;
    on!(tx, conn => sqlx::query("UPDATE customers SET duplicate_of = NULL WHERE location = $1 AND duplicate_of = $2")
        .bind(location.as_str()).bind(face_id.as_str()).execute(conn).await.map(drop))
}

/// A location's tombstones, the oldest removal first; at most `limit`.
pub async fn tombstones(
    tx: &mut Tx,
    location: &LocationId,
    limit: u32,
) -> sqlx::Result<Vec<(FaceId, Seq, UnixMs)>> {
    let rows: Vec<(String, i64, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT face_id, seq, removed_at FROM customers WHERE location = $1 AND state = 'removed' \
         ORDER BY removed_at, seq LIMIT $2")
        .bind(location.as_str()).bind(i64::from(limit)).fetch_all(conn).await)?;
    rows.iter().map(|(face, seq, at)| Ok((column::text(face)?, Seq(*seq as u64), UnixMs(*at)))).collect()
}

/// Deletes a tombstone.
pub async fn purge(tx: &mut Tx, location: &LocationId, face_id: &FaceId, seq: Seq) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "DELETE FROM customers WHERE location = $1 AND face_id = $2 AND seq = $3 AND state = 'removed'")
        .bind(location.as_str()).bind(face_id.as_str()).bind(seq.0 as i64).execute(conn).await.map(drop))
}

/// The most points a customer can have.
pub const POINTS_MAX: i64 = 1_000_000_000;

/// What visits leave with a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub visits: i64,
    /// What they are worth together.
    pub points: i64,
    /// When the last of them was.
    pub last_seen_at: Option<UnixMs>,
}

impl Tally {
    /// What one visit leaves.
    pub fn one(at: UnixMs, worth: Points) -> Tally {
        Tally { visits: 1, points: worth.get(), last_seen_at: Some(at) }
    }
}

/// Adds to the points (below zero they do not fall, nor rise above [`POINTS_MAX`]) and tells the new sum; nothing when
/// it is not live.
pub async fn add_points(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    points: i64,
) -> sqlx::Result<Option<i64>> {
    on!(tx, conn => sqlx::query_scalar(
        "UPDATE customers SET points = CASE WHEN points + $3 < 0 THEN 0 WHEN points + $3 > $4 THEN $4 \
         ELSE points + $3 END WHERE location = $1 AND face_id = $2 AND state = 'live' RETURNING points")
        .bind(location.as_str()).bind(face_id.as_str()).bind(points).bind(POINTS_MAX).fetch_optional(conn).await)
}

/// Counts more visits of a live customer, and adds what they are worth.
pub async fn count_visits(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    more: &Tally,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE customers SET visits = visits + $3, last_seen_at = CASE WHEN last_seen_at IS NULL \
         OR last_seen_at < $4 THEN $4 ELSE last_seen_at END, \
         points = CASE WHEN points + $5 > $6 THEN $6 ELSE points + $5 END \
         WHERE location = $1 AND face_id = $2 AND state = 'live'")
        .bind(location.as_str()).bind(face_id.as_str()).bind(more.visits).bind(more.last_seen_at.map(|at| at.0))
        .bind(more.points).bind(POINTS_MAX).execute(conn).await.map(drop))
}

/// A person said that the two are two: the mark goes.
pub async fn clear_duplicate(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query("UPDATE customers SET duplicate_of = NULL WHERE location = $1 AND face_id = $2 \
         AND duplicate_of IS NOT NULL")
        .bind(location.as_str()).bind(face_id.as_str()).execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// The spaces of live rows' vectors, without reading a vector.
pub async fn spaces_in_use(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<SpaceId>> {
    let rows: Vec<(String,)> = on!(tx, conn => sqlx::query_as(
        "SELECT DISTINCT space_id FROM customers WHERE location = $1 AND state = 'live' ORDER BY space_id")
        .bind(location.as_str()).fetch_all(conn).await)?;
    rows.iter().map(|(space,)| column::text(space)).collect()
}
