//! Customers. The face itself never leaves.

use super::{locations, rows};
use crate::{
    app::App,
    changes::{self, Edit},
    tables::{
        self,
        customers::{Live, State as Row},
    },
    web::{
        edit_customer,
        extract::{Json, Path, Query},
        part::{Part, one_more},
        refusal::Refusal,
        token::Program,
    },
};
use axum::{Json as Answer, extract::State};
use protocol::{FaceId, LocationId, Name, Seq, UnixMs, message::Flag};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A customer as programs see it.
#[derive(Debug, Serialize)]
pub struct Customer {
    face_id: FaceId,
    /// The seq of its last change.
    seq: Seq,
    name: Name,
    flag: Flag,
    points: i64,
    visits: i64,
    last_seen_at: Option<UnixMs>,
    /// Whom this may be: their faces are alike, not alike enough to be sure.
    possible_duplicate_of: Option<FaceId>,
    created_at: UnixMs,
    changed_at: UnixMs,
}

impl Customer {
    fn new(row: &tables::customers::Customer, live: &Live) -> Customer {
        Customer {
            face_id: row.face_id.clone(),
            seq: row.seq,
            name: live.content.name.clone(),
            flag: live.content.flag,
            points: live.points,
            visits: live.visits,
            last_seen_at: live.last_seen_at,
            possible_duplicate_of: live.duplicate_of.clone(),
            created_at: row.created_at,
            changed_at: row.changed_at,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Part of a name.
    q: Option<String>,
    #[serde(default)]
    offset: u32,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct List {
    customers: Vec<Customer>,
    /// The offset of the next page, if there is one.
    next_offset: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    flag: Option<String>,
    /// The points to have from now on.
    points: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    into: FaceId,
}

/// What a change led to.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// The seq to follow.
    seq: Seq,
    customer: Customer,
}

/// What a removal or a merge led to.
#[derive(Debug, Serialize)]
pub struct Gone {
    /// The seq to follow.
    seq: Seq,
    /// When it was committed.
    at: UnixMs,
    /// The customer it was merged into, if it was not removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<FaceId>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(location): Path<LocationId>,
    Query(question): Query<Question>,
) -> Result<Answer<List>, Refusal> {
    locations::found(&app, &location).await?;
    let limit = rows(question.limit)?;
    let (text, offset) = (question.q.unwrap_or_default(), question.offset);
    let mut tx = app.db.read().await?;
    let found = tables::customers::search(&mut tx, &location, text.trim(), offset, one_more(limit)).await?;
    let part = Part::of(found, limit);
    let customers = part.rows.iter().filter_map(|row| Some(Customer::new(row, row.live()?))).collect();
    Ok(Answer(List { customers, next_offset: part.next_offset(offset, limit) }))
}

pub async fn get(
    State(app): State<Arc<App>>,
    Path((location, face)): Path<(LocationId, FaceId)>,
) -> Result<Answer<Customer>, Refusal> {
    locations::found(&app, &location).await?;
    Ok(Answer(found(&app, &location, &face).await?))
}

pub async fn patch(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, face)): Path<(LocationId, FaceId)>,
    Json(patch): Json<Patch>,
) -> Result<Answer<Changed>, Refusal> {
    let edit = Edit {
        name: patch.name.as_deref().map(edit_customer::name).transpose()?,
        flag: patch.flag.as_deref().map(edit_customer::flag).transpose()?,
    };
    let points = patch.points.map(edit_customer::points).transpose()?;
    let by = program.actor();
    match (edit.name.is_some() || edit.flag.is_some(), points) {
        (false, None) => return Err(Refusal::bad("nothing to change: give a name, a flag or points")),
        (true, None) => drop(changes::edit(&app, &location, &face, edit, &by).await?),
        (false, Some(points)) => edit_customer::set_points(&app, &location, &face, points, &by).await?,
        (true, Some(points)) => {
            // Two transactions: each sets what it is to be, so whoever saw one fail sends both again.
            edit_customer::set_points(&app, &location, &face, points, &by).await?;
            changes::edit(&app, &location, &face, edit, &by).await?;
        }
    }
    let customer = found(&app, &location, &face).await?;
    Ok(Answer(Changed { seq: customer.seq, customer }))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, face)): Path<(LocationId, FaceId)>,
) -> Result<Answer<Gone>, Refusal> {
    let changed = changes::remove(&app, &location, &face, &program.actor()).await?;
    Ok(Answer(Gone { seq: changed.seq, at: changed.at, into: None }))
}

pub async fn merge(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, face)): Path<(LocationId, FaceId)>,
    Json(Merge { into }): Json<Merge>,
) -> Result<Answer<Gone>, Refusal> {
    let changed = changes::merge(&app, &location, &face, &into, &program.actor()).await?;
    Ok(Answer(Gone { seq: changed.seq, at: changed.at, into: Some(into) }))
}

async fn found(app: &App, location: &LocationId, face: &FaceId) -> Result<Customer, Refusal> {
    let row = tables::customers::get(&mut app.db.read().await?, location, face).await?;
    match row.as_ref().map(|row| (row, &row.state)) {
        Some((row, Row::Live(live))) => Ok(Customer::new(row, live)),
        other => Err(edit_customer::not_live(face, other.map(|(row, _)| row))),
    }
}
