//! A box that polls says what it has deleted.

use crate::{
    app::App,
    erasure,
    web::{box_token::PollingBox, extract::Json, refusal::Refusal},
};
use axum::{
    Json as Answer,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use protocol::FaceId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Faces of one request.
const FACES_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    deleted: Vec<String>,
}

#[derive(Serialize)]
struct Confirmed {
    success: bool,
    /// Why, where there is something that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    confirmed: Vec<FaceId>,
    refused: Vec<String>,
}

pub async fn confirm(
    State(app): State<Arc<App>>,
    sender: PollingBox,
    Json(Request { deleted }): Json<Request>,
) -> Result<Response, Refusal> {
    if deleted.len() > FACES_MAX {
        return Err(Refusal::bad(format!(
            "at most {FACES_MAX} faces are confirmed at once, these are {}",
            deleted.len()
        )));
    }
    let (mut faces, mut refused) = (Vec::new(), Vec::new());
    for text in deleted {
        match text.parse::<FaceId>() {
            Ok(face_id) => faces.push(face_id),
            Err(_) => refused.push(text),
        }
    }
    let word = erasure::confirm(&app, &sender.edge, &sender.location, &faces).await?;
    refused.extend(word.not_removed.iter().map(FaceId::to_string));
    let error = (!refused.is_empty()).then(|| {
        format!("not removed at this store, and so not confirmed: {}; the others are", refused.join(", "))
    });
    let nothing = word.confirmed.is_empty() && !refused.is_empty();
    let status = if nothing { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let answer = Confirmed { success: !nothing, error, confirmed: word.confirmed, refused };
    Ok((status, Answer(answer)).into_response())
}
