//! Visits that can never be stored, newest first.

use super::{locations, rows};
use crate::{
    app::App,
    tables::{self, dead_letters::DeadLetter},
    web::{
        extract::{Path, Query},
        part::{Part, one_more},
        refusal::Refusal,
    },
};
use axum::{Json as Answer, extract::State};
use protocol::{EdgeId, LocationId, UnixMs};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A dead letter as programs see it.
#[derive(Debug, Serialize)]
pub struct Letter {
    edge: EdgeId,
    /// The edge's number for the visit: which of its starts, 16 hexadecimal digits, and which visit of that.
    stream: String,
    n: u64,
    /// One of id_taken, unknown_space, wrong_dimension, refused.
    reason: String,
    received_at: UnixMs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    #[serde(default)]
    offset: u32,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct List {
    dead_letters: Vec<Letter>,
    /// The offset of the next page, if there is one.
    next_offset: Option<u32>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(location): Path<LocationId>,
    Query(Question { offset, limit }): Query<Question>,
) -> Result<Answer<List>, Refusal> {
    locations::found(&app, &location).await?;
    let limit = rows(limit)?;
    let mut tx = app.db.read().await?;
    let found = tables::dead_letters::newest(&mut tx, &location, offset, one_more(limit)).await?;
    let part = Part::of(found, limit);
    let letter = |letter: DeadLetter| Letter {
        edge: letter.edge,
        stream: letter.number.0.to_string(),
        n: letter.number.1,
        reason: letter.reason,
        received_at: letter.received_at,
    };
    let next_offset = part.next_offset(offset, limit);
    Ok(Answer(List { dead_letters: part.rows.into_iter().map(letter).collect(), next_offset }))
}
