//! The HTTP API, version 1: JSON for programs with a bearer token. And the one door that needs none: joining,
//! where a code takes the token's place.
//!
//! Moments are milliseconds since 1970 (UTC). Every answer about a change names its seq, under which
//! `GET /api/v1/locations/{location}/changes/{seq}` tells which edges have it.

mod changes;
mod confirm;
mod customers;
mod dead_letters;
mod edges;
mod erasure;
mod join;
mod locations;
mod polled_visits;
mod review;
mod sync;
mod visits;

pub(super) use changes::unknown as unknown_change;
pub(super) use edges::behind as edges_behind;
pub(super) use erasure::found as erasure_found;

use super::{refusal::Refusal, token};
use crate::app::App;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    routing::{delete, get, post},
};
use std::sync::Arc;

/// Where a box that polls asks what has changed.
const SYNC: &str = "/api/edge/sync";

/// Everything under `/api`.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let location = Router::new()
        .route("/", get(locations::get).patch(locations::patch))
        .route("/customers", get(customers::list))
        .route("/customers/{face}", get(customers::get).patch(customers::patch).delete(customers::delete))
        .route("/customers/{face}/erasure", get(erasure::get))
        .route("/customers/{face}/merge", post(customers::merge))
        .route("/edges", get(edges::list).post(edges::add))
        .route("/edges/{edge}", get(edges::get).delete(edges::revoke))
        .route("/edges/{edge}/code", post(edges::new_code))
        .route("/edges/{edge}/alarm", delete(edges::end_alarm))
        .route("/review", get(review::list))
        .route("/review/{face}/accept", post(review::accept))
        .route("/review/{face}/refuse", post(review::refuse))
        .route("/dead-letters", get(dead_letters::list))
        .route("/visits", get(visits::list))
        .route("/changes/{seq}", get(changes::get));
    let v1 = Router::new()
        .route("/locations", get(locations::list).post(locations::add))
        .nest("/locations/{location}", location)
        .fallback(async || nothing_here())
        .layer(middleware::from_fn_with_state(Arc::clone(app), token::require));
    let visits_body = DefaultBodyLimit::max(polled_visits::BODY_BYTES_MAX);
    Router::new()
        .route("/edge/join", post(join::join))
        .route("/edge/sync", get(sync::sync))
        .route("/edge/sync/confirm", post(confirm::confirm))
        .route("/edge/visits", post(polled_visits::store).layer(visits_body))
        .nest("/v1", v1)
        .fallback(async || nothing_here())
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
}

fn nothing_here() -> Refusal {
    Refusal::not_found("there is nothing under this address of the API")
}

/// How many rows a list has when the question does not say, and at most.
const ROWS_DEFAULT: u32 = 50;
const ROWS_MAX: u32 = 500;

/// The number of rows asked for.
fn rows(asked: Option<u32>) -> Result<u32, Refusal> {
    match asked {
        None => Ok(ROWS_DEFAULT),
        Some(rows) if (1..=ROWS_MAX).contains(&rows) => Ok(rows),
        Some(_) => Err(Refusal::bad(format!("limit is a number from 1 to {ROWS_MAX}"))),
    }
}
