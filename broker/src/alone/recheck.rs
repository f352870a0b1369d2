//! Notices that a service has taken a right away: what its users are subscribed to is asked about again and again,
//! and whoever may not any more is disconnected, with all that waits for him.

use crate::access::Action;
use crate::asked::Asked;
use crate::broker::Broker;
use crate::principal::Principal;
use crate::user::{Rights, User};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Asks again in this rhythm; only answers that are no longer fresh cost a request.
pub async fn run(broker: &Broker, asked: Arc<Asked>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        once(broker, &asked).await;
    }
}

async fn once(broker: &Broker, asked: &Arc<Asked>) {
    let known = |name: &str, client_id: &str| User {
        name: name.to_owned(),
        client_id: client_id.to_owned(),
        rights: Rights::Asked(Arc::clone(asked)),
    };
    let mut refused = HashSet::new();
    for (name, client_id, filters) in broker.users() {
        let user = known(&name, &client_id);
        for filter in &filters {
            if !refused.contains(&name) && user.ask(Action::Subscribe { filter }).await == Some(false) {
                tracing::info!("a user has lost a right and is disconnected");
                broker.kick(&Principal::User(user.clone()));
                refused.insert(name.clone());
            }
        }
    }
}
