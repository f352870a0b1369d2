//! Why a request got no answer, in one sentence for whoever sent it.

use crate::{
    changes::ChangeError,
    db,
    edges::{EdgeError, JoinError},
    erasure::ConfirmError,
    locations::LocationError,
    points::PointsError,
    polling::StoreError,
};
use axum::{
    Json,
    extract::rejection::{BytesRejection, FormRejection, JsonRejection, PathRejection, QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{error::Error, fmt};

/// A refused request: a status and a sentence that says what was refused and what to do (lower case, no full
/// stop). As it is it answers in JSON; the pages turn it into a page.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The sentence.
    pub sentence: String,
    /// After how many seconds it makes sense to try again, where that can be told.
    pub retry_after_s: Option<u32>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

impl Refusal {
    /// A refusal with `status`.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Refusal {
        Refusal { status, sentence: sentence.into(), retry_after_s: None }
    }

    /// The same, and when to try again.
    #[must_use]
    pub fn retried_after(self, seconds: u32) -> Refusal {
        Refusal { retry_after_s: Some(seconds), ..self }
    }

    /// What was sent cannot be meant.
    pub fn bad(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// The body has more than `bytes_max` bytes.
    pub fn too_long(bytes_max: usize) -> Refusal {
        let sentence = format!("the body is longer than {} KiB, send less", bytes_max / 1024);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    }

    /// There is nothing under that name.
    pub fn not_found(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, sentence)
    }

    /// It contradicts what is there.
    pub fn conflict(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, sentence)
    }

    /// The fault is ours. The reason goes to the log, once, and to nobody else; its `Display` only, because the
    /// `Debug` of a database's error holds the row it was about.
    pub fn internal(reason: &dyn fmt::Display) -> Refusal {
        tracing::error!("a request failed inside the website: {reason:#}");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the website could not do this, its log says why; nothing was changed unless a page shows it",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(Body { error: &self.sentence })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after_s {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer.extensions_mut().insert(self);
        answer
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Refusal {
        if db::is_full(&error) {
            tracing::error!("a request was refused because the database's disk is full");
            return Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the disk of the website's database is full and nothing was changed: make room on it, then try again",
            );
        }
        Refusal::internal(&error)
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        Refusal::internal(&error)
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Refusal {
        let sentence = error.to_string();
        match error {
            ChangeError::UnknownLocation(_)
            | ChangeError::UnknownCustomer(_)
            | ChangeError::Removed(_)
            | ChangeError::Merged { .. }
            | ChangeError::NotWaiting(_) => Refusal::not_found(sentence),
            ChangeError::Same => Refusal::bad(sentence),
            ChangeError::NotInLedger(error) => {
                tracing::error!(%error, "a removal is not in the erasure ledger");
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, sentence)
            }
            ChangeError::Database(error) => error.into(),
        }
    }
}

impl From<LocationError> for Refusal {
    fn from(error: LocationError) -> Refusal {
        let sentence = error.to_string();
        match error {
            LocationError::Unknown(_) => Refusal::not_found(sentence),
            LocationError::Exists(_) => Refusal::conflict(sentence),
            LocationError::BadName | LocationError::BadTimeZone(_) | LocationError::BadLease(_) => {
                Refusal::bad(sentence)
            }
            LocationError::Database(error) => error.into(),
        }
    }
}

impl From<PointsError> for Refusal {
    fn from(error: PointsError) -> Refusal {
        Refusal::bad(error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::ShutOut => Refusal::new(StatusCode::FORBIDDEN, error.to_string()),
            StoreError::Change(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Refusal {
    fn from(error: ConfirmError) -> Refusal {
        match error {
            ConfirmError::ShutOut => Refusal::new(StatusCode::FORBIDDEN, error.to_string()),
            ConfirmError::Database(error) => error.into(),
        }
    }
}

impl From<EdgeError> for Refusal {
    fn from(error: EdgeError) -> Refusal {
        let sentence = error.to_string();
        match error {
            EdgeError::UnknownLocation(_) | EdgeError::Unknown(_) => Refusal::not_found(sentence),
            EdgeError::Revoked(_) | EdgeError::NameTaken(_) | EdgeError::ShutOut(_) => {
                Refusal::conflict(sentence)
            }
            EdgeError::BadName => Refusal::bad(sentence),
            EdgeError::NotInLedger(error) => {
                tracing::error!(%error, "a revocation is not in the erasure ledger");
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, sentence)
            }
            EdgeError::Joining(error) => error.into(),
            EdgeError::Database(error) => error.into(),
        }
    }
}

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Refusal {
        let sentence = error.to_string();
        match error {
            JoinError::Throttled => Refusal::new(StatusCode::TOO_MANY_REQUESTS, sentence),
            JoinError::UnknownCode => Refusal::not_found(sentence),
            JoinError::Expired => Refusal::new(StatusCode::FORBIDDEN, sentence),
            JoinError::BadSpace
            | JoinError::UnknownSpace(_)
            | JoinError::NoSpace
            | JoinError::SeveralSpaces(_) => Refusal::bad(sentence),
            JoinError::SpaceDiffers(_) | JoinError::Listens | JoinError::Polls => Refusal::conflict(sentence),
            JoinError::Starting => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence),
            JoinError::Database(error) => error.into(),
        }
    }
}

impl From<PathRejection> for Refusal {
    /// An id that cannot be one names nothing.
    fn from(_: PathRejection) -> Refusal {
        Refusal::not_found("there is nothing under this address, check the ids in it")
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Refusal {
        Refusal::bad(format!("the question in the address cannot be read: {}", innermost(&rejection)))
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Refusal {
        of_body(rejection.status(), "the body cannot be read to its end")
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Refusal {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON and say so: content-type: application/json",
            ),
            JsonRejection::BytesRejection(bytes) => bytes.into(),
            other => Refusal::bad(format!("the body is not the JSON asked for: {}", innermost(&other))),
        }
    }
}

impl From<FormRejection> for Refusal {
    fn from(rejection: FormRejection) -> Refusal {
        match rejection {
            FormRejection::InvalidFormContentType(_) => Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be a form: content-type: application/x-www-form-urlencoded",
            ),
            FormRejection::BytesRejection(bytes) => bytes.into(),
            other => Refusal::bad(format!("the form cannot be read: {}", innermost(&other))),
        }
    }
}

fn of_body(status: StatusCode, otherwise: &str) -> Refusal {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_long(super::BODY_BYTES_MAX),
        _ => Refusal::bad(otherwise),
    }
}

/// The deepest cause names the very field or character.
fn innermost(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}
