//! A box becomes an edge.

use super::hash;
use crate::{
    app::App,
    clock, credentials,
    db::Tx,
    encryption, ledger, random,
    tables::{
        audit, edge_reports, edge_starts, edges, join_codes, locations, locations::Location, polling_boxes,
        spaces,
    },
};
use protocol::{DigestKey, EdgeId, LocationId, MAX_DIMENSION, PublicKey, SpaceId, UnixMs};
use std::net::IpAddr;

/// What a box brings.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The code, in any case, with or without spaces and dashes.
    pub code: String,
    /// The public half of the key it has made.
    pub public_key: PublicKey,
    /// The space of its model, with thresholds.
    pub space: spaces::Space,
}

/// What it gets.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Who it is.
    pub edge: EdgeId,
    /// Where it belongs.
    pub location: LocationId,
    /// As people call that.
    pub location_name: String,
    /// Where the broker is.
    pub mqtt: MqttAddress,
    /// Its password at the broker; shown once, stored hashed.
    pub token: String,
    /// The authority that vouches for the broker; none: a public one, or nothing is encrypted.
    pub ca: Option<String>,
    /// The key that signs heads.
    pub site_key: PublicKey,
    /// The key of the location's digests.
    pub digest_key: DigestKey,
}

/// Where an edge finds the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttAddress {
    /// None: the host it joined at.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
}

/// Why a box was refused.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Too many wrong codes.
    #[error("too many wrong codes: wait a quarter of an hour")]
    Throttled,
    /// No such code.
    #[error("this code is not known, or has been used: ask for a new one")]
    UnknownCode,
    /// It was a right one.
    #[error("this code has expired: a code holds for 15 minutes, ask for a new one")]
    Expired,
    /// No dimension that an embedding can have, or thresholds the wrong way round.
    #[error("a space has 1 to {MAX_DIMENSION} dimensions and 0 < new <= match <= 1")]
    BadSpace,
    /// The same space with other properties.
    #[error("space {0} is registered with another dimension or other thresholds: use that model's manifest")]
    SpaceDiffers(SpaceId),
    /// Nobody has registered it.
    #[error(
        "space {0} is not registered: give its dimension and thresholds as well, as its manifest in edge/models says"
    )]
    UnknownSpace(SpaceId),
    /// There is none, and none was given.
    #[error(
        "no space is known yet: give that of the box's model with its dimension and thresholds, as its manifest in \
         edge/models says"
    )]
    NoSpace,
    /// Nothing tells which one.
    #[error("several spaces are known ({0}): say which one the box's model has")]
    SeveralSpaces(String),
    /// Its edge's boxes listen over MQTT.
    #[error("this code is for an edge that listens over MQTT: add a new edge for a box that polls")]
    Listens,
    /// Its edge's boxes poll.
    #[error("this code is for a box that polls: join with \"kind\": \"polling\", or add a new edge")]
    Polls,
    /// The broker is not up yet.
    #[error("the website is starting: try again in a moment")]
    Starting,
    /// The database did not do it.
    #[error("the database did not store it: {0}")]
    Database(#[from] sqlx::Error),
}

/// Lets the box at `peer` join with its code. The code is used up by that, and whatever an earlier box of this
/// edge has reported is void.
///
/// # Errors
/// When the code is wrong, used, expired or guessed at too often, or the space is refused.
pub async fn join(app: &App, request: &JoinRequest, peer: IpAddr) -> Result<Joined, JoinError> {
    let now = clock::now();
    let mqtt = mqtt_address(app).ok_or(JoinError::Starting)?;
    if !app.throttle.admits(peer, now) {
        return Err(JoinError::Throttled);
    }
    let result = consume(app, request, now, mqtt).await;
    if matches!(result, Err(JoinError::UnknownCode | JoinError::Expired)) {
        app.throttle.failed(peer, now);
    }
    result
}

async fn consume(
    app: &App,
    request: &JoinRequest,
    now: UnixMs,
    mqtt: MqttAddress,
) -> Result<Joined, JoinError> {
    let mut tx = app.db.write().await?;
    let (edge, location) = redeem(&mut tx, &request.code, now).await?;
    let id = edge.id;
    if polling_boxes::get(&mut tx, &id).await?.is_some() {
        return Err(JoinError::Polls);
    }
    let space = &request.space;
    registered(&mut tx, space, now).await?;
    // The box that this one replaces never logs in again, whatever backup is restored.
    if let Some(replaced) = edges::token_hash(&mut tx, &id).await? {
        credentials::withdraw(&mut tx, &replaced, now).await?;
    }
    let token = random::token();
    let joined = edges::Joined { at: now, public_key: request.public_key, space: space.id.clone() };
    edges::set_joined(&mut tx, &id, &joined, &hash(&token)).await?;
    edge_reports::delete(&mut tx, &id).await?;
    edge_starts::delete(&mut tx, &id).await?;
    let entry = audit::Entry {
        at: now,
        actor: format!("edge:{id}"),
        action: "edge.join".to_owned(),
        location: Some(location.id.clone()),
        subject: id.to_string(),
    };
    audit::insert(&mut tx, &entry).await?;
    tx.commit().await?;
    // The box has joined in any case.
    ledger::catch_up(app).await;
    let ca = encryption::mqtt_authority(&app.settings).filter(|_| mqtt.tls);
    Ok(Joined {
        edge: id,
        location: location.id,
        location_name: location.name,
        mqtt,
        token,
        ca,
        site_key: app.key.public(),
        digest_key: location.digest_key,
    })
}

/// A box's place among the others.
pub(super) struct Place {
    /// Which edge it is.
    pub(super) edge: EdgeId,
    /// Where it belongs.
    pub(super) location: LocationId,
    /// As people call that.
    pub(super) location_name: String,
}

/// Uses a code up and tells whose it was. The code comes in any case, with or without spaces and dashes.
pub(super) async fn redeem(
    tx: &mut Tx,
    code: &str,
    now: UnixMs,
) -> Result<(edges::Edge, Location), JoinError> {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let found = join_codes::get(tx, &hash(&code.to_ascii_uppercase())).await?;
    let (id, expires_at) = found.ok_or(JoinError::UnknownCode)?;
    if now >= expires_at {
        return Err(JoinError::Expired);
    }
    let edge = edges::get(tx, &id).await?.ok_or(JoinError::UnknownCode)?;
    let location = locations::get(tx, &edge.location).await?.ok_or(JoinError::UnknownCode)?;
    if !join_codes::delete(tx, &id).await? {
        return Err(JoinError::UnknownCode);
    }
    Ok((edge, location))
}

/// Registers a space, unless it is with these very properties.
pub(super) async fn registered(tx: &mut Tx, space: &spaces::Space, now: UnixMs) -> Result<(), JoinError> {
    let ordered = 0 < space.new_below.0 && space.new_below <= space.match_at && space.match_at.0 <= 10_000;
    if !(1..=MAX_DIMENSION).contains(&space.dimension) || !ordered {
        return Err(JoinError::BadSpace);
    }
    spaces::insert(tx, space, now).await?;
    if spaces::get(tx, &space.id).await?.as_ref() != Some(space) {
        return Err(JoinError::SpaceDiffers(space.id.clone()));
    }
    Ok(())
}

fn mqtt_address(app: &App) -> Option<MqttAddress> {
    let tls = app.settings.encrypts_mqtt();
    match app.settings.mqtt_told() {
        Some(told) => Some(MqttAddress { host: Some(told.host), port: told.port, tls }),
        None => app.mqtt.get().map(|bound| MqttAddress { host: None, port: bound.port(), tls }),
    }
}
