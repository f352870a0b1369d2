//! Credentials that were taken back.

use crate::{
    column,
    db::{Tx, on},
    decide::withdrawal::{Fingerprint, Withdrawal},
};
use protocol::UnixMs;

fn all_of(rows: Vec<(Vec<u8>, i64)>) -> sqlx::Result<Vec<Withdrawal>> {
    rows.iter()
        .map(|(credential, at)| {
            Ok(Withdrawal { credential: Fingerprint(column::bytes(credential)?), at: UnixMs(*at) })
        })
        .collect()
}

/// Records a withdrawal that the ledger does not have yet; one that was made before keeps its first record.
pub async fn insert(tx: &mut Tx, withdrawal: &Withdrawal) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO withdrawals (credential, at, in_ledger) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(&withdrawal.credential.0[..]).bind(withdrawal.at.0).execute(conn).await.map(drop))
}

/// Every one.
pub async fn all(tx: &mut Tx) -> sqlx::Result<Vec<Withdrawal>> {
    all_of(on!(tx, conn => sqlx::query_as("SELECT credential, at FROM withdrawals ORDER BY at, credential")
        .fetch_all(conn).await)?)
}

/// Those that the ledger does not have yet; at most `limit`.
pub async fn unwritten(tx: &mut Tx, limit: u32) -> sqlx::Result<Vec<Withdrawal>> {
    all_of(on!(tx, conn => sqlx::query_as(
        "SELECT credential, at FROM withdrawals WHERE in_ledger = 0 ORDER BY at LIMIT $1")
        .bind(i64::from(limit)).fetch_all(conn).await)?)
}

/// The ledger has this one.
pub async fn set_written(tx: &mut Tx, withdrawal: &Withdrawal) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE withdrawals SET in_ledger = 1 WHERE credential = $1")
        .bind(&withdrawal.credential.0[..]).execute(conn).await.map(drop))
}

/// The ledger does not have this one: it is to be written again.
pub async fn set_unwritten(tx: &mut Tx, withdrawal: &Withdrawal) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE withdrawals SET in_ledger = 0 WHERE credential = $1")
        .bind(&withdrawal.credential.0[..]).execute(conn).await.map(drop))
}
