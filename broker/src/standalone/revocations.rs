//! Notices that the auth service has revoked users or rights. A user that it lists as revoked is disconnected at once,
//! and its sessions end. For services without such a list, the subscriptions of users are asked about periodically.

use crate::auth::action::Action;
use crate::auth::auth_cache::AuthCache;
use crate::auth::principal::Principal;
use crate::auth::user::{Rights, User};
use crate::broker::Broker;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the service is asked for the revoked users.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// Asks again at this interval; only answers that are no longer fresh cost a request.
pub async fn run(broker: &Broker, cache: Arc<AuthCache>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        once(broker, &cache).await;
    }
}

/// Disconnects the users that the service has revoked. It lists each for longer than the interval, so that none is
/// missed when one question has no answer.
pub async fn watch_revoked(broker: &Broker, cache: Arc<AuthCache>) {
    let mut known = HashSet::new();
    loop {
        let revoked: HashSet<_> = cache.revoked().await.into_iter().collect();
        for name in &revoked {
            // Every time: a login that was being checked may have been answered with yes a moment too late.
            cache.forget(name);
            broker.kick(&Principal::User(user(name, "", &cache)));
            if !known.contains(name) {
                tracing::info!("a user has been shut out and is disconnected");
            }
        }
        known = revoked;
        tokio::time::sleep(POLL_EVERY).await;
    }
}

fn user(name: &str, client_id: &str, cache: &Arc<AuthCache>) -> User {
    let rights = Rights::Service(Arc::clone(cache));
    User { name: name.to_owned(), client_id: client_id.to_owned(), rights }
}

async fn once(broker: &Broker, cache: &Arc<AuthCache>) {
    let mut refused = HashSet::new();
    for (name, client_id, filters) in broker.users() {
        let user = user(&name, &client_id, cache);
        for filter in &filters {
            if !refused.contains(&name) && user.ask(Action::Subscribe { filter }).await == Some(false) {
                tracing::info!("a user has lost a right and is disconnected");
                broker.kick(&Principal::User(user.clone()));
                refused.insert(name.clone());
            }
        }
    }
}
