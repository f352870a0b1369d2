//! Notices that a service has taken rights away. Whom it names as shut out is disconnected at once, with all that
//! waits for him. And what its users are subscribed to is asked about again and again, for services that name nobody.

use crate::auth::action::Action;
use crate::auth::auth_cache::Asked;
use crate::auth::principal::Principal;
use crate::auth::user::{Rights, User};
use crate::broker::Broker;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the service is asked whom it has shut out.
const LOOK: Duration = Duration::from_secs(2);

/// Asks again in this rhythm; only answers that are no longer fresh cost a request.
pub async fn run(broker: &Broker, asked: Arc<Asked>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        once(broker, &asked).await;
    }
}

/// Asks whom the service has shut out of late. It names everybody for longer than this takes to ask again, so nobody
/// is missed when one question has no answer.
pub async fn shut_out(broker: &Broker, asked: Arc<Asked>) {
    let mut known = HashSet::new();
    loop {
        let revoked: HashSet<_> = asked.revoked().await.into_iter().collect();
        for name in &revoked {
            // Every time: a login that was being looked up may have been answered with yes a moment too late.
            asked.forget(name);
            broker.kick(&Principal::User(user(name, "", &asked)));
            if !known.contains(name) {
                tracing::info!("a user has been shut out and is disconnected");
            }
        }
        known = revoked;
        tokio::time::sleep(LOOK).await;
    }
}

fn user(name: &str, client_id: &str, asked: &Arc<Asked>) -> User {
    let rights = Rights::Asked(Arc::clone(asked));
    User { name: name.to_owned(), client_id: client_id.to_owned(), rights }
}

async fn once(broker: &Broker, asked: &Arc<Asked>) {
    let mut refused = HashSet::new();
    for (name, client_id, filters) in broker.users() {
        let user = user(&name, &client_id, asked);
        for filter in &filters {
            if !refused.contains(&name) && user.ask(Action::Subscribe { filter }).await == Some(false) {
                tracing::info!("a user has lost a right and is disconnected");
                broker.kick(&Principal::User(user.clone()));
                refused.insert(name.clone());
            }
        }
    }
}
