//! Faces that wait for a manager. The face itself never leaves.

use super::{locations, rows};
use crate::{
    app::App,
    changes,
    tables::review_queue,
    web::{
        extract::{Json, Path, Query},
        refusal::Refusal,
        token::Program,
    },
};
use axum::{Json as Answer, extract::State};
use protocol::{EdgeId, FaceId, LocationId, Seq, UnixMs};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A face that waits, as programs see it.
#[derive(Debug, Serialize)]
pub struct Waiting {
    face_id: FaceId,
    /// Who saw it.
    edge: EdgeId,
    /// By the edge's clock.
    seen_at: UnixMs,
    received_at: UnixMs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct List {
    /// How many wait.
    waiting: i64,
    /// Those that have waited longest.
    faces: Vec<Waiting>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// How the person agreed: written, spoken or online.
    consent: String,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Decided {
    /// The seq to follow.
    seq: Seq,
    /// When it was committed.
    at: UnixMs,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(location): Path<LocationId>,
    Query(question): Query<Question>,
) -> Result<Answer<List>, Refusal> {
    locations::found(&app, &location).await?;
    let mut tx = app.db.read().await?;
    let found = review_queue::oldest(&mut tx, &location, rows(question.limit)?).await?;
    let waiting = review_queue::count(&mut tx, &location).await?;
    let face = |face: review_queue::Waiting| Waiting {
        face_id: face.face_id,
        edge: face.edge,
        seen_at: face.seen_at,
        received_at: face.received_at,
    };
    Ok(Answer(List { waiting, faces: found.into_iter().map(face).collect() }))
}

pub async fn accept(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, face)): Path<(LocationId, FaceId)>,
    Json(Accept { consent }): Json<Accept>,
) -> Result<Answer<Decided>, Refusal> {
    let how = consent.parse().map_err(|error| Refusal::bad(format!("{error}")))?;
    let done = changes::accept(&app, &location, &face, how, &program.actor()).await?;
    Ok(Answer(Decided { seq: done.seq, at: done.at }))
}

pub async fn refuse(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, face)): Path<(LocationId, FaceId)>,
) -> Result<Answer<Decided>, Refusal> {
    let done = changes::refuse(&app, &location, &face, &program.actor()).await?;
    Ok(Answer(Decided { seq: done.seq, at: done.at }))
}
