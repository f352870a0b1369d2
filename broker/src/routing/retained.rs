//! The retained messages of one lane, ordered so that a filter's topics lie together and a collection's own
//! topic comes after its members.

use super::message::Message;
use super::topic::matches;
use crate::observe::clock::Moment;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A topic name as the key of the order. Levels end with 0xFE and the whole name with 0xFF, two bytes that UTF-8
/// never uses: so `a/b/c` is before `a/b`, and `a/b` with all that is below it is one range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicKey(Box<[u8]>);

impl TopicKey {
    /// The key of a topic.
    pub fn of(name: &str) -> TopicKey {
        TopicKey(key(name, 0xff))
    }

    /// Behind all keys.
    fn last() -> TopicKey {
        TopicKey([0xff].into())
    }
}

fn key(name: &str, end: u8) -> Box<[u8]> {
    let levels = name.bytes().map(|byte| if byte == b'/' { 0xfe } else { byte });
    levels.chain([end]).collect()
}

/// What to look for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Only topics that this filter matches.
    pub filter: &'a str,
    /// Only messages with a higher counter.
    pub above: u64,
    /// Only messages with at most this counter.
    pub up_to: u64,
    /// Whether cleared topics are included, as empty payloads.
    pub clears: Clears,
}

/// Whether cleared topics are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clears {
    /// As messages with an empty payload: for a session that may have seen what was there before.
    Included,
    /// Not at all: for a new subscription.
    Omitted,
}

/// A part of what was looked for.
#[derive(Debug)]
pub struct Page {
    /// Found messages, in the order of their keys.
    pub found: Vec<Arc<Message>>,
    /// Where to go on; `None` at the end.
    pub rest: Option<TopicKey>,
}

/// Whether there is room for one more retained message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Some,
    /// Only for changes of those that are there.
    None,
}

/// Whether a message was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is the topic's retained message now, or has cleared the topic.
    Yes,
    /// The map is full.
    Full,
}

/// The last retained message of each topic, and the topics cleared of late.
#[derive(Debug)]
pub struct Retained {
    messages: BTreeMap<TopicKey, Arc<Message>>,
    /// Counters and keys of the entries that are empty: topics that were cleared.
    cleared: BTreeMap<u64, TopicKey>,
    /// Moments, counters and keys of the entries that will expire.
    expiring: BTreeMap<(Moment, u64), TopicKey>,
    clears_max: usize,
    forgotten: u64,
}

impl Retained {
    /// Remembers at most so many cleared topics.
    pub fn new(clears_max: usize) -> Self {
        let (messages, cleared, expiring) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { messages, cleared, expiring, clears_max, forgotten: 0 }
    }

    /// Retained messages, cleared topics not counted.
    pub fn len(&self) -> usize {
        self.messages.len() - self.cleared.len()
    }

    /// The highest counter of a cleared topic that is not remembered any more. A session that has not
    /// seen everything up to it cannot be sent everything that was cleared.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Keeps a message that was published to be retained; an empty payload clears the topic. Where there is no room, a
    /// topic that has no retained message gets none.
    pub fn set(&mut self, message: Arc<Message>, room: Room) -> Kept {
        let key = TopicKey::of(message.topic());
        let before = self.messages.get(&key).map(|before| (before.payload.is_empty(), before.counter));
        match before {
            // There is nothing to clear, and no session has seen anything there.
            None if message.payload.is_empty() => return Kept::Yes,
            None | Some((true, _)) if !message.payload.is_empty() && room == Room::None => {
                return Kept::Full;
            }
            Some((true, counter)) => {
                self.cleared.remove(&counter);
            }
            None | Some((false, _)) => {}
        }
        if message.payload.is_empty() {
            self.cleared.insert(message.counter, key.clone());
        }
        // What says that a topic was cleared does not expire.
        if let Some(moment) = message.expires.filter(|_| !message.payload.is_empty()) {
            self.expiring.insert((moment, message.counter), key.clone());
        }
        if let Some(before) = self.messages.insert(key, message)
            && let Some(moment) = before.expires
        {
            self.expiring.remove(&(moment, before.counter));
        }
        while self.cleared.len() > self.clears_max {
            if let Some((counter, key)) = self.cleared.pop_first() {
                self.messages.remove(&key);
                self.forgotten = counter;
            }
        }
        Kept::Yes
    }

