//! Edges as managers see them: add, list, revoke, and how far a change has come.

mod join;
mod pace;
mod polling;
mod throttle;

pub use join::{JoinError, JoinRequest, Joined, MqttAddress, join};
pub use pace::{Pace, Paces};
pub use polling::{Enlisted, SpaceChoice, add_polling, join_polling};
pub use throttle::Throttle;

use crate::{
    app::App,
    changes::Actor,
    clock,
    db::Tx,
    decide::{
        fleet::{self, Standing},
        polls, progress,
    },
    encryption,
    ledger::LedgerError,
    random,
    tables::{
        audit, change_log, customers, edge_progress, edge_reports, edges, join_codes, locations,
        locations::Location, polling_boxes, polling_boxes::PollingBox,
    },
};
use protocol::{EdgeId, LocationId, Name, Seq, UnixMs};
use sha2::{Digest as _, Sha256};

/// How long a join code holds, in milliseconds.
pub const CODE_MS: i64 = 15 * 60 * 1000;

/// Why something about an edge was refused.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// No such location.
    #[error("there is no location {0}")]
    UnknownLocation(LocationId),
    /// No such edge at this location.
    #[error("there is no edge {0} at this location")]
    Unknown(EdgeId),
    /// Shut out for good.
    #[error("edge {0} has been revoked: add a new one")]
    Revoked(EdgeId),
    /// Only joining again ends that.
    #[error("edge {0} is shut out: give it a new code and let its box join again")]
    ShutOut(EdgeId),
    /// The location has one of this name.
    #[error("this location has an edge called {0:?} already: choose another name")]
    NameTaken(String),
    /// Empty, too long, or with control characters.
    #[error("an edge's name has 1 to 120 characters and no line break, its place 0 to 120")]
    BadName,
    /// It is revoked, but that is not in the erasure ledger.
    #[error(
        "the edge is revoked, but that is not written to the erasure ledger, so that a backup restored now would let \
         it in again: {0}; mend that, the website tries again every minute"
    )]
    NotInLedger(LedgerError),
    /// Its box cannot be let in.
    #[error(transparent)]
    Joining(#[from] JoinError),
    /// The database did not do it.
    #[error("the database did not store it: {0}")]
    Database(#[from] sqlx::Error),
}

/// A new edge with the code that lets one box join as it. The code is shown once and not stored.
#[derive(Debug, Clone)]
pub struct Added {
    /// Its id.
    pub edge: EdgeId,
    /// 8 characters.
    pub code: String,
    /// Until when the code holds.
    pub expires_at: UnixMs,
    /// By which the box knows this website, where no public authority vouches for it.
    pub ca_fingerprint: Option<String>,
}

/// Adds an edge that has yet to join. `place` may be empty.
///
/// # Errors
/// When there is no such location, or it has an edge of this name.
pub async fn add(
    app: &App,
    location: &LocationId,
    name: &str,
    place: &str,
    by: &Actor,
) -> Result<Added, EdgeError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    let (edge, _) = added_edge(&mut tx, location, name, place, now).await?;
    let added = give_code(app, &mut tx, edge, now).await?;
    note(&mut tx, location, "edge.add", &added.edge, now, by).await?;
    tx.commit().await?;
    Ok(added)
}

/// Gives an edge a new code: the one it had was not used in time, or its box is replaced. Whoever joins with it
/// takes the place of the box before.
///
/// # Errors
/// When there is no such edge at this location, or it is revoked.
pub async fn new_code(
    app: &App,
    location: &LocationId,
    edge: &EdgeId,
    by: &Actor,
) -> Result<Added, EdgeError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    if at(&mut tx, location, edge).await?.revoked_at.is_some() {
        return Err(EdgeError::Revoked(edge.clone()));
    }
    let added = give_code(app, &mut tx, edge.clone(), now).await?;
    note(&mut tx, location, "edge.code", edge, now, by).await?;
    tx.commit().await?;
    Ok(added)
}

/// Shuts an edge out for good: its session is closed within seconds, and it counts no longer among those that
/// must have applied a change. No restored backup undoes it.
///
/// # Errors
/// When there is no such edge at this location; when it is done and the erasure ledger cannot be written.
pub async fn revoke(app: &App, location: &LocationId, edge: &EdgeId, by: &Actor) -> Result<(), EdgeError> {
    let mut tx = app.db.write().await?;
    at(&mut tx, location, edge).await?;
    revoke_in(&mut tx, location, edge, by).await?;
    tx.commit().await?;
    app.revoked.notify_one();
    app.ledger.write_down(&app.db).await.map_err(EdgeError::NotInLedger)
}

/// The same for an edge of that location, inside a transaction; the ledger is the caller's to write.
pub(crate) async fn revoke_in(
    tx: &mut Tx,
    location: &LocationId,
    edge: &EdgeId,
    by: &Actor,
) -> sqlx::Result<()> {
    let now = clock::now();
    if edges::revoke(tx, edge, now).await? {
        join_codes::delete(tx, edge).await?;
        note(tx, location, "edge.revoke", edge, now, by).await?;
    }
    Ok(())
}

/// Somebody has seen to an edge's alarm. An edge that is shut out stays so until its box joins again.
///
/// # Errors
/// When there is no such edge at this location, or its alarm cannot be ended so.
pub async fn end_alarm(app: &App, location: &LocationId, edge: &EdgeId, by: &Actor) -> Result<(), EdgeError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    if at(&mut tx, location, edge).await?.alarm.shuts_out() {
        return Err(EdgeError::ShutOut(edge.clone()));
    }
    if edges::end_alarm(&mut tx, edge).await? {
        note(&mut tx, location, "edge.alarm-ended", edge, now, by).await?;
    }
    Ok(tx.commit().await?)
}

