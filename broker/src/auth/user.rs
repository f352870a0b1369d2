//! Somebody whose rights come from the settings of a stand-alone broker, or from whom those settings name.

use super::action::Action;
use super::auth_cache::Asked;
use super::pattern::Who;
use super::policy::Policy;
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;

/// A topic to which the open mode subscribes nobody, so that clients can be tested on a refusal.
const NO_SUBSCRIBE: &str = "test/nosubscribe";

/// A client of a stand-alone broker.
#[derive(Clone)]
pub struct User {
    /// The name that logged in; empty when nobody was asked for one.
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
    Asked(Arc<Asked>),
    /// Everything but publishing to `$` topics.
    All,
    /// The same, but for one topic that nobody is subscribed to.
    Open,
}

impl User {
    /// Whether this user may do that, as far as is known now.
    pub(crate) fn may(&self, action: Action<'_>) -> bool {
        let own = !matches!(action, Action::Publish { topic, .. } if topic.starts_with('$'));
        match &self.rights {
            Rights::Policy(policy) => own && policy.read().may(self.who(), action),
            Rights::Asked(asked) => own && asked.may(self.who(), action),
            Rights::All => own,
            Rights::Open => own && action != Action::Subscribe { filter: NO_SUBSCRIBE },
        }
    }

    /// Whether a service has to be asked about that before `may` can tell.
    pub(crate) fn must_ask(&self, action: Action<'_>) -> bool {
        matches!(&self.rights, Rights::Asked(asked) if asked.must_ask(self.who(), action))
    }

    /// Asks, if a service has to be asked. `Some` when it has answered just now.
    pub(crate) async fn ask(&self, action: Action<'_>) -> Option<bool> {
        match &self.rights {
            Rights::Asked(asked) => asked.ask(self.who(), action).await,
            Rights::Policy(_) | Rights::All | Rights::Open => None,
        }
    }

    /// Whether nothing is at stake: the development mode tells clients what is wrong without ending them.
    pub(crate) fn is_at_play(&self) -> bool {
        matches!(self.rights, Rights::Open)
    }

    fn who(&self) -> Who<'_> {
        Who { user: &self.name, client_id: &self.client_id }
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
