//! Locations.

use crate::{
    app::App,
    locations::{self, NewLocation, NewSettings},
    points::Points,
    tables,
    web::{
        extract::{Json, Path},
        new_store,
        refusal::Refusal,
        token::Program,
    },
};
use axum::{Json as Answer, extract::State, http::StatusCode};
use protocol::{LocationId, Seq, UnixMs, message::EnrolPolicy};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A location as programs see it.
#[derive(Debug, Serialize)]
pub struct Location {
    id: LocationId,
    name: String,
    time_zone: &'static str,
    enrol: EnrolPolicy,
    lease_s: u32,
    /// What a customer gets for each visit.
    points_per_visit: Points,
    /// The seq of its newest change.
    seq: Seq,
    customers: u64,
    /// The digest of its live rows, in hexadecimal.
    digest: String,
    created_at: UnixMs,
}

impl From<tables::locations::Location> for Location {
    fn from(location: tables::locations::Location) -> Location {
        Location {
            id: location.id,
            name: location.name,
            time_zone: location.time_zone.name(),
            enrol: location.enrol,
            lease_s: location.lease_s,
            points_per_visit: location.points_per_visit,
            seq: location.totals.seq,
            customers: location.totals.count,
            digest: location.totals.digest.to_string(),
            created_at: location.created_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct List {
    locations: Vec<Location>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    /// Made from the name when not given.
    id: Option<String>,
    name: String,
    time_zone: String,
    enrol: Option<String>,
    #[serde(default)]
    points_per_visit: i64,
}

/// What of a location is to be another; what is not there stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    time_zone: Option<String>,
    enrol: Option<String>,
    lease_s: Option<u32>,
    points_per_visit: Option<i64>,
}

/// The location, or the refusal that there is none.
pub(super) async fn found(app: &App, id: &LocationId) -> Result<tables::locations::Location, Refusal> {
    let found = locations::get(app, id).await?;
    found.ok_or_else(|| Refusal::not_found(format!("there is no location {id}")))
}

pub async fn list(State(app): State<Arc<App>>) -> Result<Answer<List>, Refusal> {
    let locations = locations::list(&app).await?.into_iter().map(Location::from).collect();
    Ok(Answer(List { locations }))
}

pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
) -> Result<Answer<Location>, Refusal> {
    Ok(Answer(found(&app, &id).await?.into()))
}

pub async fn add(
    State(app): State<Arc<App>>,
    program: Program,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Location>), Refusal> {
    let new = NewLocation {
        id: new_store::id(new.id.as_deref(), &new.name)?,
        enrol: new_store::policy(new.enrol.as_deref())?,
        name: new.name,
        time_zone: new.time_zone,
        points_per_visit: new.points_per_visit.try_into()?,
    };
    let location = locations::add(&app, new, &program.actor()).await?;
    Ok((StatusCode::CREATED, Answer(location.into())))
}

pub async fn patch(
    State(app): State<Arc<App>>,
    program: Program,
    Path(id): Path<LocationId>,
    Json(patch): Json<Patch>,
) -> Result<Answer<Location>, Refusal> {
    let enrol = patch.enrol.as_deref().map(|enrol| new_store::policy(Some(enrol))).transpose()?;
    let points_per_visit = patch.points_per_visit.map(Points::try_from).transpose()?;
    let Patch { name, time_zone, lease_s, .. } = patch;
    let new = NewSettings { name, time_zone, enrol, names: None, lease_s, points_per_visit };
    locations::set(&app, &id, new, &program.actor()).await?;
    Ok(Answer(found(&app, &id).await?.into()))
}
