//! What a broker that stands apart asks: who may log in, who may do what, and who has been shut out. The shapes of
//! the first two are those of EMQX's HTTP authenticator and authoriser. Whoever asks proves with a shared secret that it is the broker.

use crate::{app::App, mqtt_login::Logins, random, settings::Secret};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use broker::{Action, Credentials, Principal, Refused, may};
use protocol::EdgeId;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};
use subtle::ConstantTimeEq;

/// How long whoever was shut out is named.
const REVOKED_MS: i64 = 120_000;

/// The routes; none at all when no secret is set.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let Some(secret) = app.settings.mqtt_api_secret.clone() else { return Router::new() };
    // The website's own login at its own broker is of no use here.
    let logins = Arc::new(Logins::new(Arc::clone(app), random::token()));
    Router::new()
        .route("/api/mqtt/auth", post(auth))
        .route("/api/mqtt/acl", post(acl))
        .route("/api/mqtt/revoked", get(revoked))
        .with_state(logins)
        .layer(middleware::from_fn_with_state(secret, proven))
}

async fn proven(State(secret): State<Secret>, request: Request, next: Next) -> Result<Response, StatusCode> {
    let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    let given = given.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
    if bool::from(given.ct_eq(secret.reveal().as_bytes())) {
        Ok(next.run(request).await)
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct AuthQuestion {
    username: String,
    password: String,
    clientid: String,
    peerhost: Option<IpAddr>,
}

#[derive(Deserialize)]
struct AclQuestion {
    username: String,
    clientid: String,
    action: Verb,
    topic: String,
    /// What cannot be told apart without it counts as a message that is not retained.
    #[serde(default)]
    retain: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Publish,
    Subscribe,
}

#[derive(Serialize)]
struct Answer {
    result: &'static str,
    is_superuser: bool,
}

fn answer(allowed: bool) -> Json<Answer> {
    Json(Answer { result: if allowed { "allow" } else { "deny" }, is_superuser: false })
}

async fn auth(
    State(logins): State<Arc<Logins>>,
    Json(question): Json<AuthQuestion>,
) -> Result<Json<Answer>, StatusCode> {
    let host = question.peerhost.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let credentials = Credentials {
        client_id: question.clientid,
        username: Some(question.username),
        password: Some(question.password.into_bytes()),
        peer: SocketAddr::new(host, 0),
    };
    match logins.check(credentials).await {
        Ok(principal) => Ok(answer(principal != Principal::Website)),
        Err(Refused::BadLogin | Refused::NotAllowed) => Ok(answer(false)),
        Err(Refused::Unavailable) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

#[derive(Serialize)]
struct Revoked {
    revoked: Vec<EdgeId>,
}

/// Who has been shut out of late: for long enough that a broker that asks every few seconds misses nobody.
async fn revoked(State(logins): State<Arc<Logins>>) -> Result<Json<Revoked>, StatusCode> {
    match logins.revoked(REVOKED_MS).await {
        Ok(revoked) => Ok(Json(Revoked { revoked })),
        Err(error) => {
            tracing::error!(%error, "revoked edges could not be read");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn acl(
    State(logins): State<Arc<Logins>>,
    Json(question): Json<AclQuestion>,
) -> Result<Json<Answer>, StatusCode> {
    let action = match question.action {
        Verb::Publish => Action::Publish { topic: &question.topic, retain: question.retain },
        Verb::Subscribe => Action::Subscribe { filter: &question.topic },
    };
    match logins.known(&question.username, &question.clientid).await {
        Ok(principal) => Ok(answer(principal.is_some_and(|principal| may(&principal, action)))),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}
