//! Bearer tokens of the HTTP API.

use super::{refusal::Refusal, secret::Secret};
use crate::{
    app::App,
    changes::Actor,
    clock, credentials,
    db::Db,
    ledger::LedgerError,
    random,
    tables::{api_tokens, audit},
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use protocol::UnixMs;
use std::sync::Arc;

/// Every token begins with this, so that people and scanners for leaked secrets know one when they see it.
const PREFIX: &str = "regulars";

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTokenError {
    /// The name is empty, too long, or cannot be printed.
    #[error("a token's name has 1 to 64 characters and no line breaks, choose another")]
    Name,
    /// There is a token of that name.
    #[error("there is already a token of that name, choose another")]
    Taken,
    /// The database failed.
    #[error("the token could not be stored")]
    Database(#[from] sqlx::Error),
}

/// A program that showed a good token; its handlers may run.
#[derive(Debug, Clone)]
pub struct Program {
    /// What its token was made for.
    pub name: String,
}

impl Program {
    /// How the change log calls it.
    pub fn actor(&self) -> Actor {
        Actor::token(&self.name)
    }
}

/// Makes a token called `name`. Its text, `regulars_<id>_<secret>`, is told this once and never again.
///
/// # Errors
/// When the name is no good or taken, or the database failed.
pub async fn create(db: &Db, name: &str) -> Result<String, CreateTokenError> {
    let name = name.trim();
    if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(CreateTokenError::Name);
    }
    let (id, secret, now) = (hex::encode(random::bytes::<6>()), Secret::random(), clock::now());
    let mut tx = db.write().await?;
    if !api_tokens::insert(&mut tx, &id, name, secret.hash(), now).await? {
        return Err(CreateTokenError::Taken);
    }
    audit::insert(&mut tx, &entry("token.create", name, now)).await?;
    tx.commit().await?;
    Ok(format!("{PREFIX}_{id}_{}", secret.reveal()))
}

/// What every token was made for.
///
/// # Errors
/// When the database cannot be read.
pub async fn names(app: &App) -> sqlx::Result<Vec<String>> {
    let tokens = api_tokens::all(&mut app.db.read().await?).await?;
    Ok(tokens.into_iter().map(|token| token.name).collect())
}

/// Why a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    /// No such token.
    #[error("there is no token of that name: `website token list` names them")]
    Unknown,
    /// It is revoked, but that is not in the erasure ledger.
    #[error(
        "the token is revoked, but that is not written to the erasure ledger, so that a backup restored now would make \
         it good again: {0}; mend that, the website tries again every minute"
    )]
    NotInLedger(LedgerError),
    /// The database failed.
    #[error("the token could not be revoked")]
    Database(#[from] sqlx::Error),
}

/// Revokes the token called `name`, at once and for good: no restored backup makes it good again.
///
/// # Errors
/// When there is no such token; when it is revoked and the erasure ledger cannot be written.
pub async fn revoke(app: &App, name: &str) -> Result<(), RevokeTokenError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    let hash = api_tokens::delete(&mut tx, name).await?.ok_or(RevokeTokenError::Unknown)?;
    credentials::withdraw(&mut tx, &hash, now).await?;
    audit::insert(&mut tx, &entry("token.revoke", name, now)).await?;
    tx.commit().await?;
    app.ledger.write_down(&app.db).await.map_err(RevokeTokenError::NotInLedger)
}

fn entry(action: &str, name: &str, at: UnixMs) -> audit::Entry {
    audit::Entry {
        at,
        actor: Actor::command_line().to_string(),
        action: action.to_owned(),
        location: None,
        subject: name.to_owned(),
    }
}

/// Lets only requests with a good token through.
pub async fn require(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let program = authenticate(&app.db, request.headers()).await?.ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "no valid token: send `Authorization: Bearer TOKEN`, made by `website token create NAME`",
        )
    })?;
    request.extensions_mut().insert(program);
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Program {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let none = || Refusal::internal(&"a route of the API stands outside the token's layer");
        parts.extensions.get::<Program>().cloned().ok_or_else(none)
    }
}

async fn authenticate(db: &Db, headers: &HeaderMap) -> sqlx::Result<Option<Program>> {
    let Some((id, secret)) = bearer(headers) else { return Ok(None) };
    let token = api_tokens::get(&mut db.read().await?, &id).await?;
    Ok(token.filter(|token| secret.hash().equals(&token.hash)).map(|token| Program { name: token.name }))
}

fn bearer(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let mut parts = token.trim().split('_');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(PREFIX), Some(id), Some(secret), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Some((id.to_owned(), Secret::parse(secret)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_bearer_token_is_one() {
        let secret = "0f".repeat(32);
        for (text, expected) in [
            (format!("Bearer regulars_abc_{secret}"), Some("abc")),
            (format!("bearer regulars_abc_{secret}"), Some("abc")),
            (format!("Basic regulars_abc_{secret}"), None),
            (format!("regulars_abc_{secret}"), None),
            (format!("Bearer regulars_{secret}"), None),
            (format!("Bearer other_abc_{secret}"), None),
            (format!("Bearer regulars_abc_{secret}_x"), None),
            (format!("Bearer regulars_abc_{}", &secret[1..]), None),
            ("Bearer ".to_owned(), None),
        ] {
            let headers = [(header::AUTHORIZATION, text.parse().unwrap())].into_iter().collect();
            assert_eq!(bearer(&headers).map(|(id, _)| id).as_deref(), expected, "{text}");
        }
    }
}
