//! Edges' proofs that they removed a face.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{
    EdgeId, Epoch, FaceId, LocationId, Seq, UnixMs,
    message::{Probe, Receipt, ReceiptKey},
};

/// One stored receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Whose.
    pub edge: EdgeId,
    /// What it says.
    pub receipt: Receipt,
    /// Since when the website holds it.
    pub stored_at: UnixMs,
    /// The number of the signed report that carried it.
    pub page: Option<i64>,
}

fn probe_text(probe: Probe) -> &'static str {
    match probe {
        Probe::Gone => "gone",
        Probe::NeverHeld => "never_held",
        Probe::StillFound => "still_found",
    }
}

/// Stores a receipt once, as the signed report `page` carried it.
pub async fn insert(
    tx: &mut Tx,
    edge: &EdgeId,
    receipt: &Receipt,
    page: i64,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO receipts (edge, face_id, epoch, seq, removed_at, probe, stored_at, page) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING")
        .bind(edge.as_str())
        .bind(receipt.key.face_id.as_str())
        .bind(receipt.key.epoch.0 as i64)
        .bind(receipt.key.seq.0 as i64)
        .bind(receipt.removed_at.0)
        .bind(probe_text(receipt.probe))
        .bind(now.0)
        .bind(page)
        .execute(conn).await.map(drop))
}

#[derive(sqlx::FromRow)]
struct Row {
    edge: String,
    face_id: String,
    epoch: i64,
    seq: i64,
    removed_at: i64,
    probe: String,
    stored_at: i64,
    page: Option<i64>,
}

/// Every receipt for one face of a location.
pub async fn of_face(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Vec<Stored>> {
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT edge, face_id, epoch, seq, removed_at, probe, stored_at, page FROM receipts \
         WHERE face_id = $2 AND edge IN (SELECT id FROM edges WHERE location = $1) ORDER BY edge, seq")
        .bind(location.as_str()).bind(face_id.as_str()).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|row| {
            let probes = [Probe::Gone, Probe::NeverHeld, Probe::StillFound];
            let probe = probes.into_iter().find(|probe| probe_text(*probe) == row.probe);
            Ok(Stored {
                edge: column::text(&row.edge)?,
                receipt: Receipt {
                    key: ReceiptKey {
                        face_id: column::text(&row.face_id)?,
                        epoch: Epoch(row.epoch as u64),
                        seq: Seq(row.seq as u64),
                    },
                    removed_at: UnixMs(row.removed_at),
                    probe: column::present(probe, "result of a probe")?,
                },
                stored_at: UnixMs(row.stored_at),
                page: row.page,
            })
        })
        .collect()
}

/// Bounds what one edge can make the website keep: beyond `keep` receipts its oldest go.
pub async fn prune(tx: &mut Tx, edge: &EdgeId, keep: u32) -> sqlx::Result<u64> {
    on!(tx, conn => sqlx::query(
        "DELETE FROM receipts WHERE edge = $1 AND stored_at < (SELECT MIN(stored_at) FROM (SELECT stored_at \
         FROM receipts WHERE edge = $1 ORDER BY stored_at DESC LIMIT $2) AS newest)")
        .bind(edge.as_str()).bind(i64::from(keep)).execute(conn).await.map(|done| done.rows_affected()))
}
