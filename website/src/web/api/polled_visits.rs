//! What a box that polls has seen.

use super::locations;
use crate::{
    app::App,
    decide::{
        polled::{Because, Status},
        visit::Reason,
    },
    points::Points,
    polling::{self, Caller, ParseSinceError, PolledVisit, Since, VisitIdError, Who},
    tables::{self, spaces::Space},
    web::{box_token::PollingBox, connection::Connection, extract::Json, refusal::Refusal, seen_at},
};
use axum::{
    Json as Answer,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use protocol::{Embedding, EmbeddingError, FaceId, message::Similarity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Visits of one request.
const VISITS_MAX: usize = 100;
/// The longest body, in bytes: so many new faces of 512 components, as numbers in full length.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A visit as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    id: String,
    seen_at: String,
    face_id: Option<String>,
    embedding: Option<Vec<f64>>,
    space: Option<String>,
    similarity: Option<f64>,
    points: Option<i64>,
    /// The time that the last answer bore which the box had taken in when it decided.
    since: Option<String>,
}

#[derive(Serialize)]
struct Answers {
    success: bool,
    /// Why, where nothing of all is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    visits: Vec<One>,
}

/// What became of one visit.
#[derive(Serialize)]
struct One {
    /// The box's own id, as it was sent.
    id: Value,
    /// One of stored, created, already exists, waiting, not counted, removed, refused.
    status: &'static str,
    /// The id by which the box calls this person from now on; of somebody removed the one to delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    face_id: Option<FaceId>,
    /// Why a visit is not counted or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub async fn store(
    State(app): State<Arc<App>>,
    sender: PollingBox,
    body: Result<Json<Value>, Refusal>,
) -> Result<Response, Refusal> {
    let Json(body) = body.map_err(|refusal| match refusal.status {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_long(BODY_BYTES_MAX),
        _ => refusal,
    })?;
    let sent = listed(body)?;
    if sender.connection == Connection::InTheClear
        && sent.iter().any(|visit| visit.get("embedding").is_some())
    {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "a face is taken over HTTPS only: serve with TLS, or send visits of known people, without an embedding",
        ));
    }
    let from = Caller { edge: &sender.edge, location: &sender.location, space: &sender.space };
    let zone = locations::found(&app, from.location).await?.time_zone;
    let space = tables::spaces::get(&mut app.db.read().await?, from.space).await?;
    let space = space.ok_or_else(|| Refusal::internal(&"the space of a box that polls is not registered"))?;
    let parsed: Vec<(Value, Result<PolledVisit, String>)> = sent
        .into_iter()
        .map(|visit| (visit.get("id").cloned().unwrap_or(Value::Null), parse(visit, &space, zone)))
        .collect();
    let good: Vec<PolledVisit> = parsed.iter().filter_map(|(_, visit)| visit.clone().ok()).collect();
    let mut done = polling::store(&app, from, &good).await?.into_iter();
    let mut visits = Vec::new();
    for (id, visit) in parsed {
        visits.push(match visit.map(|visit| done.next().map(|status| (visit, status))) {
            Ok(Some((visit, status))) => answered(id, &visit, status, &space),
            Ok(None) => return Err(Refusal::internal(&"a visit has no answer")),
            Err(reason) => One { id, status: "refused", face_id: None, reason: Some(reason) },
        });
    }
    let refused = visits.iter().all(|visit| visit.status == "refused");
    let first = visits.first().filter(|_| refused);
    let error = first.map(|first| {
        let reason = first.reason.as_deref().unwrap_or_default();
        format!("nothing is stored: visit {} is refused, because {reason}", first.id)
    });
    let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, Answer(Answers { success: !refused, error, visits })).into_response())
}

/// The visits of a body: one by itself, or a list of them.
fn listed(mut body: Value) -> Result<Vec<Value>, Refusal> {
    let sent = match body.get_mut("visits").map(Value::take) {
        Some(Value::Array(visits)) => visits,
        Some(_) => return Err(Refusal::bad("visits is a list of visits")),
        None if body.is_object() => vec![body],
        None => return Err(Refusal::bad("the body is one visit, or {\"visits\": [...]}")),
    };
    match sent.len() {
        1..=VISITS_MAX => Ok(sent),
        n => Err(Refusal::bad(format!("1 to {VISITS_MAX} visits come at once, these are {n}"))),
    }
}

