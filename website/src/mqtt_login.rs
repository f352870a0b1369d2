//! Who may connect to the broker: the website itself, edges by their token, people by their password.

use crate::{app::App, clock, credentials, edges, ledger::LedgerError, session, tables};
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use broker::{Credentials, Login, LoginFuture, Principal, Refused, Scope};
use protocol::EdgeId;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Passwords checked at once: each costs 19 MiB and tens of milliseconds by design.
const CHECKS_AT_ONCE: usize = 2;

/// The broker's door asks this.
pub(crate) struct Logins {
    app: Arc<App>,
    website_secret: String,
    checks: Semaphore,
}

impl Logins {
    /// `website_secret` is random and lives as long as the process.
    pub(crate) fn new(app: Arc<App>, website_secret: String) -> Logins {
        Logins { app, website_secret, checks: Semaphore::new(CHECKS_AT_ONCE) }
    }

    /// Who that is, if the login is right.
    pub(crate) async fn check(&self, credentials: Credentials) -> Result<Principal, Refused> {
        let (Some(name), Some(password)) = (credentials.username, credentials.password) else {
            return Err(Refused::NotAllowed);
        };
        if name == session::NAME {
            let right = bool::from(password.ct_eq(self.website_secret.as_bytes()));
            return if right && credentials.peer.ip().is_loopback() {
                Ok(Principal::Website)
            } else {
                Err(Refused::BadLogin)
            };
        }
        match name.parse::<EdgeId>() {
            Ok(edge) => match self.edge(&edge, &password).await? {
                Some(principal) if credentials.client_id == edge.as_str() => Ok(principal),
                Some(_) => Err(Refused::NotAllowed),
                None => self.person(name, password).await,
            },
            Err(_) => self.person(name, password).await,
        }
    }

    /// Who that is, on this client id, if there is such a login now; no password is asked for.
    pub(crate) async fn known(&self, name: &str, client_id: &str) -> sqlx::Result<Option<Principal>> {
        let mut tx = self.app.db.read().await?;
        if let Ok(edge) = name.parse::<EdgeId>()
            && let Some((location, _)) = tables::edges::credentials(&mut tx, &edge).await?
        {
            return Ok((client_id == edge.as_str()).then_some(Principal::Edge { location, edge }));
        }
        let person = tables::mqtt_users::password_hash(&mut tx, name).await?;
        Ok(person.map(|_| Principal::Ops { name: name.to_owned(), scope: Scope::All }))
    }

    /// The edges that were shut out within this time.
    pub(crate) async fn revoked(&self, within_ms: i64) -> sqlx::Result<Vec<EdgeId>> {
        let since = clock::now().plus_ms(-within_ms);
        let edges = tables::edges::barred(&mut self.app.db.read().await?, since).await?;
        Ok(edges.into_iter().map(|(_, edge)| edge).collect())
    }

    /// The edge, when there is one of this name; people's names are tried only when there is none.
    async fn edge(&self, edge: &EdgeId, token: &[u8]) -> Result<Option<Principal>, Refused> {
        let mut tx = self.app.db.read().await.map_err(unavailable)?;
        let known = tables::edges::credentials(&mut tx, edge).await.map_err(unavailable)?;
        let Some((location, hash)) = known else { return Ok(None) };
        let token = std::str::from_utf8(token).map_err(|_| Refused::BadLogin)?;
        let right = bool::from(edges::hash(token).ct_eq(&hash));
        if right {
            Ok(Some(Principal::Edge { location, edge: edge.clone() }))
        } else {
            Err(Refused::BadLogin)
        }
    }

    async fn person(&self, name: String, password: Vec<u8>) -> Result<Principal, Refused> {
        let mut tx = self.app.db.read().await.map_err(unavailable)?;
        let hash = tables::mqtt_users::password_hash(&mut tx, &name).await.map_err(unavailable)?;
        drop(tx);
        let hash = hash.ok_or(Refused::BadLogin)?;
        let _turn = self.checks.acquire().await.map_err(|_| Refused::Unavailable)?;
        let checked = tokio::task::spawn_blocking(move || verify(&password, &hash)).await;
        match checked {
            Ok(true) => Ok(Principal::Ops { name, scope: Scope::All }),
            Ok(false) => Err(Refused::BadLogin),
            Err(_) => Err(Refused::Unavailable),
        }
    }
}

impl Login for Logins {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        Box::pin(self.check(credentials))
    }
}

fn unavailable(error: sqlx::Error) -> Refused {
    tracing::error!(%error, "a login at the broker could not be checked");
    Refused::Unavailable
}

fn verify(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// Why a person was not let in.
#[derive(Debug, thiserror::Error)]
pub enum MqttUserError {
    /// No name to log in with.
    #[error("a login name is 1 to 64 letters, digits, `_`, `-`, `.` and `@`, and not `website`")]
    BadName,
    /// Too easy to guess.
    #[error("a password has at least 12 characters")]
    ShortPassword,
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hash,
    /// No such person.
    #[error("nobody of that name may read over MQTT: `website mqtt-user list` names who may")]
    Unknown,
    /// It is done, but not in the erasure ledger.
    #[error(
        "it is done, but not written to the erasure ledger, so that a backup restored now would make the old password \
         good again: {0}; mend that, the website tries again every minute"
    )]
    NotInLedger(LedgerError),
    /// The database did not do it.
    #[error("the database did not store it: {0}")]
    Database(#[from] sqlx::Error),
}

/// Lets a person read `view/` over MQTT, or gives that person a new password; the old one is void for good.
///
/// # Errors
/// When the name or the password is refused; when it is done and the erasure ledger cannot be written.
pub async fn add_mqtt_user(app: &App, name: &str, password: &str) -> Result<(), MqttUserError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    if name.is_empty() || name.len() > 64 || name == session::NAME || !name.chars().all(fits) {
        return Err(MqttUserError::BadName);
    }
    if password.chars().count() < 12 {
        return Err(MqttUserError::ShortPassword);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| MqttUserError::Hash)?;
    let now = clock::now();
    let mut tx = app.db.write().await?;
    if let Some(old) = tables::mqtt_users::password_hash(&mut tx, name).await? {
        credentials::withdraw(&mut tx, old.as_bytes(), now).await?;
    }
    tables::mqtt_users::upsert(&mut tx, name, &hash.to_string(), now).await?;
    tx.commit().await?;
    app.ledger.write_down(&app.db).await.map_err(MqttUserError::NotInLedger)
}

/// The login names of everybody who may read `view/` over MQTT.
///
/// # Errors
/// When the database cannot be read.
pub async fn mqtt_users(app: &App) -> sqlx::Result<Vec<String>> {
    let people = tables::mqtt_users::all(&mut app.db.read().await?).await?;
    Ok(people.into_iter().map(|(name, _)| name).collect())
}

/// Takes a person's login away: whoever is connected with it is disconnected within seconds, and no restored backup
/// makes the password good again.
///
/// # Errors
/// When there is no such person; when it is done and the erasure ledger cannot be written.
pub async fn remove_mqtt_user(app: &App, name: &str) -> Result<(), MqttUserError> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    let hash = tables::mqtt_users::delete(&mut tx, name).await?.ok_or(MqttUserError::Unknown)?;
    credentials::withdraw(&mut tx, hash.as_bytes(), now).await?;
    tx.commit().await?;
    app.ledger.write_down(&app.db).await.map_err(MqttUserError::NotInLedger)
}
