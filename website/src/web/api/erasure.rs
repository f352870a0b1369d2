//! The certificate of an erasure.

use super::locations;
use crate::{
    app::App,
    erasure::{self, Certificate},
    web::{extract::Path, refusal::Refusal},
};
use axum::{Json as Answer, extract::State};
use protocol::{FaceId, LocationId};
use std::sync::Arc;

pub async fn get(
    State(app): State<Arc<App>>,
    Path((location, face)): Path<(LocationId, FaceId)>,
) -> Result<Answer<Certificate>, Refusal> {
    locations::found(&app, &location).await?;
    Ok(Answer(found(&app, &location, &face).await?))
}

/// The certificate, or the refusal that there is none.
pub(in crate::web) async fn found(
    app: &App,
    location: &LocationId,
    face: &FaceId,
) -> Result<Certificate, Refusal> {
    let certificate = erasure::certificate(app, location, face).await?;
    certificate
        .ok_or_else(|| Refusal::not_found(format!("customer {face} has not been removed from this location")))
}
