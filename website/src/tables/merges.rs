//! Which customer a merged one turned out to be. Outlives the tombstone: an edge that was away for a month may
//! still name the old face.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{FaceId, LocationId, Seq, UnixMs};

/// Stores that `loser` is `winner`; whoever was merged into `loser` before is `winner` now too.
pub async fn insert(
    tx: &mut Tx,
    location: &LocationId,
    loser: &FaceId,
    winner: &FaceId,
    seq: Seq,
    now: UnixMs,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE merges SET winner = $3 WHERE location = $1 AND winner = $2")
        .bind(location.as_str()).bind(loser.as_str()).bind(winner.as_str()).execute(conn).await.map(drop))?;
    on!(tx, conn => sqlx::query("INSERT INTO merges (location, loser, winner, seq, at) VALUES ($1, $2, $3, $4, $5)")
        .bind(location.as_str()).bind(loser.as_str()).bind(winner.as_str()).bind(seq.0 as i64).bind(now.0)
        .execute(conn).await.map(drop))
}

/// Whom `loser` turned out to be; that one was not merged itself, but may have been removed.
pub async fn winner(tx: &mut Tx, location: &LocationId, loser: &FaceId) -> sqlx::Result<Option<FaceId>> {
    let winner: Option<String> = on!(tx, conn => sqlx::query_scalar(
        "SELECT winner FROM merges WHERE location = $1 AND loser = $2")
        .bind(location.as_str()).bind(loser.as_str()).fetch_optional(conn).await)?;
    column::text_or_null(winner.as_deref())
}

/// Everybody who was ever merged into `winner`.
pub async fn losers(tx: &mut Tx, location: &LocationId, winner: &FaceId) -> sqlx::Result<Vec<FaceId>> {
    let losers: Vec<String> = on!(tx, conn => sqlx::query_scalar(
        "SELECT loser FROM merges WHERE location = $1 AND winner = $2 ORDER BY loser")
        .bind(location.as_str()).bind(winner.as_str()).fetch_all(conn).await)?;
    losers.iter().map(|loser| column::text(loser)).collect()
}

/// The merges of a location after `seq`, each by whom it made vanish, by their seqs; at most `limit`.
pub async fn after(
    tx: &mut Tx,
    location: &LocationId,
    seq: Seq,
    limit: u32,
) -> sqlx::Result<Vec<(Seq, FaceId)>> {
    let rows: Vec<(i64, String)> = on!(tx, conn => sqlx::query_as(
        "SELECT seq, loser FROM merges WHERE location = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(location.as_str()).bind(seq.0 as i64).bind(i64::from(limit)).fetch_all(conn).await)?;
    rows.iter().map(|(seq, loser)| Ok((Seq(*seq as u64), column::text(loser)?))).collect()
}
