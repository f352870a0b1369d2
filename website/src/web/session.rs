//! A manager's browser, once it has come in.

use super::{origin, refusal::Refusal, secret::Secret};
use crate::{app::App, changes::Actor, clock, db::Db, tables::sessions};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use protocol::UnixMs;
use std::sync::Arc;

/// A session ends when it has not been used for this long, in milliseconds: 7 days.
pub const IDLE_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// How old the stored moment of last use may get before it is written again: one write a minute, not one a page.
const TOUCH_AFTER_MS: i64 = 60_000;

const COOKIE: &str = "regulars_session";

/// Whose session a request came in.
#[derive(Debug, Clone)]
pub struct Manager {
    /// The manager's name.
    pub name: String,
}

impl Manager {
    /// How the change log calls them.
    pub fn actor(&self) -> Actor {
        Actor::manager(&self.name)
    }
}

/// Whether the browser reached us by https, as far as its request tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Encrypted, perhaps by a proxy in front of us.
    Https,
    /// Plain, or not known.
    Http,
}

impl Transport {
    /// What a form's own page says: the browser names its scheme in `Origin`, whatever stands in between.
    pub fn of(headers: &HeaderMap) -> Transport {
        let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes).unwrap_or_default();
        if origin.starts_with(b"https://") { Transport::Https } else { Transport::Http }
    }
}

/// Lets only requests with a live session through; others are shown how to get one.
pub async fn require(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    match find(&app.db, request.headers(), clock::now()).await? {
        Some(manager) => {
            request.extensions_mut().insert(manager);
            Ok(next.run(request).await)
        }
        None => Ok(Redirect::to("/login").into_response()),
    }
}

/// Lets changes through only from our own pages.
pub async fn require_same_origin(request: Request, next: Next) -> Result<Response, Refusal> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || origin::is_same_origin(request.headers()) {
        return Ok(next.run(request).await);
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "this change did not come from a page of this website: open the page here and try again",
    ))
}

impl<S: Send + Sync> FromRequestParts<S> for Manager {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let none = || Refusal::internal(&"a page stands outside the session's layer");
        parts.extensions.get::<Manager>().cloned().ok_or_else(none)
    }
}

/// The session that `headers` carry the cookie of, if it is alive at `now`.
pub async fn find(db: &Db, headers: &HeaderMap, now: UnixMs) -> sqlx::Result<Option<Manager>> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    let stored = sessions::get(&mut db.read().await?, secret.hash()).await?;
    let Some(session) = stored.filter(|session| is_alive(session.last_used_at, now)) else { return Ok(None) };
    if now.since(session.last_used_at) >= TOUCH_AFTER_MS {
        let mut tx = db.write().await?;
        sessions::touch(&mut tx, secret.hash(), now).await?;
        tx.commit().await?;
    }
    Ok(Some(Manager { name: session.manager }))
}

/// Ends the session that `headers` carry the cookie of.
pub async fn end(db: &Db, headers: &HeaderMap) -> sqlx::Result<()> {
    if let Some(secret) = cookie(headers) {
        let mut tx = db.write().await?;
        sessions::delete(&mut tx, secret.hash()).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The header that gives a browser its cookie.
pub fn set_cookie(secret: &Secret, transport: Transport) -> String {
    let secure = if transport == Transport::Https { "; Secure" } else { "" };
    // A year: the browser only keeps it, the table of sessions decides when it is over.
    format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}", secret.reveal())
}

/// The header that takes it away.
pub fn clear_cookie() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

fn is_alive(last_used_at: UnixMs, now: UnixMs) -> bool {
    now.since(last_used_at) < IDLE_MS_MAX
}

fn cookie(headers: &HeaderMap) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .find_map(|(_, value)| Secret::parse(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_dies_of_seven_idle_days() {
        for (idle_ms, alive) in [(-1, true), (0, true), (IDLE_MS_MAX - 1, true), (IDLE_MS_MAX, false)] {
            assert_eq!(is_alive(UnixMs(5), UnixMs(5 + idle_ms)), alive, "{idle_ms}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_given_to_no_script() {
        let secret = Secret::random();
        let text = secret.reveal();
        for (sent, found) in [
            (format!("regulars_session={text}"), true),
            (format!("a=b; regulars_session={text}; c"), true),
            (format!("regulars_session=stale; regulars_session={text}"), true),
            (format!("other_session={text}"), false),
            ("regulars_session=".to_owned(), false),
        ] {
            let headers = [(header::COOKIE, sent.parse().unwrap())].into_iter().collect();
            assert_eq!(cookie(&headers).is_some(), found, "{sent}");
        }
        let plain = set_cookie(&secret, Transport::Http);
        assert!(plain.contains("HttpOnly; SameSite=Strict") && !plain.contains("Secure"));
        assert!(set_cookie(&secret, Transport::Https).ends_with("; Secure"));
    }
}
