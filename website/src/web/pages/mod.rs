//! Pages for people: plain forms that work without a script.

mod change;
mod customer;
mod customers;
mod dead_letters;
mod edge_names;
mod edges;
mod erasure;
mod error;
mod login;
mod page;
mod pager;
mod pill;
mod review;
mod settings;
mod store;
mod stores;
mod visits;

use super::{refusal::Refusal, session};
use crate::app::App;
use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use std::sync::Arc;

/// Every page, and the answer to every address that is none.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let customer = Router::new()
        .route("/", get(customer::show_customer))
        .route("/name", post(customer::rename))
        .route("/flag", post(customer::flag))
        .route("/points", post(customer::points))
        .route("/erasure", get(erasure::show_erasure))
        .route("/erasure.json", get(erasure::download))
        .route("/remove", get(customer::ask_remove).post(customer::remove));
    let store = Router::new()
        .route("/", get(store::enter))
        .route("/customers", get(customers::list))
        .nest("/customers/{face}", customer)
        .route("/edges", get(edges::list).post(edges::add))
        .route("/edges/{edge}/code", post(edges::new_code))
        .route("/edges/{edge}/revoke", get(edges::ask_revoke).post(edges::revoke))
        .route("/edges/{edge}/alarm", post(edges::end_alarm))
        .route("/visits", get(visits::list))
        .route("/dead-letters", get(dead_letters::list))
        .route("/review", get(review::list))
        .route("/review/{face}/accept", post(review::accept))
        .route("/review/{face}/refuse", post(review::refuse))
        .route("/settings", get(settings::show_settings))
        .route("/settings/points", post(settings::set_points))
        .route("/changes/{seq}", get(change::show_change));
    let inside = Router::new()
        .route("/", get(stores::list))
        .route("/stores", post(stores::add))
        .route("/stores/new", get(stores::form))
        .nest("/stores/{store}", store)
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), session::require));
    Router::new()
        .route("/login", get(login::how))
        .route("/login/{link}", get(login::link).post(login::press))
        .route("/logout", post(login::logout))
        .merge(inside)
        .fallback(async || Refusal::not_found("there is no page under this address"))
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page does not take that: go back and use its buttons",
            )
        })
        .layer(middleware::from_fn(session::require_same_origin))
        .layer(middleware::map_response(error::as_page))
}
