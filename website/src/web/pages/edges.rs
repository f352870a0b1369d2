//! The edges of a store: where each stands, adding one, revoking one.

use super::{
    page::{AfterChange, Page, Said, show},
    pill::Pill,
    store::{self, Store, Tab, duration_words},
};
use crate::{
    app::App,
    clock,
    edges::{self, Added, EdgeError, EdgeStatus, SpaceChoice},
    tables::{edges::Presence, spaces},
    web::{
        api::edges_behind,
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
    http::{HeaderMap, header},
    response::{Redirect, Response},
};
use protocol::{EdgeId, LocationId, Seq, SpaceId, UnixMs, message::RepairCounts};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "edges.html")]
struct Edges {
    page: Page,
    store: Store,
    edges: Vec<Row>,
    seq: Seq,
    digest: String,
    /// What the model of a box that polls can be of.
    spaces: Vec<SpaceId>,
}

struct Row {
    id: EdgeId,
    name: String,
    place: String,
    state: Pill,
    connection: &'static str,
    behind: String,
    digest: String,
    queued: String,
    /// When it said so, where visits were waiting: they may have come since.
    queued_at: Option<LocalTime>,
    /// The repairs it has begun since its start; empty without one.
    repairs: String,
    last_seen: Option<LocalTime>,
    joined: bool,
    revoked: bool,
    /// Since when something is wrong with it.
    alarm_since: Option<LocalTime>,
    /// Whether joining again is the only way back.
    shut_out: bool,
    /// Since when it has been told to compare its rows and has not begun to.
    repair_since: Option<LocalTime>,
}

#[derive(Template)]
#[template(path = "edge_code.html")]
struct CodePage {
    page: Page,
    store: Store,
    name: String,
    url: String,
    code: String,
    ca_fingerprint: Option<String>,
    expires: LocalTime,
}

#[derive(Template)]
#[template(path = "edge_token.html")]
struct TokenPage {
    page: Page,
    store: Store,
    name: String,
    url: String,
    token: String,
    space: SpaceId,
}

#[derive(Template)]
#[template(path = "edge_revoke.html")]
struct RevokePage {
    page: Page,
    store: Store,
    edge: EdgeId,
    name: String,
    lease_words: String,
}

#[derive(Deserialize)]
pub struct New {
    name: String,
    #[serde(default)]
    place: String,
    /// How its box hears of changes.
    #[serde(default)]
    kind: Kind,
    /// Of a box that polls, the space of its model; empty where that can be told.
    #[serde(default)]
    space: String,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Mqtt,
    Polling,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(after): Query<AfterChange>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Edges), clock::now());
    let edges = edges::list(&app, &id).await?;
    let edges = edges.into_iter().map(|status| row(status, location.totals.seq, &store, now)).collect();
    show(&Edges {
        page: Page::new(format!("Edges of {}", store.name)).saying(after.said()),
        edges,
        seq: location.totals.seq,
        digest: short(&location.totals.digest.to_bytes()),
        spaces: spaces::all_ids(&mut app.db.read().await?).await?,
        store,
    })
}

/// Adds an edge. This page is the answer itself and no redirect: code and token are stored hashed, so they can be shown
/// only now.
pub async fn add(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path(id): Path<LocationId>,
    headers: HeaderMap,
    Form(new): Form<New>,
) -> Result<Response, Refusal> {
    let (name, by) = (new.name.trim().to_owned(), manager.actor());
    match new.kind {
        Kind::Mqtt => {
            let added = edges::add(&app, &id, &new.name, &new.place, &by).await?;
            show_code(&app, &id, name, added, &headers).await
        }
        Kind::Polling => {
            let space = match new.space.as_str() {
                "" => SpaceChoice::Only,
                id => {
                    SpaceChoice::Named(id.parse().map_err(|_| Refusal::bad("this is no space, choose one"))?)
                }
            };
            let enlisted = edges::add_polling(&app, &id, (&new.name, &new.place), &space, &by).await?;
            let store = Store::new(&store::found(&app, &id).await?, Tab::Edges);
            show(&TokenPage {
                page: Page::new(format!("Token for {name}")),
                name,
                url: own_address(&headers),
                token: enlisted.token,
                space: enlisted.space,
                store,
            })
        }
    }
}

