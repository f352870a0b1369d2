//! An edit on PostgreSQL in two rounds to the server instead of five: one statement reads the row with its location's
//! counters, another one writes what follows from them, unless somebody was quicker. It holds nobody up between the two.
//!
//! Why that is as good as the lock:
//!
//! - **Nothing is overwritten.** Whatever changes a customer moves its location's seq, so an unmoved one proves that the row
//!   is as it was read, digest and count with it. Of two writers of one seq the second waits for the first one's row, looks
//!   at the newest version of it (READ COMMITTED), and finds the seq moved. A visit moves no seq, but what it counts is in
//!   columns that an edit does not set, and they are taken from the newest version too.
//! - **Order.** The write holds the location's row, like a lock, from the moment it takes the seq until it is committed: the
//!   order of seqs stays the order of commits, and a publisher's snapshot has every seq below one that it has.
//! - **Dates.** The clock is read after the change before this one was seen to be committed, so a later seq is not dated
//!   earlier. The newest head's date must be unmoved too: whoever dated one in between is not dated back.
//! - **Backups.** One holds everything that is dated before it was begun. It dates every location's head while nobody can
//!   commit, so an edit that has its date and is not written finds another head, and is done again with a later date.
//! - **Restores and new epochs.** A restore holds all locations, begins an epoch in every one and commits both at once; an
//!   edit that waited for it finds another epoch, even where the seq is one that was there before.
//! - **Several websites** on one database meet in it alone: nothing here is remembered between the two statements.

use super::{Actor, ChangeError, Edit};
use crate::{
    clock,
    decide::{issue::next_issued_at, totals::Effect},
    tables::{
        change_log::{self, Entry},
        customers::{self, WithCounters},
    },
};
use protocol::{FaceId, LocationId, Seq, UnixMs};
use sqlx::{PgConnection, PgPool};

/// Whoever was too slow so often takes the lock, in which everybody's turn comes.
const TRIES: usize = 3;

/// What has become of an edit.
pub(super) enum Outcome {
    /// It is committed.
    Done {
        /// Its seq.
        seq: Seq,
        /// When.
        at: UnixMs,
    },
    /// It would change nothing.
    AlreadySo,
    /// Nothing was done: others were quicker, or there is no such live customer.
    Undone,
}

pub(super) async fn edit(
    pool: &PgPool,
    location: &LocationId,
    face_id: &FaceId,
    edit: &Edit,
    by: &Actor,
) -> Result<Outcome, ChangeError> {
    // One for both: a connection that is given back is asked whether it is still one, which is another round.
    let mut connection = pool.acquire().await?;
    for _ in 0..TRIES {
        let read = customers::with_counters(&mut *connection, location, face_id).await?;
        let Some(before) = read else { break };
        match attempt(&mut connection, location, before, edit.clone(), by).await? {
            Outcome::Undone => {}
            decided => return Ok(decided),
        }
    }
    Ok(Outcome::Undone)
}

async fn attempt(
    connection: &mut PgConnection,
    location: &LocationId,
    before: WithCounters,
    edit: Edit,
    by: &Actor,
) -> sqlx::Result<Outcome> {
    let WithCounters { row, totals, issued_at, digest_key } = before;
    let Some(live) = row.live() else { return Ok(Outcome::Undone) };
    let Some((content, verb)) = edit.of(&live.content) else { return Ok(Outcome::AlreadySo) };
    let (at, seq) = (clock::now(), totals.seq.next());
    let new = digest_key.hash(&row.face_id, seq, &content);
    let after = totals.after(Effect::Replaced { old: live.row_hash, new });
    let entry =
        Entry { seq, epoch: after.epoch, face_id: row.face_id.clone(), verb, actor: by.to_string(), at };
    let heads = (issued_at, next_issued_at(at, issued_at));
    let rewritten = (&content, new);
    let done =
        change_log::insert_with_rewrite_if_unmoved(connection, location, &entry, rewritten, &after, heads)
            .await?;
    Ok(if done { Outcome::Done { seq, at } } else { Outcome::Undone })
}
