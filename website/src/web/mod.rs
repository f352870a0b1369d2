//! The website's HTTP side: pages for people, the API for programs, and the door for edges that join.
//!
//! Architecture invariant: no vector leaves through HTTP but in the one answer of `api::sync`, to a box that polls, of its own
//! space, and over TLS or this machine's own network. What goes out is one of the types of `api` and `pages`, which name every
//! field; none of the others has a place for one.

mod api;
mod assets;
pub(crate) mod box_token;
pub(crate) mod connection;
mod edit_customer;
mod extract;
mod headers;
mod local_time;
pub mod login;
mod metrics;
mod mqtt;
mod new_store;
mod origin;
mod pages;
mod part;
mod peer;
mod probes;
mod refusal;
pub(crate) mod secret;
mod seen_at;
mod session;
pub mod token;

use crate::app::App;
use axum::{Router, extract::DefaultBodyLimit, middleware};
use std::sync::Arc;

/// The longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Every route of the website. Serve it with the peers' addresses (`into_make_service_with_connect_info`): wrong
/// join codes are counted for each.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(pages::routes(&app))
        .nest("/api", api::routes(&app))
        .merge(probes::routes())
        .merge(metrics::routes(&app))
        .merge(assets::routes())
        .merge(mqtt::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(headers::harden))
        .with_state(app)
}
