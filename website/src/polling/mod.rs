//! Boxes that poll: what an older device asks over plain HTTP(S) is answered from the very tables that the publisher reads.
//!
//! A poll names what the box has, by a time; the answer tells what has changed since, and a time for the next poll. That time
//! reads as one, and is a name: `polling_answers` says of each time that was given to a box what the answer has brought it
//! to, in epoch and seq. Clocks decide nothing there. Why a table, and no cursor hidden in the time itself: devices of this
//! kind parse what they get, by whole seconds or by 3 or 6 digits of a second, and send it back written anew. A seq does not
//! fit into what survives that; a whole second does, in whatever form and zone it comes back. Each answer takes a second of
//! its own, later than the one before, so a run of pages may be dated a little ahead of the clock.
//!
//! What holds, whatever the clocks say:
//!
//! - **No answer names a seq that the box was not told up to.** It is read in one snapshot, in the order of seq, which is the
//!   order of commits, and cut between two seqs.
//! - **What is not known is taken for nothing.** A time that was never given to this box, one of another epoch, one ahead of
//!   the database: everything is told again. Applying twice is harmless. The table may forget an answer for this reason, and
//!   no backup holds it.
//! - **A box may also make its own times** (`decide::poll` says how); to such a one they are read with an overlap.
//! - **A row's last state is told, not each step.** So a row may have been enrolled long before the page that tells it. What
//!   a box that is still being filled does not hold yet comes as created, with the face: the answers carry along through
//!   which seq every enrolled row is held.
//! - **Removals are told from tables that never forget**, `erasures` and `merges`; tombstones need not wait for such a box.
//!
//! A box that polls proves nothing: it has no digest, no lease and no signature. It counts nowhere as verified.

mod args;
mod page;
mod since;
mod visits;

pub use args::PollingArgs;
pub use page::Change;
pub use since::{ParseSinceError, Since};
pub use visits::{PolledVisit, StoreError, VisitId, VisitIdError, Who, store};

use crate::{
    app::App,
    clock,
    db::{self, Tx},
    decide::poll::{self, Confirmed, End, Logged, Question, Reach, Told},
    random,
    tables::{
        change_log, edge_progress,
        locations::{self, Location},
        polling_answers,
        polling_boxes::{self, Asked, PollingBox},
        spaces,
    },
};
use protocol::{EdgeId, LocationId, Seq, SpaceId, UnixMs};

/// While nothing changes, an answer bears the time of the one before for so long, and nothing is written.
const SAME_MS: i64 = 5_000;
/// So many questions back the answers stay known.
const QUESTIONS_KEPT: u64 = 1_000;
/// Of one question that comes again and again, so many of the newest answers.
const ANSWERS_KEPT: u32 = 100;
/// Every so many answers, old ones go.
const PRUNED_EVERY: u64 = 64;

/// Who asks, as its token says.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Which edge it is.
    pub edge: &'a EdgeId,
    /// Where it belongs.
    pub location: &'a LocationId,
    /// The space of its model.
    pub space: &'a SpaceId,
}

/// What it asks.
#[derive(Debug, Clone)]
pub struct Poll {
    /// What it has.
    pub since: Since,
    /// What it is to be told.
    pub told: Told,
    /// At most so many changes.
    pub limit: u32,
}

/// What it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// In the order of their seqs.
    pub changes: Vec<Change>,
    /// The time for the next poll, in seconds since 1970.
    pub stamp: i64,
    /// Whether the answer tells all there is from the beginning on, or what has changed.
    pub scope: Scope,
    /// Whether there is more.
    pub end: End,
}

/// From where on an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// From the beginning on.
    Everything,
    /// From what was asked for.
    Since,
}

/// Why a poll was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// Another box has joined in the place of this one, or its edge is gone.
    #[error("another box has taken this one's place: give its edge a new code, and let it join again")]
    Replaced,
    /// The database did not do it.
    #[error("the database did not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a question came to in one snapshot.
struct Found {
    joined_at: UnixMs,
    /// What the named answer had brought the box to, where it named one.
    named: Option<Reach>,
    begun: Reach,
    reach: Reach,
    changes: Vec<Change>,
}

/// Answers a poll.
///
/// # Errors
/// When the box is no longer what its token said, or the database does not answer.
pub async fn poll(app: &App, caller: Caller<'_>, poll: &Poll) -> Result<Answer, PollError> {
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let found = find(&mut tx, caller, poll, now).await?;
    drop(tx);
    let stamp = match record(app, caller.edge, &poll.since, &found, now).await {
        // While nothing can be stored the box hears of what has changed all the same, again and again.
        Err(PollError::Database(error)) if db::is_full(&error) && found.named.is_some() => {
            poll.since.stamp().ok_or(error)?
        }
        recorded => recorded?,
    };
    let from_nothing = found.begun.after(poll.told) == Seq(0);
    let scope = if from_nothing { Scope::Everything } else { Scope::Since };
    Ok(Answer { changes: found.changes, stamp, scope, end: found.reach.end })
}

