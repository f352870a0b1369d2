//! The policy of a stand-alone broker: rules in any order, deny by default, and a denial wins.
//!
//! An order of rules in which the first match wins is easily wrong without being noticed; here the order says
//! nothing. What is asked for is allowed when at least one `allow` rule covers all of it and no `deny` rule touches
//! any of it. So a subscription to `a/#` is refused when `a/secret` is denied, and one to `a/+` when only `a/b` is
//! allowed.

use super::action::Action;
use super::pattern::{Pattern, Subject};

/// Every rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// To which actions.
    pub verbs: Verbs,
    /// Of which users.
    pub users: Users,
    /// On which topics.
    pub pattern: Pattern,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allows what it covers.
    Allow,
    /// Refuses what it touches.
    Deny,
}

/// Which actions a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbs {
    /// Publishing: wills and retained messages too.
    Publish,
    /// Subscribing.
    Subscribe,
    /// Both.
    Both,
}

/// Which users a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// All who have logged in.
    All,
    /// These.
    Named(Vec<String>),
}

impl Policy {
    /// A policy of these rules.
    pub fn new(rules: Vec<Rule>) -> Policy {
        Policy(rules)
    }

    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `subject` may do that.
    pub fn may(&self, subject: Subject<'_>, action: Action<'_>) -> bool {
        let (verb, topic) = match action {
            Action::Publish { topic, .. } => (Verbs::Publish, topic),
            Action::Subscribe { filter } => (Verbs::Subscribe, pattern_of(filter)),
        };
        let mine = || self.0.iter().filter(|rule| rule.is_about(subject, verb));
        mine().any(|rule| rule.effect == Effect::Allow && rule.pattern.covers(topic, subject))
            && !mine().any(|rule| rule.effect == Effect::Deny && rule.pattern.touches(topic, subject))
    }
}

/// The topics that a filter asks for, without the group that shares them.
fn pattern_of(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, pattern)| pattern)
}

impl Rule {
    fn is_about(&self, subject: Subject<'_>, verb: Verbs) -> bool {
        let user = match &self.users {
            Users::All => true,
            Users::Named(names) => names.iter().any(|name| name == subject.user),
        };
        user && (self.verbs == Verbs::Both || self.verbs == verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(effect: Effect, verbs: Verbs, users: &[&str], filter: &str) -> Rule {
        let users = match users {
            [] => Users::All,
            names => Users::Named(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        Rule { effect, verbs, users, pattern: filter.parse().unwrap() }
    }

    #[test]
    fn a_policy_denies_by_default_and_a_denial_wins_in_any_order() {
        use {Effect::*, Verbs::*};
        let mut rules = vec![
            rule(Allow, Subscribe, &["ann"], "a/#"),
            rule(Deny, Both, &[], "a/secret/#"),
            rule(Allow, Publish, &[], "own/%u/%c"),
            rule(Allow, Both, &["bob"], "a/secret/#"),
            rule(Allow, Subscribe, &[], "b/+"),
        ];
        let cases = [
            ("ann", "subscribe", "a/x", true),
            ("ann", "subscribe", "a/+/x", false),
            ("ann", "subscribe", "a/#", false),
            ("ann", "subscribe", "a/x/#", true),
            ("ann", "subscribe", "a/secret", false),
            ("ann", "subscribe", "$share/g/a/x", true),
            ("ann", "subscribe", "$share/g/a/#", false),
            ("ann", "subscribe", "#", false),
            ("ann", "publish", "a/x", false),
            ("bob", "subscribe", "a/x", false),
            ("bob", "publish", "a/secret/x", false),
            ("ann", "publish", "own/ann/till", true),
            ("bob", "publish", "own/ann/till", false),
            ("ann", "publish", "own/ann/other", false),
            ("ann", "subscribe", "own/ann/till", false),
            ("bob", "subscribe", "b/+", true),
            ("bob", "subscribe", "b/#", false),
            ("bob", "subscribe", "$SYS/#", false),
            ("", "subscribe", "c", false),
        ];
        for _ in 0..rules.len() {
            rules.rotate_left(1);
            let policy = Policy::new(rules.clone());
            for (user, verb, topic, expected) in cases {
                let action = match verb {
                    "publish" => Action::Publish { topic, retain: true },
                    _ => Action::Subscribe { filter: topic },
                };
                let subject = Subject { user, client_id: "till" };
                assert_eq!(policy.may(subject, action), expected, "{user} {verb} {topic}");
            }
        }
        let subject = Subject { user: "ann", client_id: "till" };
        assert!(!Policy::default().may(subject, Action::Subscribe { filter: "a" }));
    }
}
