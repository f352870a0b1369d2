//! For whoever watches the process.

use crate::{app::App, web::refusal::Refusal};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::sync::Arc;

/// `/healthz`: the process is alive. `/readyz`: it can do its work. They need no login.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    match app.ready().await {
        Ok(()) => Ok("ready\n"),
        Err(reason) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}
