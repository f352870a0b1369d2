//! Subscribers by filter: a tree of filter levels, walked along a topic's levels.

use super::filter::Filter;
use super::lane::LaneCounters;
use crate::codec::packet::Options;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One subscription of one subscriber.
#[derive(Debug, Clone)]
pub struct Entry<S> {
    /// The subscriber.
    pub subscriber: S,
    /// How it is to be served.
    pub options: Options,
    /// The lanes' counters at the subscription: only what is above concerns it.
    pub since: LaneCounters,
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
    groups: Vec<Group<S>>,
}

/// Subscribers who share a filter: a message is for one of them.
#[derive(Debug)]
pub struct Group<S> {
    name: Box<str>,
    members: Vec<Entry<S>>,
    turn: AtomicUsize,
}

impl<S> Group<S> {
    /// All members, beginning with another one each time.
    pub fn in_turn(&self) -> impl Iterator<Item = &Entry<S>> + Clone {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.members.len();
        self.members[first..].iter().chain(&self.members[..first])
    }
}

/// Subscribers of a filter that matches.
#[derive(Debug)]
pub enum Found<'i, S> {
    /// The message is for each of these.
    Each(&'i [Entry<S>]),
    /// The message is for one of these.
    OneOf(&'i Group<S>),
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Self { below: HashMap::new(), entries: Vec::new(), groups: Vec::new() }
    }
}

impl<S> Default for Index<S> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<S> Index<S> {
    /// Adds a subscription; `true` when the subscriber did not have this filter yet. One it had keeps the
    /// counters it was made at, so that no message falls between, and takes the new options.
    pub fn insert(&mut self, filter: &Filter, entry: Entry<S>) -> bool
    where
        S: PartialEq,
    {
        let mut node = &mut self.root;
        for level in filter.pattern().split('/') {
            node = node.below.entry(level.into()).or_default();
        }
        let entries = match filter.group() {
            Some(group) => node.members(group),
            None => &mut node.entries,
        };
        match entries.iter_mut().find(|there| there.subscriber == entry.subscriber) {
            Some(there) => {
                there.options = entry.options;
                false
            }
            None => {
                entries.push(entry);
                true
            }
        }
    }

    /// Removes this filter of the subscriber for which `is` holds; `false` when there was none.
    pub fn remove(&mut self, filter: &Filter, is: impl Fn(&S) -> bool) -> bool {
        let levels: Vec<&str> = filter.pattern().split('/').collect();
        self.root.remove(&levels, filter.group(), &is)
    }

