//! What people change: each verb one transaction under its location's lock (an edit on PostgreSQL without it, see
//! `optimistic`), then a nudge to the publisher.

mod held;
mod optimistic;

pub use held::{Held, Newcomer};

use crate::{
    app::App,
    db::{Db, Scrubbed},
    decide::visit::{self, Verdict},
    faces::Faces,
    ledger::LedgerError,
    tables::{
        change_log::Verb,
        consents::{self, Consent, How},
        customers, review_queue, spaces, visits,
    },
};
use optimistic::Outcome;
use protocol::{
    FaceId, LocationId, Name, Seq, UnixMs,
    message::{Customer as Content, EnrolPolicy, Flag},
};
use std::{fmt, sync::atomic::Ordering};

/// Who does something, as the change log and the audit name them: `manager:ada`, `token:till`, `edge:...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// A manager at the pages.
    pub fn manager(name: &str) -> Actor {
        Actor(format!("manager:{name}"))
    }

    /// A program with a token of the HTTP API.
    pub fn token(name: &str) -> Actor {
        Actor(format!("token:{name}"))
    }

    /// An edge.
    pub fn edge(id: &protocol::EdgeId) -> Actor {
        Actor(format!("edge:{id}"))
    }

    /// The website itself.
    pub fn website() -> Actor {
        Actor("website".to_owned())
    }

    /// Somebody at the command line of the website's machine.
    pub fn command_line() -> Actor {
        Actor("command-line".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No such location.
    #[error("there is no location {0}")]
    UnknownLocation(LocationId),
    /// No such customer, ever.
    #[error("there is no customer {0} at this location")]
    UnknownCustomer(FaceId),
    /// Erased.
    #[error("customer {0} has been removed")]
    Removed(FaceId),
    /// Turned out to be another one.
    #[error("customer {face_id} was merged into {into}: change that one")]
    Merged {
        /// The one asked for.
        face_id: FaceId,
        /// The one it is.
        into: FaceId,
    },
    /// A customer cannot be merged into itself.
    #[error("a customer cannot be merged into itself")]
    Same,
    /// The face does not wait in the review queue.
    #[error("face {0} does not wait for review: somebody else has decided, or it never did")]
    NotWaiting(FaceId),
    /// It is done and on its way, but not in the erasure ledger.
    #[error(
        "the removal is done and on its way to the edges, but not written to the erasure ledger, so that a backup \
         restored now would bring this customer back: {0}; mend that, the website tries again every minute"
    )]
    NotInLedger(LedgerError),
    /// The database did not do it.
    #[error("the database did not store the change: {0}")]
    Database(#[from] sqlx::Error),
}

/// A change that is stored and on its way to the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// Its seq; [`crate::edges::change_progress`] tells who holds it.
    pub seq: Seq,
    /// When it was committed.
    pub at: UnixMs,
}

/// New content of a customer; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The name.
    pub name: Option<Name>,
    /// The flag.
    pub flag: Option<Flag>,
}

impl Edit {
    /// The content after this, and what was done to it; nothing when it is already so.
    fn of(self, before: &Content) -> Option<(Content, Verb)> {
        let after = Content {
            name: self.name.unwrap_or_else(|| before.name.clone()),
            flag: self.flag.unwrap_or(before.flag),
            space: before.space.clone(),
            embedding: before.embedding.clone(),
        };
        let verb = match (after.name == before.name, after.flag == before.flag) {
            (true, true) => return None,
            (false, true) => Verb::Renamed,
            (true, false) => Verb::Flagged,
            (false, false) => Verb::Edited,
        };
        Some((after, verb))
    }
}

/// Renames, flags, or both in one change. What is already so is no change: `None`.
///
/// # Errors
/// When there is no such live customer.
pub async fn edit(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    edit: Edit,
    by: &Actor,
) -> Result<Option<Changed>, ChangeError> {
    if let Db::Pg(pool) = &app.db {
        match optimistic::edit(pool, location, face_id, &edit, by).await? {
            Outcome::Done { seq, at } => return Ok(Some(on_its_way(app, seq, at))),
            Outcome::AlreadySo => return Ok(None),
            Outcome::Undone => {}
        }
    }
    let mut held = Held::begin(&app.db, location).await?;
    let row = held.live(face_id).await?;
    let Some(live) = row.live() else { return Err(ChangeError::Removed(face_id.clone())) };
    let Some((content, verb)) = edit.of(&live.content) else { return Ok(None) };
    let at = held.now;
    let seq = held.rewrite(&row, &content, verb, by).await?;
    Ok(Some(on_its_way(app, seq, at)))
}

/// Adds to a customer's points (a negative number takes away; they do not fall below zero) and tells the new
/// sum. Edges do not know points: this is no change for them.
///
/// # Errors
/// When there is no such live customer.
pub async fn add_points(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    points: i64,
    by: &Actor,
) -> Result<i64, ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    held.live(face_id).await?;
    let sum = customers::add_points(&mut held.tx, location, face_id, points).await?;
    held.note("customer.points", face_id.as_str(), by).await?;
    held.commit().await?;
    sum.ok_or_else(|| ChangeError::UnknownCustomer(face_id.clone()))
}

/// Erases a customer: name, face and everything personal go in this transaction, a nameless tombstone stays.
///
/// # Errors
/// When there is no such live customer.
pub async fn remove(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    by: &Actor,
) -> Result<Changed, ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    let row = held.live(face_id).await?;
    let seq = held.remove(&row, by).await?;
    held.note("customer.remove", face_id.as_str(), by).await?;
    let changed = committed(app, held, seq).await?;
    crash_point::reach("website_removed_before_ledger");
    overwrite(app).await;
    app.ledger.write_down(&app.db).await.map_err(ChangeError::NotInLedger)?;
    Ok(changed)
}