fn parse(sent: Value, space: &Space, zone: chrono_tz::Tz) -> Result<PolledVisit, String> {
    let sent: Sent = serde_json::from_value(sent).map_err(|error| error.to_string())?;
    let said = |error: &dyn std::fmt::Display| error.to_string();
    if let Some(other) = sent.space.filter(|other| *other != space.id.as_str()) {
        return Err(format!("its face is of space {other:?}, and this box's model is {}", space.id));
    }
    let face_id = sent.face_id.as_deref().map(str::parse::<FaceId>).transpose();
    let face_id = face_id.map_err(|error| format!("face_id is none: {error}"))?;
    let who = match (sent.embedding, face_id) {
        (Some(values), wanted) => Who::New { wanted, embedding: embedding(&values, space)? },
        (None, Some(face_id)) => {
            let similarity = sent.similarity.map(similarity).transpose()?;
            Who::Known { face_id, similarity }
        }
        (None, None) => {
            return Err("it names nobody: give a face_id, or an embedding of a new face".to_owned());
        }
    };
    Ok(PolledVisit {
        id: sent.id.parse().map_err(|error: VisitIdError| said(&error))?,
        seen_at: seen_at::moment(&sent.seen_at, zone).map_err(|error| said(&error))?,
        who,
        worth: sent.points.map(Points::try_from).transpose().map_err(|error| said(&error))?,
        since: sent
            .since
            .unwrap_or_default()
            .parse::<Since>()
            .map_err(|error: ParseSinceError| said(&error))?,
    })
}

fn embedding(values: &[f64], space: &Space) -> Result<Embedding, String> {
    if values.len() != space.dimension {
        let (got, id, dimension) = (values.len(), &space.id, space.dimension);
        return Err(format!("its embedding has {got} numbers, one of {id} has {dimension}"));
    }
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    Embedding::from_f32(&values).map_err(|error: EmbeddingError| format!("its embedding is no face: {error}"))
}

fn similarity(cosine: f64) -> Result<Similarity, String> {
    match cosine {
        -1.0..=1.0 => Ok(Similarity::from_cosine(cosine as f32)),
        _ => Err("similarity is a cosine, from -1 to 1".to_owned()),
    }
}

fn answered(id: Value, visit: &PolledVisit, status: Status, space: &Space) -> One {
    let named = match &visit.who {
        Who::Known { face_id, .. } => Some(face_id.clone()),
        Who::New { wanted, .. } => wanted.clone(),
    };
    let (status, face_id, reason) = match status {
        Status::Stored(face_id) => ("stored", Some(face_id), None),
        Status::Created(face_id) => ("created", Some(face_id), None),
        Status::AlreadyExists(face_id) => ("already exists", Some(face_id), None),
        Status::Waiting(face_id) => ("waiting", Some(face_id), None),
        Status::Removed => ("removed", named, None),
        Status::NotCounted(because) => ("not counted", None, Some(words(because).to_owned())),
        Status::Refused(reason) => ("refused", None, Some(refused(reason, space))),
    };
    One { id, status, face_id, reason }
}

fn words(because: Because) -> &'static str {
    match because {
        Because::NobodyIsEnrolled => "this store makes nobody a customer: forget the face",
        Because::DecidedTooEarly => {
            "it was decided before the box knew of the newest removal, and may be the removed person: forget the face, and \
             send it as new when it is seen again"
        }
        Because::UnknownFace => "there is no such customer: delete the face",
    }
}

fn refused(reason: Reason, space: &Space) -> String {
    match reason {
        Reason::IdTaken => "its id is taken".to_owned(),
        Reason::UnknownSpace => format!("space {} is not registered", space.id),
        Reason::WrongDimension => format!("an embedding of {} has {} numbers", space.id, space.dimension),
        Reason::Refused => "the database refuses its content".to_owned(),
    }
}