    /// Calls `visit` with the subscribers of every filter that matches the topic; never with an empty list. A
    /// subscriber comes up once for each of its filters that match.
    pub fn matching<'i>(&'i self, topic: &str, visit: &mut impl FnMut(Found<'i, S>)) {
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
    fn walk<'i>(&'i self, level: &str, rest: Option<&str>, visit: &mut impl FnMut(Found<'i, S>)) {
        for name in [level, "+"] {
            if let Some(node) = self.below.get(name) {
                node.below_or_here(rest, visit);
            }
        }
        self.visit_rest(visit);
    }

    fn below_or_here<'i>(&'i self, rest: Option<&str>, visit: &mut impl FnMut(Found<'i, S>)) {
        match rest {
            Some(rest) => {
                let (level, rest) =
                    rest.split_once('/').map_or((rest, None), |(level, rest)| (level, Some(rest)));
                self.walk(level, rest, visit);
            }
            None => {
                self.visit(visit);
                // `a/#` matches `a` as well.
                self.visit_rest(visit);
            }
        }
    }

    fn visit_rest<'i>(&'i self, visit: &mut impl FnMut(Found<'i, S>)) {
        if let Some(node) = self.below.get("#") {
            node.visit(visit);
        }
    }

    fn visit<'i>(&'i self, visit: &mut impl FnMut(Found<'i, S>)) {
        if !self.entries.is_empty() {
            visit(Found::Each(&self.entries));
        }
        self.groups.iter().for_each(|group| visit(Found::OneOf(group)));
    }

    fn members(&mut self, group: &str) -> &mut Vec<Entry<S>> {
        let at = self.groups.iter().position(|there| *there.name == *group).unwrap_or_else(|| {
            let (members, turn) = (Vec::new(), AtomicUsize::new(0));
            self.groups.push(Group { name: group.into(), members, turn });
            self.groups.len() - 1
        });
        &mut self.groups[at].members
    }

    fn remove(&mut self, levels: &[&str], group: Option<&str>, is: &impl Fn(&S) -> bool) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            let entries = match group {
                Some(group) => self.members(group),
                None => &mut self.entries,
            };
            let before = entries.len();
            entries.retain(|entry| !is(&entry.subscriber));
            let removed = entries.len() < before;
            self.groups.retain(|group| !group.members.is_empty());
            return removed;
        };
        let Some(node) = self.below.get_mut(*level) else { return false };
        let removed = node.remove(rest, group, is);
        if node.entries.is_empty() && node.groups.is_empty() && node.below.is_empty() {
            self.below.remove(*level);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::packet::QoS;
    use crate::limits::Limits;
    use crate::routing::message::LANES;
    use crate::routing::topic::matches;
    use proptest::prelude::*;

    fn entry(subscriber: usize) -> Entry<usize> {
        Entry { subscriber, options: Options::of_qos(QoS::One), since: [0; LANES] }
    }

    fn filter(text: &str) -> Filter {
        Filter::sharing(text, &Limits::default()).expect("well formed")
    }

    fn found(index: &Index<usize>, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        index.matching(topic, &mut |hit| match hit {
            Found::Each(entries) => found.extend(entries.iter().map(|entry| entry.subscriber)),
            Found::OneOf(group) => found.extend(group.in_turn().next().map(|entry| entry.subscriber)),
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn a_subscription_again_is_not_a_second_one() {
        let mut index = Index::default();
        assert!(index.insert(&filter("a/+"), entry(1)));
        assert!(!index.insert(&filter("a/+"), Entry { options: Options::of_qos(QoS::Zero), ..entry(1) }));
        assert_eq!(found(&index, "a/b"), [1]);
        assert!(index.remove(&filter("a/+"), |s| *s == 1));
        assert!(!index.remove(&filter("a/+"), |s| *s == 1));
        assert!(index.root.below.is_empty(), "nothing is left of a filter without subscribers");
    }

    #[test]
    fn the_members_of_a_group_take_turns() {
        let mut index = Index::default();
        for (text, subscriber) in
            [("$share/g/a/+", 1), ("$share/g/a/+", 2), ("$share/g/a/+", 2), ("$share/h/a/+", 3), ("a/b", 4)]
        {
            index.insert(&filter(text), entry(subscriber));
        }
        let turns: Vec<_> = (0..4).map(|_| found(&index, "a/b")).collect();
        assert_eq!(turns, [[1, 3, 4], [2, 3, 4], [1, 3, 4], [2, 3, 4]]);
        assert!(!index.remove(&filter("$share/h/a/+"), |s| *s == 1));
        assert!(index.remove(&filter("$share/g/a/+"), |s| *s == 1));
        assert!(index.remove(&filter("$share/h/a/+"), |s| *s == 3));
        assert_eq!(found(&index, "a/b"), [2, 4]);
        assert!(index.remove(&filter("$share/g/a/+"), |s| *s == 2));
        assert!(index.remove(&filter("a/b"), |s| *s == 4));
        assert!(index.root.below.is_empty(), "nothing is left of an empty group");
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_matching_one_by_one(
            filters in proptest::collection::vec("([ab$]{0,2}|\\+)(/([ab]{0,1}|\\+)){0,3}(/#)?|#", 1..20),
            topic in "[ab$]{0,2}(/[ab]{0,1}){0,4}",
        ) {
            let mut index = Index::default();
            let written = filters.iter().filter(|text| !text.is_empty());
            let filters: Vec<_> = written.map(|text| filter(text)).collect();
            for (at, filter) in filters.iter().enumerate() {
                index.insert(filter, entry(at));
            }
            let expected: Vec<usize> = filters.iter().enumerate()
                .filter(|(_, filter)| matches(filter.pattern(), &topic)).map(|(at, _)| at).collect();
            prop_assert_eq!(found(&index, &topic), expected);
            for (at, filter) in filters.iter().enumerate() {
                prop_assert!(index.remove(filter, |s| *s == at));
            }
            prop_assert!(index.root.below.is_empty());
        }
    }
}
