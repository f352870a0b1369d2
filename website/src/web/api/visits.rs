//! Visits, newest first.

use super::{locations, rows};
use crate::{
    app::App,
    points::Points,
    tables::{self, visits::Kind},
    web::{
        extract::{Path, Query},
        part::{Part, one_more},
        refusal::Refusal,
    },
};
use axum::{Json as Answer, extract::State};
use protocol::{EdgeId, FaceId, LocationId, UnixMs, message::Similarity};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A visit as programs see it.
#[derive(Debug, Serialize)]
pub struct Visit {
    /// Its place in the order in which visits came in.
    id: i64,
    edge: EdgeId,
    kind: Kind,
    face_id: Option<FaceId>,
    /// The cosine of the angle between the face seen and the one known.
    similarity: Option<f32>,
    /// By the edge's clock.
    seen_at: UnixMs,
    /// By ours.
    received_at: UnixMs,
    /// The edge's clock minus ours, in milliseconds.
    clock_offset_ms: i64,
    /// What it was worth to its customer.
    points: Points,
}

impl From<(i64, tables::visits::Visit)> for Visit {
    fn from((id, visit): (i64, tables::visits::Visit)) -> Visit {
        Visit {
            id,
            edge: visit.edge,
            kind: visit.kind,
            face_id: visit.face_id,
            similarity: visit.similarity.map(Similarity::cosine),
            seen_at: visit.seen_at,
            received_at: visit.received_at,
            clock_offset_ms: visit.clock_offset_ms,
            points: visit.points,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Only visits with a lower id.
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct List {
    visits: Vec<Visit>,
    /// What `before` must be for the next page, if there is one.
    next_before: Option<i64>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(location): Path<LocationId>,
    Query(question): Query<Question>,
) -> Result<Answer<List>, Refusal> {
    locations::found(&app, &location).await?;
    let limit = rows(question.limit)?;
    let mut tx = app.db.read().await?;
    let found = tables::visits::newest(&mut tx, &location, question.before, one_more(limit)).await?;
    let Part { rows: found, more } = Part::of(found, limit);
    let visits: Vec<Visit> = found.into_iter().map(Visit::from).collect();
    let next_before = visits.last().filter(|_| more).map(|visit| visit.id);
    Ok(Answer(List { visits, next_before }))
}
