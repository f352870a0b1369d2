//! Every visit once.

use super::customers::Tally;
use crate::{
    column,
    db::{Tx, on},
    points::Points,
};
use protocol::{
    EdgeId, Epoch, FaceId, LocationId, Seq, StreamId, UnixMs,
    message::{Basis, Similarity},
};
use std::{fmt, str::FromStr};

/// One visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// Who saw it.
    pub edge: EdgeId,
    /// The edge's number for it.
    pub number: (StreamId, u64),
    /// What became of it.
    pub kind: Kind,
    /// Whose it is, where it has an identity.
    pub face_id: Option<FaceId>,
    /// How alike, where the edge compared.
    pub similarity: Option<Similarity>,
    /// By the edge's clock.
    pub seen_at: UnixMs,
    /// By ours.
    pub received_at: UnixMs,
    /// The edge's clock minus ours when this came.
    pub clock_offset_ms: i64,
    /// What the edge decided on.
    pub basis: Basis,
    /// What it is worth to its customer; nothing where it has no identity.
    pub points: Points,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A customer came.
    Known,
    /// Somebody new became a customer.
    Enrolled,
    /// Somebody new turned out to be a customer.
    Merged,
    /// Somebody new waits in the review queue.
    Waiting,
    /// Somebody, without identity.
    Anonymous,
    /// Somebody new, seen by an edge that did not know of the newest removal: without identity.
    Untrusted,
    /// A face the website does not know (any more): without identity.
    Unknown,
    /// Somebody removed, seen before the edge could know: without identity.
    LagHit,
    /// Somebody removed, seen although the edge had confirmed it: without identity, an alarm.
    StaleHit,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Known,
        Kind::Enrolled,
        Kind::Merged,
        Kind::Waiting,
        Kind::Anonymous,
        Kind::Untrusted,
        Kind::Unknown,
        Kind::LagHit,
        Kind::StaleHit,
    ];

    /// The kind as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Known => "known",
            Kind::Enrolled => "enrolled",
            Kind::Merged => "merged",
            Kind::Waiting => "waiting",
            Kind::Anonymous => "anonymous",
            Kind::Untrusted => "untrusted",
            Kind::Unknown => "unknown",
            Kind::LagHit => "lag_hit",
            Kind::StaleHit => "stale_hit",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no kind of visit.
#[derive(Debug, thiserror::Error)]
#[error("not a kind of visit")]
pub struct ParseKindError;

impl FromStr for Kind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, ParseKindError> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseKindError)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    edge: String,
    stream: i64,
    n: i64,
    kind: String,
    face_id: Option<String>,
    similarity: Option<i64>,
    seen_at: i64,
    received_at: i64,
    clock_offset_ms: i64,
    basis_epoch: i64,
    basis_verified: i64,
    staleness_s: i64,
    points: i64,
}

impl TryFrom<Row> for (i64, Visit) {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let visit = Visit {
            edge: column::text(&row.edge)?,
            number: (StreamId(row.stream as u64), row.n as u64),
            kind: column::text(&row.kind)?,
            face_id: column::text_or_null(row.face_id.as_deref())?,
            similarity: row.similarity.map(|similarity| Similarity(similarity as i16)),
            seen_at: UnixMs(row.seen_at),
            received_at: UnixMs(row.received_at),
            clock_offset_ms: row.clock_offset_ms,
            basis: Basis {
                epoch: Epoch(row.basis_epoch as u64),
                verified: Seq(row.basis_verified as u64),
                staleness_s: row.staleness_s as u32,
            },
            points: column::parsed(row.points.try_into(), "points")?,
        };
        Ok((row.id, visit))
    }
}

/// Stores a visit. Its number must be new: ask [`stored`] first.
pub async fn insert(tx: &mut Tx, location: &LocationId, visit: &Visit) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO visits (edge, stream, n, location, kind, face_id, similarity, seen_at, received_at, \
         clock_offset_ms, basis_epoch, basis_verified, staleness_s, points) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
        .bind(visit.edge.as_str())
        .bind(visit.number.0.0 as i64)
        .bind(visit.number.1 as i64)
        .bind(location.as_str())
        .bind(visit.kind.as_str())
        .bind(visit.face_id.as_ref().map(FaceId::as_str))
        .bind(visit.similarity.map(|similarity| i64::from(similarity.0)))
        .bind(visit.seen_at.0)
        .bind(visit.received_at.0)
        .bind(visit.clock_offset_ms)
        .bind(visit.basis.epoch.0 as i64)
        .bind(visit.basis.verified.0 as i64)
        .bind(i64::from(visit.basis.staleness_s))
        .bind(visit.points.get())
        .execute(conn).await.map(drop))
}

/// The numbers of a stream from `from` on that are stored, as visits or as dead letters; ascending, at most
/// `limit`.
pub async fn stored(
    tx: &mut Tx,
    edge: &EdgeId,
    stream: StreamId,
    from: u64,
    limit: u32,
) -> sqlx::Result<Vec<u64>> {
    let numbers: Vec<i64> = on!(tx, conn => sqlx::query_scalar(
        "SELECT n FROM visits WHERE edge = $1 AND stream = $2 AND n >= $3 \
         UNION ALL SELECT n FROM dead_letters WHERE edge = $1 AND stream = $2 AND n >= $3 ORDER BY n LIMIT $4")
        .bind(edge.as_str()).bind(stream.0 as i64).bind(from as i64).bind(i64::from(limit))
        .fetch_all(conn).await)?;
    Ok(numbers.into_iter().map(|n| n as u64).collect())
}

/// A location's visits, newest first, those stored before `before` (an id of an earlier page); at most `limit`.
pub async fn newest(
    tx: &mut Tx,
    location: &LocationId,
    before: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<(i64, Visit)>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT id, edge, stream, n, kind, face_id, similarity, seen_at, received_at, clock_offset_ms, basis_epoch, \
         basis_verified, staleness_s, points FROM visits WHERE location = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
        .bind(location.as_str()).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit))
        .fetch_all(conn).await)?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// How many visits a location has, by kind.
pub async fn by_kind(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<(Kind, i64)>> {
    let rows: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT kind, COUNT(*) FROM visits WHERE location = $1 GROUP BY kind ORDER BY kind")
        .bind(location.as_str()).fetch_all(conn).await)?;
    rows.into_iter().map(|(kind, count)| Ok((column::text(&kind)?, count))).collect()
}

/// Takes the identity from every visit of a face, and what it was worth: they stay counted, and are nobody's.
pub async fn anonymise(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "UPDATE visits SET face_id = NULL, similarity = NULL, points = 0 WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).execute(conn).await.map(drop))
}

/// Gives the visits of `from` to `to`.
pub async fn reassign(tx: &mut Tx, location: &LocationId, from: &FaceId, to: &FaceId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE visits SET face_id = $3 WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(from.as_str()).bind(to.as_str()).execute(conn).await.map(drop))
}

/// How often a face was seen, what that is worth, and when it was last.
pub async fn of_face(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Tally> {
    let (visits, points, last): (i64, i64, Option<i64>) = on!(tx, conn => sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(points), 0) AS BIGINT), MAX(seen_at) FROM visits \
         WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).fetch_one(conn).await)?;
    Ok(Tally { visits, points, last_seen_at: column::moment(last) })
}
