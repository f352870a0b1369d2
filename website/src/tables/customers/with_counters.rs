//! A live row together with its location's counters, read in one round.

use super::{Customer, Row};
use crate::{column, decide::totals::Totals};
use protocol::{DigestKey, Epoch, FaceId, LocationId, Seq, UnixMs};
use sqlx::PgExecutor;

/// A live row, and what a change of it needs of its location, all of one moment.
pub struct WithCounters {
    /// The row.
    pub row: Customer,
    /// The counters.
    pub totals: Totals,
    /// The date of the location's newest head.
    pub issued_at: UnixMs,
    /// The secret of its digests.
    pub digest_key: DigestKey,
}

#[derive(sqlx::FromRow)]
struct Both {
    #[sqlx(flatten)]
    row: Row,
    epoch: i64,
    newest_seq: i64,
    live: i64,
    digest: Vec<u8>,
    last_removal: i64,
    issued_at: i64,
    digest_key: Vec<u8>,
}

/// The row, if it is live. One statement, which on PostgreSQL needs no transaction around it to be of one moment.
pub async fn with_counters(
    on: impl PgExecutor<'_>,
    location: &LocationId,
    face_id: &FaceId,
) -> sqlx::Result<Option<WithCounters>> {
    let both: Option<Both> = sqlx::query_as(
        "SELECT face_id, seq, state, name, flag, space_id, face_slot, face, row_hash, points, visits, last_seen_at, \
         duplicate_of, created_at, changed_at, removed_at, merged_into, \
         epoch, newest_seq, live, digest, last_removal, issued_at, digest_key \
         FROM customers JOIN faces ON slot = face_slot, \
         (SELECT epoch, seq AS newest_seq, live, digest, last_removal, issued_at, digest_key FROM locations \
         WHERE id = $1) AS counters WHERE location = $1 AND face_id = $2 AND state = 'live'",
    )
    .bind(location.as_str())
    .bind(face_id.as_str())
    .fetch_optional(on)
    .await?;
    let Some(both) = both else { return Ok(None) };
    Ok(Some(WithCounters {
        row: both.row.try_into()?,
        totals: Totals {
            epoch: Epoch(both.epoch as u64),
            seq: Seq(both.newest_seq as u64),
            count: both.live as u64,
            digest: column::digest(&both.digest)?,
            last_removal: Seq(both.last_removal as u64),
        },
        issued_at: UnixMs(both.issued_at),
        digest_key: DigestKey::from_bytes(column::bytes(&both.digest_key)?),
    }))
}