    /// Drops at most `at_once` messages that have expired, and returns how many there were.
    pub fn drop_expired(&mut self, now: Moment, at_once: usize) -> usize {
        let mut dropped = 0;
        while dropped < at_once
            && let Some(first) = self.expiring.first_entry()
            && first.key().0 <= now
        {
            self.messages.remove(&first.remove());
            dropped += 1;
        }
        dropped
    }

    /// Looks at no more than `look_at` topics from `start` on (from the first one when `None`).
    pub fn page(&self, wanted: &Wanted<'_>, start: Option<&TopicKey>, look_at: usize) -> Page {
        let (first, last) = range(wanted.filter);
        let first = start.map_or(first.as_ref().map_or(Bound::Unbounded, Bound::Included), Bound::Included);
        let mut found = Vec::new();
        for (looked_at, (key, message)) in self.messages.range((first, Bound::Included(&last))).enumerate() {
            if looked_at == look_at {
                return Page { found, rest: Some(key.clone()) };
            }
            let counted = wanted.above < message.counter && message.counter <= wanted.up_to;
            let included = wanted.clears == Clears::Included || !message.payload.is_empty();
            if counted && included && matches(wanted.filter, message.topic()) {
                found.push(Arc::clone(message));
            }
        }
        Page { found, rest: None }
    }
}