/// Gives an edge a new code: the last one was not used in time, or the box is replaced.
pub async fn new_code(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, edge)): Path<(LocationId, EdgeId)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let name = found(&app, &id, &edge).await?.edge.name;
    let added = edges::new_code(&app, &id, &edge, &manager.actor()).await?;
    show_code(&app, &id, name, added, &headers).await
}

/// Somebody has seen to an edge's alarm.
pub async fn end_alarm(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, edge)): Path<(LocationId, EdgeId)>,
) -> Result<Redirect, Refusal> {
    edges::end_alarm(&app, &id, &edge, &manager.actor()).await?;
    Ok(Said::AlarmEnded.at(&format!("/stores/{id}/edges")))
}

pub async fn ask_revoke(
    State(app): State<Arc<App>>,
    Path((id, edge)): Path<(LocationId, EdgeId)>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let store = Store::new(&location, Tab::Edges);
    let name = found(&app, &id, &edge).await?.edge.name;
    let page = Page::new(format!("Revoke an edge of {}", store.name));
    show(&RevokePage { page, edge, name, lease_words: duration_words(location.lease_s), store })
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    manager: Manager,
    Path((id, edge)): Path<(LocationId, EdgeId)>,
) -> Result<Redirect, Refusal> {
    edges::revoke(&app, &id, &edge, &manager.actor()).await?;
    Ok(Said::Revoked.at(&format!("/stores/{id}/edges")))
}

async fn found(app: &App, id: &LocationId, edge: &EdgeId) -> Result<EdgeStatus, Refusal> {
    let found = edges::list(app, id).await?.into_iter().find(|status| status.edge.id == *edge);
    Ok(found.ok_or_else(|| EdgeError::Unknown(edge.clone()))?)
}

async fn show_code(
    app: &App,
    id: &LocationId,
    name: String,
    added: Added,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let store = Store::new(&store::found(app, id).await?, Tab::Edges);
    show(&CodePage {
        page: Page::new(format!("Join code for {name}")),
        name,
        url: own_address(headers),
        code: added.code,
        ca_fingerprint: added.ca_fingerprint,
        expires: store.local(added.expires_at, clock::now()),
        store,
    })
}

/// The address of this website as the manager's browser reached it.
fn own_address(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), _) if origin.starts_with("http") => origin.to_owned(),
        (_, Some(host)) => format!("http://{host}"),
        (_, None) => "URL".to_owned(),
    }
}

fn row(status: EdgeStatus, newest: Seq, store: &Store, now: UnixMs) -> Row {
    let EdgeStatus { edge, report, polling, standing } = status;
    let asked_at = polling.as_ref().and_then(|polling| polling.asked_at);
    let behind = edges_behind(&standing, report.as_ref().map(|report| report.applied), newest);
    Row {
        state: Pill::of_standing(&standing),
        connection: match (edge.joined.is_some() && edge.revoked_at.is_none(), edge.presence) {
            (false, _) => "",
            (true, Presence::Online) => "online",
            (true, Presence::Offline) => "offline",
        },
        behind: behind.map(|changes| changes.to_string()).unwrap_or_default(),
        digest: report.as_ref().map(|report| short(&report.digest.to_bytes())).unwrap_or_default(),
        queued: report.as_ref().map(|report| report.queued.to_string()).unwrap_or_default(),
        queued_at: report
            .as_ref()
            .filter(|report| report.queued > 0)
            .map(|report| store.local(report.received_at, now)),
        repairs: report.as_ref().map(|report| repair_words(report.repairs)).unwrap_or_default(),
        last_seen: edge.last_seen_at.or(asked_at).map(|at| store.local(at, now)),
        joined: edge.joined.is_some() || polling.is_some(),
        revoked: edge.revoked_at.is_some(),
        alarm_since: edge.alarm_at.map(|at| store.local(at, now)),
        shut_out: edge.alarm.shuts_out(),
        repair_since: edge.repair_ordered_at.map(|at| store.local(at, now)),
        id: edge.id,
        name: edge.name,
        place: edge.place,
    }
}

/// The first 32 bits of a digest, for the eye.
fn short(digest: &[u8; 16]) -> String {
    hex::encode(&digest[..4])
}

/// How often the edge has begun to compare its rows since its start, and why; empty when never.
fn repair_words(repairs: RepairCounts) -> String {
    let begun = repairs.by_reason().into_iter().filter(|(times, ..)| *times > 0);
    begun.map(|(times, _, why)| format!("{times} {why}")).collect::<Vec<_>>().join(", ")
}
