//! Who is subscribed to what: a tree of filter levels, walked along a topic's levels.

use crate::lane::Counters;
use crate::packet::QoS;
use std::collections::HashMap;

/// One subscription of one subscriber.
#[derive(Debug, Clone)]
pub struct Entry<S> {
    /// The subscriber.
    pub subscriber: S,
    /// The QoS it was granted.
    pub granted: QoS,
    /// The lanes' counters at the subscription: only what is above concerns it.
    pub since: Counters,
}

/// All subscriptions.
#[derive(Debug)]
pub struct Index<S> {
    root: Node<S>,
}

#[derive(Debug)]
struct Node<S> {
    below: HashMap<Box<str>, Node<S>>,
    entries: Vec<Entry<S>>,
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Self { below: HashMap::new(), entries: Vec::new() }
    }
}

impl<S> Default for Index<S> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<S> Index<S> {
    /// Adds a subscription; `true` when the subscriber did not have this filter yet. One it had keeps the
    /// counters it was made at, so that no message falls between, and takes the new QoS.
    pub fn insert(&mut self, filter: &str, entry: Entry<S>) -> bool
    where
        S: PartialEq,
    {
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = node.below.entry(level.into()).or_default();
        }
        match node.entries.iter_mut().find(|there| there.subscriber == entry.subscriber) {
            Some(there) => {
                there.granted = entry.granted;
                false
            }
            None => {
                node.entries.push(entry);
                true
            }
        }
    }

    /// Takes away this filter of the subscriber that `is` tells; `false` when there was none.
    pub fn remove(&mut self, filter: &str, is: impl Fn(&S) -> bool) -> bool {
        let levels: Vec<&str> = filter.split('/').collect();
        self.root.remove(&levels, &is)
    }

    /// Calls `visit` with the entries of every filter that matches the topic; never with an empty list. A
    /// subscriber comes up once for each of its filters that match.
    pub fn matching<'i>(&'i self, topic: &str, visit: &mut impl FnMut(&'i [Entry<S>])) {
        let (first, rest) = topic.split_once('/').map_or((topic, None), |(first, rest)| (first, Some(rest)));
        if !topic.starts_with('$') {
            return self.root.walk(first, rest, visit);
        }
        // Wildcards at the first level do not match topics that begin with `$`.
        if let Some(node) = self.root.below.get(first) {
            node.below_or_here(rest, visit);
        }
    }
}

impl<S> Node<S> {
    fn walk<'i>(&'i self, level: &str, rest: Option<&str>, visit: &mut impl FnMut(&'i [Entry<S>])) {
        for name in [level, "+"] {
            if let Some(node) = self.below.get(name) {
                node.below_or_here(rest, visit);
            }
        }
        self.visit_rest(visit);
    }

    fn below_or_here<'i>(&'i self, rest: Option<&str>, visit: &mut impl FnMut(&'i [Entry<S>])) {
        match rest {
            Some(rest) => {
                let (level, rest) =
                    rest.split_once('/').map_or((rest, None), |(level, rest)| (level, Some(rest)));
                self.walk(level, rest, visit);
            }
            None => {
                if !self.entries.is_empty() {
                    visit(&self.entries);
                }
                // `a/#` matches `a` as well.
                self.visit_rest(visit);
            }
        }
    }

    fn visit_rest<'i>(&'i self, visit: &mut impl FnMut(&'i [Entry<S>])) {
        if let Some(node) = self.below.get("#")
            && !node.entries.is_empty()
        {
            visit(&node.entries);
        }
    }

    fn remove(&mut self, levels: &[&str], is: &impl Fn(&S) -> bool) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            let before = self.entries.len();
            self.entries.retain(|entry| !is(&entry.subscriber));
            return self.entries.len() < before;
        };
        let Some(node) = self.below.get_mut(*level) else { return false };
        let removed = node.remove(rest, is);
        if node.entries.is_empty() && node.below.is_empty() {
            self.below.remove(*level);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::LANES;
    use crate::topic::matches;
    use proptest::prelude::*;

    fn entry(subscriber: usize) -> Entry<usize> {
        Entry { subscriber, granted: QoS::One, since: [0; LANES] }
    }

    fn found(index: &Index<usize>, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        index.matching(topic, &mut |entries| found.extend(entries.iter().map(|entry| entry.subscriber)));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_subscription_again_is_not_a_second_one() {
        let mut index = Index::default();
        assert!(index.insert("a/+", entry(1)));
        assert!(!index.insert("a/+", Entry { granted: QoS::Zero, ..entry(1) }));
        assert_eq!(found(&index, "a/b"), [1]);
        assert!(index.remove("a/+", |s| *s == 1));
        assert!(!index.remove("a/+", |s| *s == 1));
        assert!(index.root.below.is_empty(), "nothing is left of a filter nobody has");
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_matching_one_by_one(
            filters in proptest::collection::vec("([ab$]{0,2}|\\+)(/([ab]{0,1}|\\+)){0,3}(/#)?|#", 1..20),
            topic in "[ab$]{0,2}(/[ab]{0,1}){0,4}",
        ) {
            let mut index = Index::default();
            for (at, filter) in filters.iter().enumerate() {
                index.insert(filter, entry(at));
            }
            let expected: Vec<usize> = filters.iter().enumerate()
                .filter(|(_, filter)| matches(filter, &topic)).map(|(at, _)| at).collect();
            prop_assert_eq!(found(&index, &topic), expected);
            for (at, filter) in filters.iter().enumerate() {
                prop_assert!(index.remove(filter, |s| *s == at));
            }
            prop_assert!(index.root.below.is_empty());
        }
    }
}