/// The keys between which all topics that a filter matches lie.
fn range(filter: &str) -> (Option<TopicKey>, TopicKey) {
    let levels = || filter.split('/');
    let plain = levels().take_while(|level| !matches!(*level, "+" | "#")).count();
    if plain == levels().count() {
        return (Some(TopicKey::of(filter)), TopicKey::of(filter));
    }
    if plain == 0 {
        return (None, TopicKey::last());
    }
    let end = filter.match_indices('/').nth(plain - 1).map_or(filter.len(), |(at, _)| at);
    (Some(TopicKey(key(&filter[..end], 0xfe))), TopicKey::of(&filter[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::packet::QoS;
    use proptest::prelude::*;

    fn message(topic: &str, payload: &str, counter: u64) -> Arc<Message> {
        Message::sample(topic, payload, QoS::One, true, counter)
    }

    fn map(topics: &[&str]) -> Retained {
        let mut map = Retained::new(1000);
        for (at, topic) in topics.iter().enumerate() {
            map.set(message(topic, "x", at as u64 + 1), Room::Some);
        }
        map
    }

    fn look(map: &Retained, filter: &str, above: u64, clears: Clears) -> Vec<(String, u64)> {
        let wanted = Wanted { filter, above, up_to: u64::MAX, clears };
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let page = map.page(&wanted, start.as_ref(), 2);
            all.extend(page.found.iter().map(|m| (m.topic().to_owned(), m.counter)));
            match page.rest {
                Some(rest) => start = Some(rest),
                None => return all,
            }
        }
    }

    #[test]
    fn a_collection_comes_after_its_members() {
        let map =
            map(&["s/x/c", "s/x/c/b", "s/x/c/a", "s/x/c/a/deep", "s/x/cc", "s/x/c!", "s/y/c", "s/x", "s"]);
        let names =
            |filter| look(&map, filter, 0, Clears::Omitted).into_iter().map(|(t, _)| t).collect::<Vec<_>>();
        assert_eq!(names("s/x/c/#"), ["s/x/c/a/deep", "s/x/c/a", "s/x/c/b", "s/x/c"]);
        assert_eq!(names("s/x/c/+"), ["s/x/c/a", "s/x/c/b"]);
        assert_eq!(names("s/x/c"), ["s/x/c"]);
        assert_eq!(names("s/+/c"), ["s/x/c", "s/y/c"]);
        assert_eq!(names("s/x/#").last().unwrap(), "s/x");
        assert_eq!(names("#").len(), 9);
        assert_eq!(names("nothing/#"), [""; 0]);
    }

    #[test]
    fn clears_are_included_on_request_and_forgotten_in_order() {
        let mut map = Retained::new(2);
        for (topic, payload, counter) in
            [("a", "x", 1), ("b", "x", 2), ("c", "x", 3), ("d", "x", 4), ("a", "", 5), ("never", "", 6)]
        {
            assert_eq!(map.set(message(topic, payload, counter), Room::Some), Kept::Yes);
        }
        assert_eq!(map.len(), 3);
        assert_eq!(look(&map, "+", 0, Clears::Omitted).len(), 3);
        assert_eq!(look(&map, "+", 4, Clears::Included), [("a".to_owned(), 5)]);
        map.set(message("b", "", 7), Room::Some);
        map.set(message("a", "back", 8), Room::Some);
        assert_eq!((map.len(), map.forgotten()), (3, 0));
        map.set(message("c", "", 9), Room::Some);
        map.set(message("d", "", 10), Room::Some);
        assert_eq!((map.len(), map.forgotten()), (1, 7));
        assert_eq!(look(&map, "+", 8, Clears::Included), [("c".to_owned(), 9), ("d".to_owned(), 10)]);
    }

    #[test]
    fn what_has_expired_is_dropped_unless_it_was_replaced() {
        let mut map = map(&["a", "b", "c", "d"]);
        let mut expiring = |topic, payload, counter, ms| {
            let mut message = Message::clone(&message(topic, payload, counter));
            message.expires = Some(Moment::of_ms(ms));
            map.set(Arc::new(message), Room::Some);
        };
        expiring("a", "x", 5, 100);
        expiring("b", "x", 6, 200);
        expiring("c", "x", 7, 100);
        expiring("c", "x", 8, 300);
        expiring("d", "", 9, 100);
        for (now, at_once, dropped, left) in [(99, 9, 0, 3), (250, 1, 1, 2), (250, 9, 1, 1), (300, 9, 1, 0)] {
            assert_eq!(map.drop_expired(Moment::of_ms(now), at_once), dropped, "at {now}");
            assert_eq!(map.len(), left, "at {now}");
        }
        assert_eq!(look(&map, "#", 0, Clears::Included), [("d".to_owned(), 9)], "a clear is still included");
        assert!(map.expiring.is_empty());
    }

    #[test]
    fn a_full_map_takes_no_new_topic_but_changes_and_clears() {
        let mut map = Retained::new(10);
        let mut set = |topic, payload, counter| {
            let room = if map.len() < 2 { Room::Some } else { Room::None };
            map.set(message(topic, payload, counter), room)
        };
        assert_eq!(set("a", "x", 1), Kept::Yes);
        assert_eq!(set("b", "x", 2), Kept::Yes);
        assert_eq!(set("c", "x", 3), Kept::Full);
        assert_eq!(set("a", "y", 4), Kept::Yes);
        assert_eq!(set("a", "", 5), Kept::Yes);
        assert_eq!(set("c", "x", 6), Kept::Yes);
        assert_eq!(set("a", "x", 7), Kept::Full);
    }

    proptest! {
        #[test]
        fn a_range_finds_exactly_what_the_filter_matches(
            names in proptest::collection::btree_set("[ab]{0,2}(/[ab~]{0,2}){0,3}", 1..30),
            filter in "([ab]{0,2}|\\+)(/([ab~]{0,2}|\\+)){0,3}(/#)?",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            let map = map(&names);
            let mut found: Vec<String> =
                look(&map, &filter, 0, Clears::Omitted).into_iter().map(|(topic, _)| topic).collect();
            found.sort();
            let mut expected: Vec<_> = names.iter().copied().filter(|name| matches(&filter, name)).collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
