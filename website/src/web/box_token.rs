//! The token of a box that polls, and who shows one.
//!
//! It goes as `Authorization: Bearer regulars_box_<edge>_<secret>`. Which location it opens follows from it alone: no
//! parameter of a request says so.

use super::{connection::Connection, refusal::Refusal, secret::Secret};
use crate::{
    app::App,
    clock,
    edges::Pace,
    tables::{edges, polling_boxes},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use protocol::{EdgeId, LocationId, SpaceId};
use std::sync::Arc;

/// So that people and scanners for leaked secrets know one when they see it.
const PREFIX: &str = "regulars_box_";

/// A box that polls and showed a good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollingBox {
    /// Which edge it is.
    pub edge: EdgeId,
    /// Where it belongs.
    pub location: LocationId,
    /// The space of its model.
    pub space: SpaceId,
    /// What it came by.
    pub connection: Connection,
}

/// The token's text. It is told once and never again.
pub(crate) fn text(edge: &EdgeId, secret: &Secret) -> String {
    format!("{PREFIX}{edge}_{}", secret.reveal())
}

impl FromRequestParts<Arc<App>> for PollingBox {
    type Rejection = Refusal;

    /// Lets a box through that may ask: its token is good, its edge is neither revoked nor shut out, and it does not ask too
    /// often. Beyond this machine it gets here without encryption only where `--allow-plaintext` trusts the network.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let connection = Connection::of(parts);
        let no_token = || {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "no valid token of a box that polls: send `Authorization: Bearer TOKEN` with the one it was given when it \
                 joined; if it is lost, give its edge a new code and join again",
            )
        };
        let (edge, secret) = bearer(&parts.headers).ok_or_else(no_token)?;
        let mut tx = app.db.read().await?;
        let shown = polling_boxes::bearer(&mut tx, &edge).await?;
        let shown = shown.filter(|shown| secret.hash().equals(&shown.token_hash)).ok_or_else(no_token)?;
        let found = edges::get(&mut tx, &edge).await?.ok_or_else(no_token)?;
        drop(tx);
        if found.revoked_at.is_some() {
            let sentence = "this box has been revoked: add a new edge, and let the box join with its code";
            return Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
        }
        if found.alarm.shuts_out() {
            let sentence = "this box is shut out: give its edge a new code, and let the box join again";
            return Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
        }
        if let Pace::TooFast { wait_s } = app.paces.ask(&edge, clock::now()) {
            let sentence =
                format!("this box asks too often: wait {wait_s} s, and ask at most twice a second");
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, sentence).retried_after(wait_s));
        }
        Ok(PollingBox { edge, location: shown.location, space: shown.space, connection })
    }
}

fn bearer(headers: &HeaderMap) -> Option<(EdgeId, Secret)> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // An edge's id may hold the sign that stands between it and the secret.
    let (edge, secret) = token.trim().strip_prefix(PREFIX)?.rsplit_once('_')?;
    let bearer = scheme.eq_ignore_ascii_case("bearer");
    Some((edge.parse().ok().filter(|_| bearer)?, Secret::parse(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_of_a_box_is_one() {
        let secret = "0f".repeat(32);
        for (sent, expected) in [
            (format!("Bearer regulars_box_till_{secret}"), Some("till")),
            (format!("bearer  regulars_box_-a_b-_{secret} "), Some("-a_b-")),
            (format!("Basic regulars_box_till_{secret}"), None),
            (format!("Bearer regulars_till_{secret}"), None),
            (format!("Bearer regulars_box_{secret}"), None),
            (format!("Bearer regulars_box__{secret}"), None),
            (format!("Bearer regulars_box_till_{}", &secret[1..]), None),
            (format!("Bearer regulars_box_a b_{secret}"), None),
            ("Bearer ".to_owned(), None),
        ] {
            let headers = [(header::AUTHORIZATION, sent.parse().unwrap())].into_iter().collect();
            assert_eq!(bearer(&headers).map(|(edge, _)| edge.to_string()).as_deref(), expected, "{sent}");
        }
        let secret = Secret::random();
        let written = format!("Bearer {}", text(&"-a_".parse().unwrap(), &secret));
        let headers = [(header::AUTHORIZATION, written.parse().unwrap())].into_iter().collect();
        let (edge, read) = bearer(&headers).unwrap();
        assert!(edge.as_str() == "-a_" && read.hash().equals(&secret.hash().to_vec()));
    }
}
