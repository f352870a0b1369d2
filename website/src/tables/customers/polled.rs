//! Live rows as a box that polls is told them.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{Embedding, FaceId, LocationId, Name, Seq, SpaceId, message::Flag};

/// A live row, without a face where the box has it already.
#[derive(Debug, Clone, PartialEq)]
pub struct Polled {
    /// Whose row.
    pub face_id: FaceId,
    /// The seq of its last change.
    pub seq: Seq,
    /// The seq of its newest name.
    pub named: Seq,
    /// The name.
    pub name: Name,
    /// The flag.
    pub flag: Flag,
    /// The face, of whoever was enrolled after what the box holds.
    pub face: Option<Embedding>,
}

#[derive(sqlx::FromRow)]
struct Row {
    face_id: String,
    seq: i64,
    named_seq: i64,
    name: String,
    flag: String,
    face: Option<Vec<u8>>,
}

impl TryFrom<Row> for Polled {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let face = row.face.map(|face| column::parsed(Embedding::from_bytes(&face), "face"));
        Ok(Polled {
            face_id: column::text(&row.face_id)?,
            seq: Seq(row.seq as u64),
            named: Seq(row.named_seq as u64),
            name: column::text(&row.name)?,
            flag: column::text(&row.flag)?,
            face: face.transpose()?,
        })
    }
}

/// Live rows of `space` that changed after `seq`, in the order of their changes; at most `limit`. Whoever was enrolled after
/// `held` comes with the face; where that is 0, nobody is held and everybody does.
pub async fn polled(
    tx: &mut Tx,
    location: &LocationId,
    space: &SpaceId,
    (seq, held): (Seq, Seq),
    limit: u32,
) -> sqlx::Result<Vec<Polled>> {
    // Rows of an older backup do not say when they were enrolled.
    let held = if held == Seq(0) { -1 } else { held.0 as i64 };
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "SELECT face_id, seq, named_seq, name, flag, face FROM customers \
         LEFT JOIN faces ON slot = face_slot AND enrolled_seq > $4 \
         WHERE location = $1 AND state = 'live' AND space_id = $2 AND seq > $3 ORDER BY seq LIMIT $5")
        .bind(location.as_str()).bind(space.as_str()).bind(seq.0 as i64).bind(held).bind(i64::from(limit))
        .fetch_all(conn).await)?;
    rows.into_iter().map(Polled::try_from).collect()
}
