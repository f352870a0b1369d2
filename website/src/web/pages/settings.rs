//! What of a store its manager sets.

use super::{
    page::{AfterChange, Page, Said, show},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    locations::{self, NewSettings},
    points::Points,
    web::{
        assets,
        extract::{Form, Path, Query},
        refusal::Refusal,
        session::Manager,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Redirect, Response},
};
use protocol::LocationId;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    page: Page,
    store: Store,
    points_per_visit: Points,
    points_max: u16,
}

#[derive(Deserialize)]
pub struct PointsForm {
    points_per_visit: String,
}

pub async fn show_settings(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(after): Query<AfterChange>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let store = Store::new(&location, Tab::Settings);
    show(&Settings {
        page: Page::new(format!("Settings of {}", store.name)).saying(after.said()),
        points_per_visit: location.points_per_visit,
        points_max: Points::MAX,
        store,
    })
}

pub async fn set_points(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path(id): Path<LocationId>,
    Form(form): Form<PointsForm>,
) -> Result<Redirect, Refusal> {
    let new =
        NewSettings { points_per_visit: Some(form.points_per_visit.parse()?), ..NewSettings::default() };
    locations::set(&app, &id, new, &manager.actor()).await?;
    Ok(Said::SettingsStored.at(&format!("/stores/{id}/settings")))
}
