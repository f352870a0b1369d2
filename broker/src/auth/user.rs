//! A client whose rights come from the settings of a stand-alone broker, or from the service that those settings name.

use super::action::Action;
use super::auth_cache::AuthCache;
use super::pattern::Subject;
use super::policy::Policy;
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;

/// A topic to which the open mode refuses every subscription, so that clients can be tested on a refusal.
const NO_SUBSCRIBE: &str = "test/nosubscribe";

/// A client of a stand-alone broker.
#[derive(Clone)]
pub struct User {
    /// The name that logged in; empty in the open mode.
    pub name: String,
    /// The client id.
    pub client_id: String,
    /// What decides.
    pub rights: Rights,
}

/// What decides on a user's rights.
#[derive(Clone)]
pub enum Rights {
    /// The rules of the settings.
    Policy(Arc<RwLock<Policy>>),
    /// A service that is asked over HTTP, and its answers as far as they are known.
    Service(Arc<AuthCache>),
    /// Everything but publishing to `$` topics.
    All,
    /// The same, but for the topic to which every subscription is refused.
    Open,
}

impl User {
    /// Whether this user may do that, as far as is known now.
    pub(crate) fn may(&self, action: Action<'_>) -> bool {
        let own = !matches!(action, Action::Publish { topic, .. } if topic.starts_with('$'));
        match &self.rights {
            Rights::Policy(policy) => own && policy.read().may(self.subject(), action),
            Rights::Service(cache) => own && cache.may(self.subject(), action),
            Rights::All => own,
            Rights::Open => own && action != Action::Subscribe { filter: NO_SUBSCRIBE },
        }
    }

    /// Whether a service has to be asked about that before `may` can tell.
    pub(crate) fn must_ask(&self, action: Action<'_>) -> bool {
        matches!(&self.rights, Rights::Service(cache) if cache.must_ask(self.subject(), action))
    }

    /// Asks, if a service has to be asked. `Some` when it has answered just now.
    pub(crate) async fn ask(&self, action: Action<'_>) -> Option<bool> {
        match &self.rights {
            Rights::Service(cache) => cache.ask(self.subject(), action).await,
            Rights::Policy(_) | Rights::All | Rights::Open => None,
        }
    }

    /// Whether this is the open mode for development, in which refused clients stay connected.
    pub(crate) fn is_open_mode(&self) -> bool {
        matches!(self.rights, Rights::Open)
    }

    fn subject(&self) -> Subject<'_> {
        Subject { user: &self.name, client_id: &self.client_id }
    }
}

impl PartialEq for User {
    /// The same login on the same client, whatever it may do at the moment.
    fn eq(&self, other: &User) -> bool {
        (&self.name, &self.client_id) == (&other.name, &other.client_id)
    }
}

impl Eq for User {}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_mode_allows_all_but_two_things() {
        for (rights, subscribes) in [(Rights::All, true), (Rights::Open, false)] {
            let user = User { name: String::new(), client_id: "c".to_owned(), rights };
            for (action, expected) in [
                (Action::Subscribe { filter: "#" }, true),
                (Action::Subscribe { filter: "$SYS/#" }, true),
                (Action::Subscribe { filter: "test/nosubscribe" }, subscribes),
                (Action::Publish { topic: "test/nosubscribe", retain: true }, true),
                (Action::Publish { topic: "$SYS/x", retain: false }, false),
            ] {
                assert_eq!(user.may(action), expected, "{action:?}");
            }
        }
    }
}
