//! The newest report of each edge's current start.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{
    Digest, EdgeId, Epoch, LocationId, Seq, UnixMs,
    message::{Applied, RepairCounts, SyncState},
};

/// What an edge said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The history `applied` counts in.
    pub epoch: Epoch,
    /// The highest seq it verified in this start.
    pub applied: Seq,
    /// The digest of its rows.
    pub digest: Digest,
    /// How many rows.
    pub count: u64,
    /// Where it says it stands.
    pub state: SyncState,
    /// By its clock.
    pub reported_at: UnixMs,
    /// By ours.
    pub received_at: UnixMs,
    /// Until when it may recognise without a newer head, by its clock.
    pub lease_until: UnixMs,
    /// Visits it has not been told are stored.
    pub queued: u64,
    /// Messages it could not read since its start.
    pub refused: u64,
    /// Repairs it has begun since its start.
    pub repairs: RepairCounts,
}

impl Report {
    /// What is kept of a report that came in at `now`, as [`crate::decide::applied`] judged it: `verified` of `epoch`.
    pub fn of(said: &Applied, epoch: Epoch, verified: Seq, now: UnixMs) -> Report {
        Report {
            epoch,
            applied: verified,
            digest: said.digest,
            count: said.count,
            state: said.state,
            reported_at: said.at,
            received_at: now,
            lease_until: said.lease_until,
            queued: said.queued,
            refused: said.refused,
            repairs: said.repairs,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    edge: String,
    epoch: i64,
    applied_seq: i64,
    digest: Vec<u8>,
    live: i64,
    state: String,
    reported_at: i64,
    received_at: i64,
    lease_until: i64,
    queued: i64,
    refused: i64,
    repairs_first_start: i64,
    repairs_missed: i64,
    repairs_digest: i64,
    repairs_epoch: i64,
    repairs_quarantine: i64,
    repairs_asked: i64,
}

fn state_text(state: SyncState) -> &'static str {
    match state {
        SyncState::Filling => "filling",
        SyncState::Verified => "verified",
        SyncState::Differs => "differs",
        SyncState::Expired => "expired",
    }
}

impl TryFrom<Row> for (EdgeId, Report) {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let states = [SyncState::Filling, SyncState::Verified, SyncState::Differs, SyncState::Expired];
        let state = states.into_iter().find(|state| state_text(*state) == row.state);
        let report = Report {
            epoch: Epoch(row.epoch as u64),
            applied: Seq(row.applied_seq as u64),
            digest: column::digest(&row.digest)?,
            count: row.live as u64,
            state: column::present(state, "state of an edge")?,
            reported_at: UnixMs(row.reported_at),
            received_at: UnixMs(row.received_at),
            lease_until: UnixMs(row.lease_until),
            queued: row.queued as u64,
            refused: row.refused as u64,
            repairs: RepairCounts {
                first_start: row.repairs_first_start as u32,
                missed: row.repairs_missed as u32,
                digest: row.repairs_digest as u32,
                epoch: row.repairs_epoch as u32,
                quarantine: row.repairs_quarantine as u32,
                asked: row.repairs_asked as u32,
            },
        };
        Ok((column::text(&row.edge)?, report))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT edge, epoch, applied_seq, digest, live, state, reported_at, received_at, lease_until, queued, \
             refused, repairs_first_start, repairs_missed, repairs_digest, repairs_epoch, repairs_quarantine, \
             repairs_asked FROM edge_reports ",
            $rest
        )
    };
}

/// Stores a report in place of the last one; `signed` is what the edge signed, a postcard `Report`.
pub async fn upsert(tx: &mut Tx, edge: &EdgeId, report: &Report, signed: &[u8]) -> sqlx::Result<()> {
    let repairs = report.repairs;
    on!(tx, conn => sqlx::query(
        "INSERT INTO edge_reports (edge, epoch, applied_seq, digest, live, state, reported_at, received_at, \
         lease_until, queued, refused, signed, repairs_first_start, repairs_missed, repairs_digest, repairs_epoch, \
         repairs_quarantine, repairs_asked) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT (edge) DO UPDATE SET epoch = excluded.epoch, applied_seq = excluded.applied_seq, \
         digest = excluded.digest, live = excluded.live, state = excluded.state, \
         reported_at = excluded.reported_at, received_at = excluded.received_at, \
         lease_until = excluded.lease_until, queued = excluded.queued, refused = excluded.refused, \
         signed = excluded.signed, repairs_first_start = excluded.repairs_first_start, \
         repairs_missed = excluded.repairs_missed, repairs_digest = excluded.repairs_digest, \
         repairs_epoch = excluded.repairs_epoch, repairs_quarantine = excluded.repairs_quarantine, \
         repairs_asked = excluded.repairs_asked")
        .bind(edge.as_str())
        .bind(report.epoch.0 as i64)
        .bind(report.applied.0 as i64)
        .bind(&report.digest.to_bytes()[..])
        .bind(report.count as i64)
        .bind(state_text(report.state))
        .bind(report.reported_at.0)
        .bind(report.received_at.0)
        .bind(report.lease_until.0)
        .bind(report.queued as i64)
        .bind(report.refused as i64)
        .bind(signed)
        .bind(i64::from(repairs.first_start))
        .bind(i64::from(repairs.missed))
        .bind(i64::from(repairs.digest))
        .bind(i64::from(repairs.epoch))
        .bind(i64::from(repairs.quarantine))
        .bind(i64::from(repairs.asked))
        .execute(conn).await.map(drop))
}

/// The newest report as the edge signed it.
pub async fn signed(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<Vec<u8>>> {
    let signed: Option<Option<Vec<u8>>> = on!(tx, conn => sqlx::query_scalar(
        "SELECT signed FROM edge_reports WHERE edge = $1").bind(edge.as_str()).fetch_optional(conn).await)?;
    Ok(signed.flatten())
}

/// What `edge` said last.
pub async fn get(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<Option<Report>> {
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(select!("WHERE edge = $1"))
        .bind(edge.as_str()).fetch_optional(conn).await)?;
    row.map(|row| <(EdgeId, Report)>::try_from(row).map(|(_, report)| report)).transpose()
}

/// What every edge of a location said last.
pub async fn of_location(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Vec<(EdgeId, Report)>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        select!("WHERE edge IN (SELECT id FROM edges WHERE location = $1)"))
        .bind(location.as_str()).fetch_all(conn).await)?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// What every edge of a location said is void.
pub async fn delete_of_location(tx: &mut Tx, location: &LocationId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM edge_reports WHERE edge IN (SELECT id FROM edges WHERE location = $1)")
        .bind(location.as_str()).execute(conn).await.map(drop))
}

/// What an edge said is void: it joined anew, or it is not the one it was.
pub async fn delete(tx: &mut Tx, edge: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM edge_reports WHERE edge = $1")
        .bind(edge.as_str()).execute(conn).await.map(drop))
}
