//! Faces, each in a slot that a customer or a waiting face refers to.
//!
//! On SQLite a row is added behind the last one or overwritten by one of the very same size, and never deleted. An added one
//! begins a page of its own where there is no room, which leaves its neighbours where they are; an overwritten one is written
//! over byte by byte (0 and 1 take no room in a record). So SQLite never copies a face from where it stands, and what
//! [`free`] overwrites there was the only one. `website/tests/site/slots.rs` searches the file for what would be left. On
//! PostgreSQL rows come and go, and dead ones wait for its vacuum.

use crate::db::{Tx, on};

/// Where a face is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub i64);

/// Puts a face, as its bytes, into a free slot of its length or a new one. Whoever refers to the slot stands in the
/// same transaction.
pub async fn put(tx: &mut Tx, face: &[u8]) -> sqlx::Result<Slot> {
    if let Tx::Lite(lite) = &mut *tx {
        let taken: Option<i64> = sqlx::query_scalar(
            "UPDATE faces SET used = 1, face = $1 WHERE slot = (SELECT slot FROM faces WHERE used = 0 \
             AND length(face) = length($1) LIMIT 1) RETURNING slot",
        )
        .bind(face)
        .fetch_optional(&mut **lite)
        .await?;
        if let Some(slot) = taken {
            return Ok(Slot(slot));
        }
    }
    let insert = "INSERT INTO faces (used, face) VALUES (1, $1) RETURNING slot";
    on!(tx, conn => sqlx::query_scalar(insert).bind(face).fetch_one(conn).await.map(Slot))
}

/// Erases a face that nobody refers to any more.
pub async fn free(tx: &mut Tx, slot: Slot) -> sqlx::Result<()> {
    let sql = match tx {
        Tx::Pg(_) => "DELETE FROM faces WHERE slot = $1",
        Tx::Lite(_) => "UPDATE faces SET used = 0, face = zeroblob(length(face)) WHERE slot = $1",
    };
    on!(tx, conn => sqlx::query(sql).bind(slot.0).execute(conn).await.map(drop))
}
