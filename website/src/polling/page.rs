//! What one answer tells: a page of changes, in the order of seq.

use super::Poll;
use crate::{
    db::Tx,
    decide::poll::{Reach, Told},
    tables::{
        customers::{self, Polled},
        erasures,
        locations::Location,
        merges,
        spaces::Space,
    },
};
use protocol::{Embedding, FaceId, Name, Seq, message::Flag};
use std::collections::HashSet;

/// Faces of one answer, as JSON; at about so many bytes a component and a row.
const FACES_BYTES_MAX: usize = 16 * 1024 * 1024;
const COMPONENT_BYTES: usize = 14;
const ROW_BYTES: usize = 512;

/// One change as a box is told it.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Forget this face: removed, or it turned out to be another one.
    Delete {
        /// Whose.
        face_id: FaceId,
    },
    /// Somebody it holds has another flag or name.
    Update {
        /// Whose.
        face_id: FaceId,
        /// The name, where that can have changed.
        name: Option<Name>,
        /// The flag as it is now.
        flag: Flag,
    },
    /// Somebody new, or whom it may not hold yet.
    Create {
        /// Whose.
        face_id: FaceId,
        /// The name; may be empty.
        name: Name,
        /// The flag.
        flag: Flag,
        /// The face.
        embedding: Embedding,
    },
}

/// The changes after what the box holds, and through which seq they are all. Never ends within a seq, and gets on by at
/// least one.
pub(super) async fn read(
    tx: &mut Tx,
    location: &Location,
    space: &Space,
    poll: &Poll,
    begun: &Reach,
) -> sqlx::Result<(Vec<Change>, Seq)> {
    let (id, after) = (&location.id, begun.after(poll.told));
    let mut through = location.totals.seq;
    let mut rows: Vec<(Seq, Change)> = Vec::new();
    // A source that gave as many rows as it may can have more behind them.
    let mut take = |read: Vec<(Seq, Change)>, limit: u32| {
        if read.len() >= limit as usize
            && let Some((last, _)) = read.last()
        {
            through = through.min(*last);
        }
        rows.extend(read);
    };
    let delete = |(seq, face_id)| (seq, Change::Delete { face_id });
    let removed = erasures::after(tx, id, after, poll.limit).await?;
    take(removed.into_iter().map(delete).collect(), poll.limit);
    let merged = merges::after(tx, id, after, poll.limit).await?;
    take(merged.into_iter().map(delete).collect(), poll.limit);
    if poll.told == Told::Changes {
        let limit = poll.limit.min(faces_max(space));
        let live = customers::polled(tx, id, &space.id, (after, begun.held), limit).await?;
        take(live.into_iter().map(|row| (row.seq, of_live(row, begun.held))).collect(), limit);
    }
    rows.retain(|(seq, _)| *seq <= through);
    rows.sort_by_key(|(seq, _)| *seq);
    if let Some((last, _)) = rows.get(poll.limit as usize - 1) {
        through = through.min(*last);
        rows.retain(|(seq, _)| *seq <= through);
    }
    // A face can have been merged before, and removed again after a restore.
    let mut named = HashSet::new();
    let once = |change: &Change| match change {
        Change::Delete { face_id } => named.insert(face_id.clone()),
        Change::Update { .. } | Change::Create { .. } => true,
    };
    Ok((rows.into_iter().map(|(_, change)| change).filter(once).collect(), through))
}

fn faces_max(space: &Space) -> u32 {
    let row = space.dimension * COMPONENT_BYTES + ROW_BYTES;
    u32::try_from(FACES_BYTES_MAX / row).unwrap_or(u32::MAX).max(1)
}

fn of_live(row: Polled, held: Seq) -> Change {
    let Polled { face_id, seq: _, named, name, flag, face } = row;
    match face {
        Some(embedding) => Change::Create { face_id, name, flag, embedding },
        None => Change::Update { face_id, name: (named > held).then_some(name), flag },
    }
}
