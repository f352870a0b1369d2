//! Every removal for good. Outlives the tombstone, and is the database's half of the erasure ledger.

use crate::{
    column,
    db::{Tx, on},
    decide::erasure::Erasure,
};
use protocol::{Epoch, FaceId, LocationId, Seq, UnixMs};

/// One removal as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What the ledger says of it.
    pub erasure: Erasure,
    /// Who asked for it.
    pub actor: String,
    /// Until when an edge that has not heard of it can recognise anybody at all, by its own clock.
    pub recognised_until: UnixMs,
}

#[derive(sqlx::FromRow)]
struct Row {
    location: String,
    face_id: String,
    epoch: i64,
    seq: i64,
    at: i64,
    actor: String,
    also: String,
    recognised_until: i64,
}

impl TryFrom<Row> for Recorded {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Recorded {
            erasure: Erasure {
                location: column::text(&row.location)?,
                face_id: column::text(&row.face_id)?,
                also: row.also.split_ascii_whitespace().map(column::text).collect::<sqlx::Result<_>>()?,
                epoch: Epoch(row.epoch as u64),
                seq: Seq(row.seq as u64),
                at: UnixMs(row.at),
            },
            actor: row.actor,
            recognised_until: UnixMs(row.recognised_until),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT location, face_id, epoch, seq, at, actor, also, recognised_until FROM erasures ",
            $rest
        )
    };
}

fn all_of(rows: Vec<Row>) -> sqlx::Result<Vec<Recorded>> {
    rows.into_iter().map(Recorded::try_from).collect()
}

/// Records a removal that the ledger does not have yet; a face that was removed before keeps its first record.
pub async fn insert(tx: &mut Tx, recorded: &Recorded) -> sqlx::Result<()> {
    let Recorded { erasure, actor, recognised_until } = recorded;
    let also: Vec<&str> = erasure.also.iter().map(FaceId::as_str).collect();
    on!(tx, conn => sqlx::query(
        "INSERT INTO erasures (location, face_id, epoch, seq, at, actor, also, recognised_until, in_ledger) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT DO NOTHING")
        .bind(erasure.location.as_str())
        .bind(erasure.face_id.as_str())
        .bind(erasure.epoch.0 as i64)
        .bind(erasure.seq.0 as i64)
        .bind(erasure.at.0)
        .bind(actor.as_str())
        .bind(also.join(" "))
        .bind(recognised_until.0)
        .execute(conn).await.map(drop))
}

/// The removal of one face.
pub async fn get(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Option<Recorded>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE location = $1 AND face_id = $2"))
        .bind(location.as_str()).bind(face_id.as_str()).fetch_optional(conn).await)?;
    row.map(Recorded::try_from).transpose()
}

/// The removals of a location after `seq`, by their seqs; about `limit`: of one seq all are told or none.
pub async fn after(
    tx: &mut Tx,
    location: &LocationId,
    seq: Seq,
    limit: u32,
) -> sqlx::Result<Vec<(Seq, FaceId)>> {
    let rows: Vec<(i64, String)> = on!(tx, conn => sqlx::query_as(
        "SELECT seq, face_id FROM erasures WHERE location = $1 AND seq > $2 AND seq <= COALESCE((SELECT seq \
         FROM erasures WHERE location = $1 AND seq > $2 ORDER BY seq LIMIT 1 OFFSET $3), 9223372036854775807) \
         ORDER BY seq, face_id")
        .bind(location.as_str()).bind(seq.0 as i64).bind(i64::from(limit.saturating_sub(1)))
        .fetch_all(conn).await)?;
    rows.iter().map(|(seq, face_id)| Ok((Seq(*seq as u64), column::text(face_id)?))).collect()
}

/// Every removal of every location.
pub async fn all(tx: &mut Tx) -> sqlx::Result<Vec<Recorded>> {
    all_of(on!(tx, conn => sqlx::query_as(select!("ORDER BY location, at, face_id")).fetch_all(conn).await)?)
}

/// Those that the ledger does not have yet; at most `limit`.
pub async fn unwritten(tx: &mut Tx, limit: u32) -> sqlx::Result<Vec<Recorded>> {
    all_of(on!(tx, conn => sqlx::query_as(select!("WHERE in_ledger = 0 ORDER BY at LIMIT $1"))
        .bind(i64::from(limit)).fetch_all(conn).await)?)
}

/// The ledger has this one.
pub async fn set_written(tx: &mut Tx, erasure: &Erasure) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE erasures SET in_ledger = 1 WHERE location = $1 AND face_id = $2")
        .bind(erasure.location.as_str()).bind(erasure.face_id.as_str()).execute(conn).await.map(drop))
}

/// The ledger does not have this one: it is to be written again.
pub async fn set_unwritten(tx: &mut Tx, erasure: &Erasure) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE erasures SET in_ledger = 0 WHERE location = $1 AND face_id = $2")
        .bind(erasure.location.as_str()).bind(erasure.face_id.as_str()).execute(conn).await.map(drop))
}
