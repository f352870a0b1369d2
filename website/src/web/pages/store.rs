//! The frame of the pages inside one store.

use crate::{
    app::App,
    tables::locations::Location,
    web::{extract::Path, local_time::LocalTime, refusal::Refusal},
};
use axum::response::Redirect;
use protocol::{LocationId, UnixMs};

/// The store a page is about.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its id.
    pub id: LocationId,
    /// As people call it.
    pub name: String,
    /// Where its days begin and end.
    pub time_zone: chrono_tz::Tz,
    /// The tab that is open.
    pub tab: Tab,
}

/// The tabs of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Who comes.
    Customers,
    /// The boxes with the cameras.
    Edges,
    /// New faces that wait for a manager.
    Review,
    /// When they came.
    Visits,
    /// What its manager sets.
    Settings,
}

impl Store {
    /// The frame with `tab` open.
    pub fn new(location: &Location, tab: Tab) -> Store {
        Store { id: location.id.clone(), name: location.name.clone(), time_zone: location.time_zone, tab }
    }

    /// A moment on the store's clock.
    pub fn local(&self, at: UnixMs, now: UnixMs) -> LocalTime {
        LocalTime::new(at, self.time_zone, now)
    }
}

/// The location behind a page.
///
/// # Errors
/// When there is none.
pub async fn found(app: &App, id: &LocationId) -> Result<Location, Refusal> {
    let found = crate::locations::get(app, id).await?;
    found.ok_or_else(|| Refusal::not_found("there is no such store"))
}

/// A store opens with its customers.
pub async fn enter(Path(id): Path<LocationId>) -> Redirect {
    Redirect::to(&format!("/stores/{id}/customers"))
}

/// A length of time in the largest unit that fits: `72 hours`, `90 seconds`.
pub fn duration_words(seconds: u32) -> String {
    match seconds {
        s if s % 86_400 == 0 && s >= 7 * 86_400 => format!("{} days", s / 86_400),
        s if s % 3_600 == 0 && s > 3_600 => format!("{} hours", s / 3_600),
        s if s % 60 == 0 && s > 60 => format!("{} minutes", s / 60),
        s => format!("{s} seconds"),
    }
}
