//! The certificate of an erasure, readable, and as the file that is handed over.

use super::{
    page::{Page, show},
    pill::{Pill, Tone},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock,
    decide::certificate::Proof,
    erasure::{EdgeStatement, Statement},
    web::{api::erasure_found, assets, extract::Path, local_time::LocalTime, refusal::Refusal},
};
use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use protocol::{FaceId, LocationId};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "erasure.html")]
struct Erasure {
    page: Page,
    store: Store,
    statement: Statement,
    tone: Tone,
    summary: &'static str,
    removed: LocalTime,
    until: LocalTime,
    drawn_up: LocalTime,
    edges: Vec<Row>,
}

/// One edge.
struct Row {
    name: String,
    state: Pill,
    at: Option<LocalTime>,
    signed: bool,
    until: Option<LocalTime>,
    /// When a box that polls said that it has deleted the face.
    confirmed: Option<LocalTime>,
    /// Whether nothing but its word will ever come.
    endless: bool,
}

pub async fn show_erasure(
    State(app): State<Arc<App>>,
    Path((id, face)): Path<(LocationId, FaceId)>,
) -> Result<Response, Refusal> {
    let store = Store::new(&store::found(&app, &id).await?, Tab::Customers);
    let statement = erasure_found(&app, &id, &face).await?.statement;
    let now = clock::now();
    let (tone, summary) = summary(&statement);
    let row = |edge: &EdgeStatement| Row {
        name: edge.name.clone(),
        state: pill(edge.proof),
        at: edge.receipt.as_ref().map(|receipt| store.local(receipt.removed_at, now)),
        signed: edge.signed_report.is_some(),
        until: edge.outstanding_until.map(|until| store.local(until, now)),
        confirmed: edge.confirmed_at.map(|at| store.local(at, now)),
        endless: edge.proof == Proof::Unconfirmed,
    };
    show(&Erasure {
        page: Page::new(format!("Certificate of an erasure, {}", store.name)),
        tone,
        summary,
        removed: store.local(statement.removed_at, now),
        until: store.local(statement.recognised_until, now),
        drawn_up: store.local(statement.drawn_up_at, now),
        edges: statement.edges.iter().map(row).collect(),
        statement,
        store,
    })
}

/// The file.
pub async fn download(
    State(app): State<Arc<App>>,
    Path((id, face)): Path<(LocationId, FaceId)>,
) -> Result<Response, Refusal> {
    store::found(&app, &id).await?;
    let certificate = erasure_found(&app, &id, &face).await?;
    let name = format!("attachment; filename=\"erasure-{}.json\"", certificate.statement.face_id);
    let text = serde_json::to_string_pretty(&certificate).map_err(|error| Refusal::internal(&error))?;
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

fn pill(proof: Proof) -> Pill {
    let (tone, text) = match proof {
        Proof::Removed => (Tone::Good, "forgotten, and checked"),
        Proof::NeverHeld => (Tone::Good, "never held this face"),
        Proof::Verified => (Tone::Good, "holds exactly the website's customers"),
        Proof::LeaseOver => (Tone::Good, "lease over: recognises nobody"),
        Proof::Outstanding => (Tone::Warn, "not yet"),
        Proof::Confirmed => (Tone::Warn, "confirmed by the box’s word, not proved"),
        Proof::Unconfirmed => (Tone::Warn, "not confirmed"),
        Proof::StillFound => (Tone::Bad, "still finds this face"),
        Proof::Doubtful => (Tone::Bad, "its word is in doubt: see the edge’s state"),
    };
    Pill::new(tone, text)
}

fn summary(statement: &Statement) -> (Tone, &'static str) {
    let fault = statement.edges.iter().any(|edge| matches!(edge.proof, Proof::StillFound | Proof::Doubtful));
    let of = |proof| statement.edges.iter().filter(|edge| edge.proof == proof).count();
    let by_word = of(Proof::Outstanding) + of(Proof::Unconfirmed) == 0;
    match (statement.complete, fault) {
        (true, _) if statement.edges.is_empty() => (Tone::Good, "No edge could hold this face."),
        (true, _) => (Tone::Good, "No edge can recognise this face any more."),
        (false, false) if by_word => (
            Tone::Warn,
            "Every edge that can prove it has; boxes that poll can only say so, which is no proof.",
        ),
        (false, false) => (Tone::Warn, "Not every edge has proved it yet."),
        (false, true) => (Tone::Bad, "Somebody must look at an edge: what it says is not enough."),
    }
}
