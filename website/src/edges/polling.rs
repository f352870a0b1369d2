//! A box that polls becomes an edge.

use super::{
    EdgeError, JoinError, added_edge,
    join::{Place, redeem, registered},
    note,
};
use crate::{
    app::App,
    changes::Actor,
    clock, credentials,
    db::Tx,
    ledger,
    tables::{customers, edges, polling_answers, polling_boxes, spaces},
    web::{box_token, secret::Secret},
};
use protocol::{EdgeId, LocationId, SpaceId, UnixMs};
use std::net::IpAddr;

/// Which space the model of a box has that polls. It gets nobody's face of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpaceChoice {
    /// This one, registered unless it is.
    Given(spaces::Space),
    /// The one of this id, which is registered.
    Named(SpaceId),
    /// The location's, where all its customers are of one; where it has none yet, the only one that is registered.
    Only,
}

/// A box that may poll. The token is shown once and stored hashed.
#[derive(Debug, Clone)]
pub struct Enlisted {
    /// Which edge it is.
    pub edge: EdgeId,
    /// Where it belongs.
    pub location: LocationId,
    /// As people call that.
    pub location_name: String,
    /// The space whose faces it gets.
    pub space: SpaceId,
    /// What it shows with every request.
    pub token: String,
}

/// Adds an edge whose box polls, and lets it in at once: its token takes the place of a code.
///
/// # Errors
/// When there is no such location, it has an edge of this name, or the space cannot be told.
pub async fn add_polling(
    app: &App,
    location: &LocationId,
    (name, place): (&str, &str),
    space: &SpaceChoice,
    by: &Actor,
) -> Result<Enlisted, EdgeError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    let (edge, found) = added_edge(&mut tx, location, name, place, now).await?;
    note(&mut tx, location, "edge.add", &edge, now, by).await?;
    let place = Place { edge, location: found.id, location_name: found.name };
    let enlisted = enlist(&mut tx, place, space, now).await?;
    tx.commit().await?;
    Ok(enlisted)
}

/// Lets the box at `peer` in that polls and brings a code. The code is used up by that, and the token of an earlier box of
/// this edge is void.
///
/// # Errors
/// When the code is wrong, used, expired, guessed at too often or for an edge that listens over MQTT, or the space cannot
/// be told.
pub async fn join_polling(
    app: &App,
    code: &str,
    space: &SpaceChoice,
    peer: IpAddr,
) -> Result<Enlisted, JoinError> {
    let now = clock::now();
    if !app.throttle.admits(peer, now) {
        return Err(JoinError::Throttled);
    }
    let result = consume(app, code, space, now).await;
    if matches!(result, Err(JoinError::UnknownCode | JoinError::Expired)) {
        app.throttle.failed(peer, now);
    }
    result
}

async fn consume(app: &App, code: &str, space: &SpaceChoice, now: UnixMs) -> Result<Enlisted, JoinError> {
    let mut tx = app.db.write().await?;
    let (edge, location) = redeem(&mut tx, code, now).await?;
    // What such an edge has proved, and has not, would be forgotten with its key.
    if edge.joined.is_some() {
        return Err(JoinError::Listens);
    }
    let place = Place { edge: edge.id, location: location.id, location_name: location.name };
    let enlisted = enlist(&mut tx, place, space, now).await?;
    tx.commit().await?;
    // The box has joined in any case.
    ledger::catch_up(app).await;
    Ok(enlisted)
}

/// The box is let in as this edge, in the place of the one before.
async fn enlist(tx: &mut Tx, place: Place, space: &SpaceChoice, now: UnixMs) -> Result<Enlisted, JoinError> {
    let Place { edge, location, location_name } = place;
    let space = chosen(tx, &location, space, now).await?;
    // The box that this one replaces never gets in again, whatever backup is restored.
    if let Some(replaced) = polling_boxes::bearer(tx, &edge).await? {
        credentials::withdraw(tx, &replaced.token_hash, now).await?;
    }
    let secret = Secret::random();
    polling_boxes::upsert(tx, &edge, &space, secret.hash(), now).await?;
    polling_answers::delete(tx, &edge).await?;
    edges::void_alarm(tx, &edge).await?;
    note(tx, &location, "edge.join", &edge, now, &Actor::edge(&edge)).await?;
    let token = box_token::text(&edge, &secret);
    Ok(Enlisted { edge, location, location_name, space, token })
}

async fn chosen(
    tx: &mut Tx,
    location: &LocationId,
    choice: &SpaceChoice,
    now: UnixMs,
) -> Result<SpaceId, JoinError> {
    match choice {
        SpaceChoice::Given(space) => registered(tx, space, now).await.map(|()| space.id.clone()),
        SpaceChoice::Named(id) => match spaces::get(tx, id).await? {
            Some(space) => Ok(space.id),
            None => Err(JoinError::UnknownSpace(id.clone())),
        },
        SpaceChoice::Only => {
            let mut known = customers::spaces_in_use(tx, location).await?;
            if known.is_empty() {
                known = spaces::all_ids(tx).await?;
            }
            match &known[..] {
                [only] => Ok(only.clone()),
                [] => Err(JoinError::NoSpace),
                several => {
                    let names: Vec<&str> = several.iter().map(SpaceId::as_str).collect();
                    Err(JoinError::SeveralSpaces(names.join(", ")))
                }
            }
        }
    }
}
