//! Visits on their way to the website: numbering, what is in flight, what is let go of and when.

use super::now::Ran;
use protocol::{FaceId, StreamId, UnixMs, message::Settled};
use std::collections::BTreeMap;

/// How many unsettled visits are in flight at once.
const IN_FLIGHT: usize = 64;
/// A visit not settled for this long is sent again.
const RESEND_MS: i64 = 30_000;
/// How many visits wait at most; beyond it the least valuable is lost, and counted.
pub const WAITING_MAX: usize = 100_000;
/// How many settled visits are kept for the case that the website is restored from a backup older than they are.
pub const SETTLED_MAX: usize = 10_000;

/// The number of a visit within all streams of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VisitKey {
    /// One start of the edge.
    pub stream: StreamId,
    /// Counts from 1 within it.
    pub n: u64,
}

/// What losing a visit would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weight {
    /// A number.
    Anonymous,
    /// When a customer came.
    Known,
    /// That, and a customer-to-be.
    New(FaceId),
}

/// One visit as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub key: VisitKey,
    /// What it says.
    pub weight: Weight,
    /// When the website said it was stored, by its clock.
    pub settled_at: Option<UnixMs>,
}

/// All visits, in the order in which they were made.
#[derive(Debug, Clone)]
pub struct Outbox {
    stream: StreamId,
    next_n: u64,
    next_order: u64,
    waiting: BTreeMap<u64, Entry>,
    settled: BTreeMap<u64, Entry>,
    in_flight: BTreeMap<u64, Ran>,
    waiting_max: usize,
}

/// A visit that was lost because too many wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// Which.
    pub key: VisitKey,
    /// What it said.
    pub weight: Weight,
}

/// What a `Settled` brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// These are stored now.
    pub marked: Vec<VisitKey>,
    /// They proposed these faces.
    pub enrolled: Vec<FaceId>,
    /// Older settled visits that are let go of, to keep their number bounded.
    pub forgotten: Vec<VisitKey>,
}

impl Outbox {
    /// Starts a new stream behind the visits that were stored, which keep their own numbers; oldest first.
    pub fn load(stream: StreamId, stored: Vec<Entry>) -> Self {
        let next_order = stored.len() as u64;
        let (settled, waiting) = (0..).zip(stored).partition(|(_, entry)| entry.settled_at.is_some());
        let in_flight = BTreeMap::new();
        Self { stream, next_n: 1, next_order, waiting, settled, in_flight, waiting_max: WAITING_MAX }
    }

    /// At most so many visits wait from now on, instead of [`WAITING_MAX`].
    pub fn bound(&mut self, waiting_max: usize) {
        self.waiting_max = waiting_max;
    }

    /// How many visits are not settled.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in a visit and gives it its number; when too many wait, the oldest without identity is lost, or else the
    /// oldest.
    pub fn add(&mut self, weight: Weight) -> (VisitKey, Option<Overflow>) {
        let overflow = (self.waiting.len() >= self.waiting_max).then(|| self.least()).flatten();
        if let Some(order) = overflow {
            self.in_flight.remove(&order);
        }
        let lost = overflow.and_then(|order| self.waiting.remove(&order));
        let key = VisitKey { stream: self.stream, n: self.next_n };
        self.next_n += 1;
        self.waiting.insert(self.next_order, Entry { key, weight, settled_at: None });
        self.next_order += 1;
        (key, lost.map(|Entry { key, weight, settled_at: _ }| Overflow { key, weight }))
    }

    /// The newest visit could not be stored, so it was never made: its number is free again. Of several the newest
    /// has to be taken back first. One that was lost meanwhile, because too many wait, is not there any more.
    pub fn take_back(&mut self, key: VisitKey) {
        if self.waiting.last_key_value().is_some_and(|(_, entry)| entry.key == key) {
            self.waiting.pop_last();
            self.next_n = key.n;
        }
    }