/// An edge with what it said last and what that means.
#[derive(Debug, Clone)]
pub struct EdgeStatus {
    /// The edge.
    pub edge: edges::Edge,
    /// What it said last, in its current start.
    pub report: Option<edge_reports::Report>,
    /// Its box, where that is one that polls.
    pub polling: Option<PollingBox>,
    /// Where it stands.
    pub standing: Standing,
}

/// A location's edges by name, revoked ones last.
///
/// # Errors
/// When there is no such location.
pub async fn list(app: &App, location: &LocationId) -> Result<Vec<EdgeStatus>, EdgeError> {
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let found = locations::get(&mut tx, location).await?;
    let found = found.ok_or_else(|| EdgeError::UnknownLocation(location.clone()))?;
    let spaces = customers::spaces_in_use(&mut tx, location).await?;
    let mut reports = edge_reports::of_location(&mut tx, location).await?;
    let mut boxes = polling_boxes::of_location(&mut tx, location).await?;
    let edges = edges::of_location(&mut tx, location).await?;
    Ok(edges
        .into_iter()
        .map(|edge| {
            let place = reports.iter().position(|(id, _)| *id == edge.id);
            let report = place.map(|place| reports.swap_remove(place).1);
            let place = boxes.iter().position(|polling| polling.edge == edge.id);
            let polling = place.map(|place| boxes.swap_remove(place));
            let standing = match &polling {
                None => fleet::standing(&edge, report.as_ref(), &found.totals, &spaces),
                Some(polling) => {
                    let polls = polls::of(polling, &found.totals, found.time_zone, now);
                    fleet::of_polling(&edge, &polling.space, polls, &spaces)
                }
            };
            EdgeStatus { edge, report, polling, standing }
        })
        .collect())
}

/// How far a change has come.
#[derive(Debug, Clone)]
pub struct ChangeProgress {
    /// The change.
    pub change: change_log::Entry,
    /// Each edge that takes part, by name.
    pub edges: Vec<progress::EdgeProgress>,
}

/// Which edges hold the change `seq` or, of boxes that poll, have asked beyond it, and since when; `None` when the location has had no such change.
///
/// # Errors
/// When there is no such location.
pub async fn change_progress(
    app: &App,
    location: &LocationId,
    seq: Seq,
) -> Result<Option<ChangeProgress>, EdgeError> {
    let mut tx = app.db.read().await?;
    let found = locations::get(&mut tx, location).await?;
    let found = found.ok_or_else(|| EdgeError::UnknownLocation(location.clone()))?;
    let Some(change) = change_log::get(&mut tx, location, seq).await? else { return Ok(None) };
    let edges = edges::of_location(&mut tx, location).await?;
    let reports = edge_reports::of_location(&mut tx, location).await?;
    let since = edge_progress::holding(&mut tx, location, found.totals.epoch, seq).await?;
    let boxes = polling_boxes::of_location(&mut tx, location).await?;
    let edges = progress::of_change(&change, found.totals.epoch, &edges, (&reports, &boxes), &since);
    Ok(Some(ChangeProgress { change, edges }))
}

async fn at(tx: &mut Tx, location: &LocationId, edge: &EdgeId) -> Result<edges::Edge, EdgeError> {
    let found = edges::get(tx, edge).await?;
    found.filter(|found| found.location == *location).ok_or_else(|| EdgeError::Unknown(edge.clone()))
}

/// Adds an edge without a box.
async fn added_edge(
    tx: &mut Tx,
    location: &LocationId,
    name: &str,
    place: &str,
    now: UnixMs,
) -> Result<(EdgeId, Location), EdgeError> {
    let name = name.parse::<Name>().ok().filter(|name| !name.is_empty()).ok_or(EdgeError::BadName)?;
    let place = place.parse::<Name>().map_err(|_| EdgeError::BadName)?;
    let edge = random::edge_id();
    let found = locations::get(tx, location).await?;
    let found = found.ok_or_else(|| EdgeError::UnknownLocation(location.clone()))?;
    if !edges::insert(tx, &edge, location, name.as_str(), place.as_str(), now).await? {
        return Err(EdgeError::NameTaken(name.as_str().to_owned()));
    }
    Ok((edge, found))
}

async fn give_code(app: &App, tx: &mut Tx, edge: EdgeId, now: UnixMs) -> sqlx::Result<Added> {
    let (code, expires_at) = (random::join_code(), now.plus_ms(CODE_MS));
    join_codes::upsert(tx, &edge, &hash(&code), expires_at).await?;
    let ca_fingerprint = encryption::authority(&app.settings.data).map(|authority| authority.fingerprint);
    Ok(Added { edge, code, expires_at, ca_fingerprint })
}

async fn note(
    tx: &mut Tx,
    location: &LocationId,
    action: &str,
    edge: &EdgeId,
    at: UnixMs,
    by: &Actor,
) -> sqlx::Result<()> {
    let entry = audit::Entry {
        at,
        actor: by.to_string(),
        action: action.to_owned(),
        location: Some(location.clone()),
        subject: edge.to_string(),
    };
    audit::insert(tx, &entry).await
}

/// How codes and login tokens are stored: random secrets need no slow hash.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
