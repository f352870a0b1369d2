//! Adding and setting up locations.

use crate::{
    app::App,
    changes::Actor,
    clock,
    decide::totals::Totals,
    points::Points,
    random,
    tables::{
        audit,
        locations::{self, Location, LocationSettings, NamesInView},
    },
};
use protocol::{DigestKey, Epoch, LocationId, Name, Seq, UnixMs, message::EnrolPolicy};

/// The lease of a new location: three days.
pub const LEASE_S_DEFAULT: u32 = 72 * 3600;

/// Why a location was not added or set.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The id is taken.
    #[error("there is a location {0} already: choose another id")]
    Exists(LocationId),
    /// No such location.
    #[error("there is no location {0}")]
    Unknown(LocationId),
    /// Empty, too long, or with control characters.
    #[error("a location's name has 1 to 120 characters and no line break")]
    BadName,
    /// Not in the IANA database.
    #[error("{0:?} is no time zone: give an IANA name such as Europe/Berlin")]
    BadTimeZone(String),
    /// Too short to live with, or so long that it is no promise.
    #[error("a lease lasts from 60 seconds to 90 days, this one {0} seconds")]
    BadLease(u32),
    /// The database did not do it.
    #[error("the database did not store the location: {0}")]
    Database(#[from] sqlx::Error),
}

/// A location as somebody asks for it.
#[derive(Debug, Clone)]
pub struct NewLocation {
    /// Its id, as it will stand in topics.
    pub id: LocationId,
    /// As people call it.
    pub name: String,
    /// An IANA name, for example `Europe/Berlin`.
    pub time_zone: String,
    /// What becomes of new faces. There is no default.
    pub enrol: EnrolPolicy,
    /// What a customer gets for each visit.
    pub points_per_visit: Points,
}

/// Adds a location: names hidden in `view/`, the default lease, a digest key and an epoch of its own.
///
/// # Errors
/// When the id is taken, or the name or the time zone is none.
pub async fn add(app: &App, new: NewLocation, by: &Actor) -> Result<Location, LocationError> {
    let (now, epoch) = (clock::now(), Epoch(random::number()));
    let location = Location {
        name: good_name(&new.name)?,
        time_zone: good_time_zone(&new.time_zone)?,
        enrol: new.enrol,
        names: NamesInView::Hidden,
        lease_s: LEASE_S_DEFAULT,
        points_per_visit: new.points_per_visit,
        digest_key: DigestKey::from_bytes(random::bytes()),
        totals: Totals::empty(epoch),
        issued_at: now,
        publish_round: 0,
        published: Seq(0),
        published_head: UnixMs(0),
        announced: Seq(0),
        backed_up_at: None,
        swept: epoch,
        lease_out: UnixMs(0),
        created_at: now,
        id: new.id,
    };
    let mut tx = app.db.write().await?;
    if !locations::insert(&mut tx, &location).await? {
        return Err(LocationError::Exists(location.id));
    }
    audit::insert(&mut tx, &entry(&location.id, "location.add", now, by)).await?;
    tx.commit().await?;
    app.changed.notify_one();
    Ok(location)
}

/// New settings as somebody asks for them; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct NewSettings {
    /// As people call it.
    pub name: Option<String>,
    /// An IANA name.
    pub time_zone: Option<String>,
    /// What becomes of new faces.
    pub enrol: Option<EnrolPolicy>,
    /// Whether `view/` shows names.
    pub names: Option<NamesInView>,
    /// The lease, in seconds.
    pub lease_s: Option<u32>,
    /// What a customer gets for each visit from now on.
    pub points_per_visit: Option<Points>,
}

/// Changes a location's settings; edges learn the policy and the lease by the next head, at once. What is so already
/// is no change.
///
/// # Errors
/// When there is no such location, or a value is refused.
pub async fn set(app: &App, id: &LocationId, new: NewSettings, by: &Actor) -> Result<(), LocationError> {
    let mut tx = app.db.write().await?;
    let found = locations::lock(&mut tx, id).await?;
    let old = found.ok_or_else(|| LocationError::Unknown(id.clone()))?;
    let points = new.points_per_visit.filter(|points| *points != old.points_per_visit);
    let before = LocationSettings {
        name: old.name.clone(),
        time_zone: old.time_zone,
        enrol: old.enrol,
        names: old.names,
        lease_s: old.lease_s,
    };
    let settings = LocationSettings {
        name: new.name.as_deref().map(good_name).transpose()?.unwrap_or(old.name),
        time_zone: new.time_zone.as_deref().map(good_time_zone).transpose()?.unwrap_or(old.time_zone),
        enrol: new.enrol.unwrap_or(old.enrol),
        names: new.names.unwrap_or(old.names),
        lease_s: new.lease_s.unwrap_or(old.lease_s),
    };
    if !(60..=90 * 24 * 3600).contains(&settings.lease_s) {
        return Err(LocationError::BadLease(settings.lease_s));
    }
    if settings == before && points.is_none() {
        return Ok(());
    }
    if let Some(points) = points {
        locations::set_points_per_visit(&mut tx, id, points).await?;
    }
    if settings != before {
        locations::set_settings(&mut tx, id, &settings).await?;
    }
    audit::insert(&mut tx, &entry(id, "location.set", clock::now(), by)).await?;
    tx.commit().await?;
    app.changed.notify_one();
    Ok(())
}

/// Every location, by id.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(app: &App) -> sqlx::Result<Vec<Location>> {
    locations::all(&mut app.db.read().await?).await
}

/// One location, if there is one.
///
/// # Errors
/// When the database cannot be read.
pub async fn get(app: &App, id: &LocationId) -> sqlx::Result<Option<Location>> {
    locations::get(&mut app.db.read().await?, id).await
}

fn good_name(name: &str) -> Result<String, LocationError> {
    match name.parse::<Name>() {
        Ok(name) if !name.is_empty() => Ok(name.as_str().to_owned()),
        _ => Err(LocationError::BadName),
    }
}

fn good_time_zone(name: &str) -> Result<chrono_tz::Tz, LocationError> {
    name.parse().map_err(|_| LocationError::BadTimeZone(name.to_owned()))
}

fn entry(id: &LocationId, action: &str, at: UnixMs, by: &Actor) -> audit::Entry {
    audit::Entry {
        at,
        actor: by.to_string(),
        action: action.to_owned(),
        location: Some(id.clone()),
        subject: id.to_string(),
    }
}
