//! One customer: rename, flag, points, remove.

use super::{
    customers::Customer,
    page::{AfterChange, Page, Said, show},
    store::{self, Store, Tab, duration_words},
};
use crate::{
    app::App,
    changes::{self, Changed, Edit},
    clock, tables,
    tables::consents::How,
    web::{
        assets, edit_customer,
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
use protocol::{FaceId, LocationId, Seq, message::EnrolPolicy, message::Flag};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    page: Page,
    store: Store,
    customer: Customer,
    path: String,
    since: LocalTime,
    changed: LocalTime,
    seq: Seq,
    possible_duplicate: Option<FaceId>,
    /// How this person agreed, and when that was written down.
    consent: Option<(How, LocalTime)>,
}

#[derive(Template)]
#[template(path = "customer_remove.html")]
struct RemovePage {
    page: Page,
    store: Store,
    customer: Customer,
    path: String,
    enrol: EnrolPolicy,
    lease_words: String,
}

#[derive(Deserialize)]
pub struct NameForm {
    name: String,
}

#[derive(Deserialize)]
pub struct FlagForm {
    flag: String,
}

#[derive(Deserialize)]
pub struct PointsForm {
    add: i64,
}

type Ids = Path<(LocationId, FaceId)>;

pub async fn show_customer(
    State(app): State<Arc<App>>,
    Path((id, face)): Ids,
    Query(after): Query<AfterChange>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Customers), clock::now());
    let (row, customer) = found(&app, &store, &face).await?;
    let consent = tables::consents::get(&mut app.db.read().await?, &id, &face).await?;
    let title = if customer.name.is_empty() { "A customer" } else { customer.name.as_str() };
    show(&CustomerPage {
        page: Page::new(format!("{title}, {}", store.name)).saying(after.said()),
        path: path(&id, &face),
        since: store.local(row.created_at, now),
        changed: store.local(row.changed_at, now),
        seq: row.seq,
        consent: consent.map(|consent| (consent.how, store.local(consent.at, now))),
        possible_duplicate: row.live().and_then(|live| live.duplicate_of.clone()),
        customer,
        store,
    })
}

pub async fn rename(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Ids,
    Form(form): Form<NameForm>,
) -> Result<Redirect, Refusal> {
    let edit = Edit { name: Some(edit_customer::name(&form.name)?), ..Edit::default() };
    let changed = changes::edit(&app, &id, &face, edit, &manager.actor()).await?;
    Ok(after_edit(&id, &face, changed, Said::Renamed))
}

pub async fn flag(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Ids,
    Form(form): Form<FlagForm>,
) -> Result<Redirect, Refusal> {
    let edit = Edit { flag: Some(edit_customer::flag(&form.flag)?), ..Edit::default() };
    let changed = changes::edit(&app, &id, &face, edit, &manager.actor()).await?;
    Ok(after_edit(&id, &face, changed, Said::Flagged))
}

pub async fn points(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Ids,
    Form(form): Form<PointsForm>,
) -> Result<Redirect, Refusal> {
    edit_customer::points(form.add.saturating_abs())?;
    changes::add_points(&app, &id, &face, form.add, &manager.actor()).await?;
    Ok(Said::PointsAdded.at(&path(&id, &face)))
}

/// Says plainly what a removal does, before it is done.
pub async fn ask_remove(State(app): State<Arc<App>>, Path((id, face)): Ids) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let store = Store::new(&location, Tab::Customers);
    let (_, customer) = found(&app, &store, &face).await?;
    show(&RemovePage {
        page: Page::new(format!("Remove a customer of {}", store.name)),
        path: path(&id, &face),
        enrol: location.enrol,
        lease_words: duration_words(location.lease_s),
        customer,
        store,
    })
}

pub async fn remove(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, face)): Ids,
) -> Result<Redirect, Refusal> {
    let changed = changes::remove(&app, &id, &face, &manager.actor()).await?;
    Ok(Said::Removed.at(&format!("/stores/{id}/changes/{}", changed.seq)))
}

async fn found(
    app: &App,
    store: &Store,
    face: &FaceId,
) -> Result<(tables::customers::Customer, Customer), Refusal> {
    let row = tables::customers::get(&mut app.db.read().await?, &store.id, face).await?;
    let Some(row) = row else { return Err(edit_customer::not_live(face, None)) };
    match Customer::of_row(&row, store, clock::now()) {
        Some(customer) => Ok((row, customer)),
        None => Err(edit_customer::not_live(face, Some(&row))),
    }
}

/// A change is followed on its own page; where there was none, the customer's says so.
fn after_edit(id: &LocationId, face: &FaceId, changed: Option<Changed>, said: Said) -> Redirect {
    match changed {
        Some(Changed { seq, .. }) => said.at(&format!("/stores/{id}/changes/{seq}")),
        None => Said::Unchanged.at(&path(id, face)),
    }
}

fn path(id: &LocationId, face: &FaceId) -> String {
    format!("/stores/{id}/customers/{face}")
}
