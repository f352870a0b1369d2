//! The overview, and adding a store.

use super::{
    page::{Page, Said, show},
    pill::Pill,
};
use crate::{
    app::App,
    edges,
    locations::{self, NewLocation},
    points::Points,
    web::{assets, extract::Form, new_store, refusal::Refusal, session::Manager},
};
use askama::Template;
use axum::{
    extract::State,
    response::{Redirect, Response},
};
use protocol::{LocationId, message::EnrolPolicy};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "stores.html")]
struct Stores {
    page: Page,
    stores: Vec<Row>,
}

struct Row {
    id: LocationId,
    name: String,
    time_zone: &'static str,
    enrol: &'static str,
    customers: u64,
    edges: usize,
    state: Pill,
}

#[derive(Template)]
#[template(path = "store_new.html")]
struct NewStore {
    page: Page,
    time_zones: Vec<&'static str>,
}

#[derive(Deserialize)]
pub struct New {
    name: String,
    time_zone: String,
    enrol: Option<String>,
}

pub async fn list(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let mut stores = Vec::new();
    for location in locations::list(&app).await? {
        let edges = edges::list(&app, &location.id).await?;
        stores.push(Row {
            name: location.name,
            time_zone: location.time_zone.name(),
            enrol: policy_words(location.enrol),
            customers: location.totals.count,
            edges: edges.iter().filter(|status| status.edge.revoked_at.is_none()).count(),
            state: Pill::of_fleet(edges.iter().map(|status| (&status.standing, status.edge.presence))),
            id: location.id,
        });
    }
    show(&Stores { page: Page::new("Stores"), stores })
}

pub async fn form() -> Result<Response, Refusal> {
    // Names such as `EST` or `GMT+3` are no places: the IANA database keeps them for old programs.
    let is_place = |name: &&str| (name.contains('/') && !name.starts_with("Etc/")) || *name == "UTC";
    let time_zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_place).collect();
    show(&NewStore { page: Page::new("Add a store"), time_zones })
}

pub async fn add(
    State(app): State<Arc<App>>,
    manager: Manager,
    Form(new): Form<New>,
) -> Result<Redirect, Refusal> {
    let new = NewLocation {
        id: new_store::id(None, &new.name)?,
        enrol: new_store::policy(new.enrol.as_deref())?,
        name: new.name,
        time_zone: new.time_zone,
        points_per_visit: Points::default(),
    };
    let location = locations::add(&app, new, &manager.actor()).await?;
    Ok(Said::StoreAdded.at(&format!("/stores/{}/edges", location.id)))
}

fn policy_words(policy: EnrolPolicy) -> &'static str {
    match policy {
        EnrolPolicy::Auto => "new faces become customers",
        EnrolPolicy::Approve => "new faces wait for a manager",
        EnrolPolicy::Off => "no new customers",
    }
}
