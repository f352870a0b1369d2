//! Whether the website lives, and whether it can work.

use crate::app::App;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::sync::Arc;

/// The routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    match app.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}
