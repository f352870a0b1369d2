//! A box that polls asks what has changed.

use crate::{
    app::App,
    decide::poll::{End, Told},
    polling::{self, Caller, Change, Poll, PollError, Scope, Since},
    web::{box_token::PollingBox, connection::Connection, extract::Query, refusal::Refusal},
};
use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat};
use protocol::{FaceId, message::Flag};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many changes an answer holds when the question does not say, and at most.
const LIMIT_DEFAULT: u32 = 1_000;
const LIMIT_MAX: u32 = 10_000;

/// Whether an answer tells all there is from the beginning on: `all` or `since`.
const SCOPE: HeaderName = HeaderName::from_static("sync-scope");
/// Whether there is more to ask for at once: `true` or `false`.
const MORE: HeaderName = HeaderName::from_static("sync-more");

/// Older devices send more than this, which means nothing here.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    since: String,
    format: Option<String>,
    limit: Option<u32>,
}

/// The removals.
#[derive(Serialize)]
struct Removals {
    success: bool,
    deleted: Vec<FaceId>,
    #[serde(rename = "syncTimestamp")]
    sync_timestamp: String,
}

/// Every change.
#[derive(Serialize)]
struct Changes {
    changes: Vec<Line>,
    sync_timestamp: String,
}

#[derive(Serialize)]
struct Line {
    action: &'static str,
    face_id: FaceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Vec<f32>>,
}

pub async fn sync(
    State(app): State<Arc<App>>,
    asking: PollingBox,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let poll = Poll { since: since(&asked)?, told: told(&asked)?, limit: limit(&asked)? };
    if poll.told == Told::Changes && asking.connection == Connection::InTheClear {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "format=changes carries faces and is answered over HTTPS only: serve with TLS, or leave format out to be told \
             removals",
        ));
    }
    let caller = Caller { edge: &asking.edge, location: &asking.location, space: &asking.space };
    let answer = polling::poll(&app, caller, &poll).await?;
    let sync_timestamp = time(answer.stamp)?;
    let headers = [
        (SCOPE, if answer.scope == Scope::Everything { "all" } else { "since" }),
        (MORE, if answer.end == End::Cut { "true" } else { "false" }),
    ];
    Ok(match poll.told {
        Told::Removals => {
            let deleted = answer.changes.into_iter().filter_map(removed).collect();
            (headers, Answer(Removals { success: true, deleted, sync_timestamp })).into_response()
        }
        Told::Changes => {
            let changes = answer.changes.into_iter().map(Line::from).collect();
            (headers, Answer(Changes { changes, sync_timestamp })).into_response()
        }
    })
}

fn since(asked: &Asked) -> Result<Since, Refusal> {
    asked.since.parse().map_err(|error: polling::ParseSinceError| Refusal::bad(error.to_string()))
}

fn told(asked: &Asked) -> Result<Told, Refusal> {
    match asked.format.as_deref() {
        None => Ok(Told::Removals),
        Some("changes") => Ok(Told::Changes),
        Some(_) => Err(Refusal::bad("format is changes, or left out to be told removals only")),
    }
}

fn limit(asked: &Asked) -> Result<u32, Refusal> {
    match asked.limit {
        None => Ok(LIMIT_DEFAULT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::bad(format!("limit is a number from 1 to {LIMIT_MAX}"))),
    }
}

/// `2025-12-07T02:30:00Z`.
fn time(stamp: i64) -> Result<String, Refusal> {
    let at = DateTime::from_timestamp(stamp, 0);
    let at = at.ok_or_else(|| Refusal::internal(&"the clock shows a year that cannot be written"))?;
    Ok(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn removed(change: Change) -> Option<FaceId> {
    match change {
        Change::Delete { face_id } => Some(face_id),
        Change::Update { .. } | Change::Create { .. } => None,
    }
}

impl From<Change> for Line {
    fn from(change: Change) -> Line {
        match change {
            Change::Delete { face_id } => {
                Line { action: "delete", face_id, name: None, flag: None, embedding: None }
            }
            Change::Update { face_id, name, flag } => Line {
                action: "update",
                face_id,
                name: name.map(|name| name.as_str().to_owned()),
                flag: Some(flag.as_str()),
                embedding: None,
            },
            Change::Create { face_id, name, flag, embedding } => Line {
                action: "create",
                face_id,
                name: (!name.is_empty()).then(|| name.as_str().to_owned()),
                flag: (flag != Flag::None).then(|| flag.as_str()),
                embedding: Some(embedding.to_f32()),
            },
        }
    }
}

impl From<PollError> for Refusal {
    fn from(error: PollError) -> Refusal {
        match error {
            PollError::Replaced => Refusal::new(StatusCode::UNAUTHORIZED, error.to_string()),
            PollError::Database(error) => error.into(),
        }
    }
}