async fn find(tx: &mut Tx, caller: Caller<'_>, poll: &Poll, now: UnixMs) -> Result<Found, PollError> {
    let location = locations::get(tx, caller.location).await?.ok_or(PollError::Replaced)?;
    let of_box = polling_boxes::get(tx, caller.edge).await?.ok_or(PollError::Replaced)?;
    let space = spaces::get(tx, caller.space).await?.ok_or(PollError::Replaced)?;
    let question = question(tx, &location, &of_box, &poll.since, now).await?;
    let named = match question {
        Question::After(reach) => Some(reach),
        Question::Everything | Question::Time { .. } => None,
    };
    let begun = poll::begin(question, &location.totals);
    let (changes, through) = page::read(tx, &location, &space, poll, &begun).await?;
    let reach = begun.then(poll.told, through, &location.totals);
    Ok(Found { joined_at: of_box.joined_at, named, begun, reach, changes })
}

async fn question(
    tx: &mut Tx,
    location: &Location,
    of_box: &PollingBox,
    since: &Since,
    now: UnixMs,
) -> sqlx::Result<Question> {
    let asking = asking(&of_box.asked, since);
    // An answer to this very question cannot be what it names: then a box has made that time by itself, with a clock that is
    // ahead of ours, and the answer that happened to bear it was lost.
    if let Some(stamp) = since.stamp()
        && let Some(reach) = polling_answers::at(tx, &of_box.edge, stamp, asking).await?
    {
        return Ok(Question::After(reach));
    }
    let Some(from) = since.moment(location.time_zone) else { return Ok(Question::Everything) };
    let told = match asking.checked_sub(1) {
        Some(before) => polling_answers::first_of(tx, &of_box.edge, before).await?,
        None => None,
    };
    let logged = if from > now {
        Logged::Future
    } else {
        match change_log::first_since(tx, &location.id, from).await? {
            None => Logged::Nothing,
            Some(first) if Some(first) == change_log::oldest(tx, &location.id).await? => Logged::Older,
            Some(first) => Logged::First(first),
        }
    };
    Ok(Question::Time { told, logged })
}

/// The number of a question: another one than the newest counts on.
fn asking(newest: &Asked, since: &Since) -> u64 {
    if newest.question == since.text() { newest.asking } else { newest.asking + 1 }
}

/// Stores what the answer brings the box to, and tells the time by which that is known.
async fn record(
    app: &App,
    edge: &EdgeId,
    since: &Since,
    found: &Found,
    now: UnixMs,
) -> Result<i64, PollError> {
    let mut tx = app.db.write().await?;
    let of_box = polling_boxes::lock(&mut tx, edge).await?.ok_or(PollError::Replaced)?;
    if of_box.joined_at != found.joined_at {
        return Err(PollError::Replaced);
    }
    let newest = of_box.asked.newest_stamp;
    let is_newest = since.stamp() == Some(newest) && found.named == Some(found.reach);
    let just_now = of_box.asked_at.is_some_and(|at| (0..SAME_MS).contains(&now.since(at)));
    if is_newest && just_now {
        return Ok(newest);
    }
    let mut stamp = now.0.div_euclid(1000).max(newest + 1);
    // What was asked with and is not known must not become known as something else.
    if since.stamp() == Some(stamp) {
        stamp += 1;
    }
    let asking = asking(&of_box.asked, since);
    let asked = Asked { question: since.text().to_owned(), asking, newest_stamp: stamp };
    let confirmed = match (&found.named, since) {
        // An answer of a history that is over confirms nothing of this one.
        (Some(named), _) if named.epoch == found.reach.epoch => Confirmed::by(named),
        (_, Since::Nothing) => Confirmed::NOTHING,
        _ => of_box.confirmed,
    };
    polling_answers::insert(&mut tx, edge, stamp, asking, &found.reach).await?;
    polling_boxes::set_asked(&mut tx, edge, &asked, confirmed, now).await?;
    if confirmed != of_box.confirmed && confirmed != Confirmed::NOTHING {
        edge_progress::insert(&mut tx, edge, confirmed.epoch, confirmed.everything(), now).await?;
    }
    if random::number().is_multiple_of(PRUNED_EVERY) {
        let oldest = asking.saturating_sub(QUESTIONS_KEPT);
        polling_answers::prune(&mut tx, edge, oldest, ANSWERS_KEPT).await?;
    }
    tx.commit().await?;
    Ok(stamp)
}
