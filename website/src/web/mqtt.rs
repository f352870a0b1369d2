//! MQTT over WebSocket on the pages' own port: the broker behind it asks for its logins as everywhere.

use crate::app::App;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::any,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, sync::Arc};

/// The route.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/mqtt", any(open))
}

async fn open(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let peer = parts.extensions.remove::<ConnectInfo<SocketAddr>>();
    let response = match broker::answer_websocket(&Request::from_parts(parts, ())) {
        Ok(response) => response,
        Err((status, why)) => return (status, format!("{why}\n")).into_response(),
    };
    let (Some(upgrade), Some(ConnectInfo(peer)), Some(gate)) = (upgrade, peer, app.gate.get().cloned())
    else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the broker cannot be reached here\n").into_response();
    };
    // The broker bounds how many there are, and ends them when it stops.
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => gate.accept_websocket(TokioIo::new(upgraded), peer).await,
            Err(error) => tracing::debug!(%peer, "no WebSocket: {error}"),
        }
    });
    response.map(|()| Body::empty())
}