/// Says that `loser` is `winner`: edges forget the loser's face, its visits and points are the winner's.
///
/// # Errors
/// When one of them is not live, or both are the same.
pub async fn merge(
    app: &App,
    location: &LocationId,
    loser: &FaceId,
    winner: &FaceId,
    by: &Actor,
) -> Result<Changed, ChangeError> {
    if loser == winner {
        return Err(ChangeError::Same);
    }
    let mut held = Held::begin(&app.db, location).await?;
    let (lost, kept) = (held.live(loser).await?, held.live(winner).await?);
    held.note("customer.merge", loser.as_str(), by).await?;
    let at = held.now;
    let seq = held.merge(&lost, &kept, by).await?;
    let changed = on_its_way(app, seq, at);
    overwrite(app).await;
    Ok(changed)
}

/// Says that a customer is not the one it was marked as a possible duplicate of.
///
/// # Errors
/// When there is no such live customer.
pub async fn keep_apart(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    by: &Actor,
) -> Result<(), ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    held.live(face_id).await?;
    customers::clear_duplicate(&mut held.tx, location, face_id).await?;
    held.note("customer.keep-apart", face_id.as_str(), by).await?;
    held.commit().await
}

/// Refuses a face of the review queue: its vector is destroyed and its visits are nobody's.
///
/// # Errors
/// When it does not wait.
pub async fn refuse(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    by: &Actor,
) -> Result<Changed, ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    if review_queue::get(&mut held.tx, location, face_id).await?.is_none() {
        return Err(ChangeError::NotWaiting(face_id.clone()));
    }
    let seq = held.withdraw(face_id, by).await?;
    held.note("review.refuse", face_id.as_str(), by).await?;
    let changed = committed(app, held, seq).await?;
    overwrite(app).await;
    app.ledger.write_down(&app.db).await.map_err(ChangeError::NotInLedger)?;
    Ok(changed)
}

/// Makes a face of the review queue a customer, with how that person agreed: compared once more, because somebody may have become one in the
/// meantime; whom it equals it is merged into.
///
/// # Errors
/// When it does not wait.
pub async fn accept(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
    consent: How,
    by: &Actor,
) -> Result<Changed, ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    let waiting = review_queue::get(&mut held.tx, location, face_id).await?;
    let waiting = waiting.ok_or_else(|| ChangeError::NotWaiting(face_id.clone()))?;
    let space = spaces::get(&mut held.tx, &waiting.space).await?.ok_or(sqlx::Error::RowNotFound)?;
    let nearest = Faces::default().nearest(&mut held.tx, &held.location, &space, &waiting.embedding).await?;
    let nearest = nearest.as_ref().map(|(face_id, similarity)| (face_id, *similarity));
    let verdict = visit::new_after_search(nearest, &space, EnrolPolicy::Auto);
    held.take_from_review(face_id).await?;
    let seen = visits::of_face(&mut held.tx, location, face_id).await?;
    let (customer, seq) = match verdict {
        Verdict::MergeInto(winner) => {
            customers::count_visits(&mut held.tx, location, &winner, &seen).await?;
            let seq = held.merge_unborn(face_id, &winner, by).await?;
            (winner, seq)
        }
        other => {
            let duplicate_of = if let Verdict::Enrol { duplicate_of } = other { duplicate_of } else { None };
            let content = Content {
                name: Name::default(),
                flag: Flag::None,
                space: waiting.space,
                embedding: waiting.embedding,
            };
            let newcomer = Newcomer { face_id, content, seen, duplicate_of };
            (face_id.clone(), held.enrol(newcomer, by).await?)
        }
    };
    let consent = Consent { how: consent, actor: by.to_string(), at: held.now };
    consents::insert(&mut held.tx, location, &customer, &consent).await?;
    held.note("review.accept", face_id.as_str(), by).await?;
    let changed = committed(app, held, seq).await?;
    overwrite(app).await;
    Ok(changed)
}

/// The removal is committed and on its way; only then its old bytes are overwritten.
pub(crate) async fn overwrite(app: &App) {
    app.erased.notify_one();
    scrub(app).await;
}

/// Empties the database's log, which holds pages from before a removal.
pub(crate) async fn scrub(app: &App) {
    match app.db.scrub().await {
        Ok(Scrubbed::All) => app.to_scrub.store(false, Ordering::Relaxed),
        Ok(Scrubbed::ReaderInTheWay) => {
            app.to_scrub.store(true, Ordering::Relaxed);
            tracing::warn!(
                "a reader kept the database's log from being emptied after a removal; it is tried again"
            );
        }
        Err(error) => {
            app.to_scrub.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "the database's log could not be emptied after a removal; it is tried again");
        }
    }
}

/// Empties the log if a removal could not.
pub(crate) async fn scrub_again(app: &App) {
    if app.to_scrub.load(Ordering::Relaxed) {
        scrub(app).await;
    }
}

async fn committed(app: &App, held: Held, seq: Seq) -> Result<Changed, ChangeError> {
    let at = held.now;
    held.commit().await?;
    Ok(on_its_way(app, seq, at))
}

/// A change is committed: the publisher is nudged.
fn on_its_way(app: &App, seq: Seq, at: UnixMs) -> Changed {
    crash_point::reach("website_changed_before_published");
    app.changed.notify_one();
    Changed { seq, at }
}
