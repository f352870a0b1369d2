//! New faces of a store that asks a manager first: let in with consent, or refused.

use super::{
    edge_names::EdgeNames,
    page::{AfterChange, Page, Said, show},
    pager::ROWS,
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    changes, clock,
    tables::{consents::How, review_queue},
    web::{
        assets,
        extract::{Form, Path, Query},
        local_time::LocalTime,
        refusal::Refusal,
        session::Manager,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Redirect, Response},
};
use protocol::{FaceId, LocationId, message::EnrolPolicy};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "review.html")]
struct Review {
    page: Page,
    store: Store,
    asks: bool,
    waiting: i64,
    faces: Vec<Row>,
}

struct Row {
    face_id: FaceId,
    edge: String,
    seen: LocalTime,
}

#[derive(Deserialize)]
pub struct Accept {
    consent: Option<String>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(after): Query<AfterChange>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Review), clock::now());
    let mut tx = app.db.read().await?;
    let found = review_queue::oldest(&mut tx, &id, ROWS).await?;
    let waiting = review_queue::count(&mut tx, &id).await?;
    let edges = EdgeNames::of(&mut tx, &id).await?;
    let row = |face: review_queue::Waiting| Row {
        edge: edges.name(&face.edge),
        seen: store.local(face.seen_at, now),
        face_id: face.face_id,
    };
    show(&Review {
        page: Page::new(format!("New faces of {}", store.name)).saying(after.said()),
        asks: location.enrol == EnrolPolicy::Approve,
        waiting,
        faces: found.into_iter().map(row).collect(),
        store,
    })
}

pub async fn accept(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Path<(LocationId, FaceId)>,
    Form(Accept { consent }): Form<Accept>,
) -> Result<Redirect, Refusal> {
    let consent = consent.ok_or_else(|| {
        Refusal::bad(
            "nobody is let in without consent: say how this person agreed, written, spoken or online",
        )
    })?;
    let how: How = consent.parse().map_err(|error| Refusal::bad(format!("{error}")))?;
    let changed = changes::accept(&app, &id, &face, how, &manager.actor()).await?;
    Ok(Said::LetIn.at(&format!("/stores/{id}/changes/{}", changed.seq)))
}

pub async fn refuse(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Path<(LocationId, FaceId)>,
) -> Result<Redirect, Refusal> {
    changes::refuse(&app, &id, &face, &manager.actor()).await?;
    Ok(Said::FaceRefused.at(&format!("/stores/{id}/review")))
}
