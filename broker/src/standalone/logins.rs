//! The logins of a stand-alone broker: the users of its settings, and those of the auth service.

use super::passwd;
use super::settings::file::{KnownUser, Role, Settings};
use crate::auth::action::Action;
use crate::auth::auth_cache::AuthCache;
use crate::auth::auth_http::Superuser;
use crate::auth::credentials::{Credentials, Refused};
use crate::auth::login::{Login, LoginFuture};
use crate::auth::pattern::Subject;
use crate::auth::policy::Policy;
use crate::auth::principal::{Principal, Scope};
use crate::auth::user::{Rights, User};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The users of the settings; the auth service is asked about all others.
pub struct Logins {
    users: RwLock<HashMap<String, KnownUser>>,
    policy: Arc<RwLock<Policy>>,
    cache: Option<Arc<AuthCache>>,
    /// Checked for unknown names, so that the time of an answer does not show which names exist.
    dummy_hash: String,
    /// Each check costs 19 MiB and tens of milliseconds, by design.
    checks: Semaphore,
}

impl Logins {
    /// The logins of these settings.
    pub fn new(settings: Settings, cache: Option<Arc<AuthCache>>) -> anyhow::Result<Logins> {
        let at_once = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Logins {
            users: RwLock::new(settings.users),
            policy: Arc::new(RwLock::new(settings.policy)),
            cache,
            dummy_hash: passwd::hash("the hash of this is compared with, and the result thrown away")?,
            checks: Semaphore::new(at_once),
        })
    }

    /// Uses other settings from now on. Returns the principals that were removed, or have another password or role:
    /// their sessions have to end.
    pub fn change(&self, settings: Settings) -> Vec<Principal> {
        let before = std::mem::replace(&mut *self.users.write(), settings.users);
        *self.policy.write() = settings.policy;
        let users = self.users.read();
        let changed = before.into_iter().filter(|(name, known)| users.get(name) != Some(known));
        changed
            .map(|(name, known)| match known.role {
                Role::Rules => {
                    let rights = Rights::Policy(Arc::clone(&self.policy));
                    Principal::User(User { name, client_id: String::new(), rights })
                }
                Role::Website => Principal::Website,
                Role::People => Principal::Ops { name, scope: Scope::All },
            })
            .collect()
    }

    /// Whether a user of the settings may still subscribe to that; `true` for users of the auth service.
    pub fn may_still(&self, name: &str, client_id: &str, filter: &str) -> bool {
        if !self.users.read().contains_key(name) {
            return true;
        }
        let subject = Subject { user: name, client_id };
        self.policy.read().may(subject, Action::Subscribe { filter })
    }

    async fn check(&self, credentials: Credentials) -> Result<Principal, Refused> {
        let Some(name) = credentials.username.clone().filter(|name| !name.is_empty()) else {
            return Err(Refused::NotAllowed);
        };
        let client_id = credentials.client_id.clone();
        let known = self.users.read().get(&name).cloned();
        let Some(known) = known else {
            let rights = self.unknown(&name, credentials).await?;
            return Ok(Principal::User(User { name, client_id, rights }));
        };
        if !self.verify(credentials.password, known.password.clone()).await? {
            return Err(Refused::BadLogin);
        }
        Ok(match known.role {
            Role::Rules => {
                Principal::User(User { name, client_id, rights: Rights::Policy(Arc::clone(&self.policy)) })
            }
            Role::Website => Principal::Website,
            Role::People => Principal::Ops { name, scope: Scope::All },
        })
    }

    async fn unknown(&self, name: &str, credentials: Credentials) -> Result<Rights, Refused> {
        let Some(cache) = &self.cache else {
            self.verify(credentials.password, self.dummy_hash.clone()).await?;
            return Err(Refused::BadLogin);
        };
        Ok(match cache.login(name, &credentials).await? {
            Superuser::Yes => Rights::All,
            Superuser::No => Rights::Service(Arc::clone(cache)),
        })
    }

    async fn verify(&self, password: Option<Vec<u8>>, hash: String) -> Result<bool, Refused> {
        let _turn = self.checks.acquire().await.map_err(|_| Refused::Unavailable)?;
        let password = password.unwrap_or_default();
        let checked = tokio::task::spawn_blocking(move || passwd::verify(&password, &hash)).await;
        checked.map_err(|_| Refused::Unavailable)
    }
}

impl Login for Logins {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        Box::pin(self.check(credentials))
    }
}

/// The open mode for development: every login is accepted.
pub struct Open;

impl Login for Open {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        let user = User { name: String::new(), client_id: credentials.client_id, rights: Rights::Open };
        Box::pin(async { Ok(Principal::User(user)) })
    }
}
