//! The one trait through which the broker asks who a client is.

use super::credentials::{Credentials, Refused};
use super::principal::Principal;
use std::pin::Pin;

/// What `Login::login` returns.
pub type LoginFuture<'a> = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send + 'a>>;

/// Checks logins, against the website's database or a credentials file.
pub trait Login: Send + Sync + 'static {
    /// Who the client is. Called once for every CONNECT, from many connections at once; an answer that
    /// takes longer than `Limits::login_deadline` counts as `Refused::Unavailable`.
    fn login(&self, credentials: Credentials) -> LoginFuture<'_>;
}