    fn least(&self) -> Option<u64> {
        let anonymous = self.waiting.iter().find(|(_, entry)| entry.weight == Weight::Anonymous);
        anonymous.or_else(|| self.waiting.first_key_value()).map(|(order, _)| *order)
    }

    /// The website has stored a stream from one number to another. Those visits stay, marked, until a backup holds them.
    pub fn settle(&mut self, settled: &Settled) -> Settlement {
        let stored = |entry: &Entry| {
            let Settled { stream, from, through, .. } = settled;
            entry.key.stream == *stream && (*from..=*through).contains(&entry.key.n)
        };
        let mut settlement = Settlement::default();
        for (order, mut entry) in self.waiting.extract_if(.., |_, entry| stored(entry)) {
            settlement.marked.push(entry.key);
            if let Weight::New(face) = &entry.weight {
                settlement.enrolled.push(face.clone());
            }
            entry.settled_at = Some(settled.at);
            self.in_flight.remove(&order);
            self.settled.insert(order, entry);
        }
        // A number that was lost in between holds the website up until it hears of the next one being the first.
        if let Some((order, _)) = self.waiting.iter().find(|(_, e)| e.key.stream == settled.stream)
            && !settlement.marked.is_empty()
        {
            let gap = self.waiting[order].key.n > settled.through + 1;
            if gap {
                self.in_flight.remove(order);
            }
        }
        while self.settled.len() > SETTLED_MAX {
            settlement.forgotten.extend(self.settled.pop_first().map(|(_, entry)| entry.key));
        }
        settlement
    }

    /// The website's newest backup was begun at `at`: what was settled before is safe. Answers with what can go.
    pub fn backed_up(&mut self, at: UnixMs) -> Vec<VisitKey> {
        let safe = |entry: &Entry| entry.settled_at.is_some_and(|settled| settled < at);
        self.settled.extract_if(.., |_, entry| safe(entry)).map(|(_, entry)| entry.key).collect()
    }

    /// A new epoch: the website may have lost what it had settled. All of it waits again; answers with how many.
    pub fn begin_epoch(&mut self) -> usize {
        let again = self.settled.len();
        for (order, mut entry) in std::mem::take(&mut self.settled) {
            entry.settled_at = None;
            self.waiting.insert(order, entry);
        }
        self.in_flight.clear();
        again
    }

    /// A new session, or a broker that may have had nobody to pass visits on to: nothing is in flight any more.
    pub fn begin_session(&mut self) {
        self.in_flight.clear();
    }

    /// A face is nobody's any more: visits must not propose it again. Answers whether any did.
    pub fn scrub(&mut self, face_id: &FaceId) -> bool {
        let mut any = false;
        for entry in self.waiting.values_mut().chain(self.settled.values_mut()) {
            if matches!(&entry.weight, Weight::New(face) if face == face_id) {
                entry.weight = Weight::Anonymous;
                any = true;
            }
        }
        any
    }

    /// The visits to send now, each with the first unsettled number of its stream: the oldest ones, as many as may be
    /// in flight, that have not been sent or not been answered for a while. They count as sent.
    pub fn to_send(&mut self, now: Ran) -> Vec<(VisitKey, u64)> {
        let window = self.waiting.iter().take(IN_FLIGHT);
        let due: Vec<(u64, VisitKey)> = window
            .filter(|(order, _)| self.in_flight.get(order).is_none_or(|sent| now.since(*sent) >= RESEND_MS))
            .map(|(order, entry)| (*order, entry.key))
            .collect();
        self.in_flight.extend(due.iter().map(|(order, _)| (*order, now)));
        due.into_iter().map(|(_, key)| (key, self.first_unsettled(key.stream))).collect()
    }

    fn first_unsettled(&self, stream: StreamId) -> u64 {
        let of_stream = self.waiting.values().filter(|entry| entry.key.stream == stream);
        of_stream.map(|entry| entry.key.n).next().unwrap_or(self.next_n)
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
