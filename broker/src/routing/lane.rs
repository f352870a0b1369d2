//! The lanes: the broker's channels. Everything published goes into the one lane of its topic's first two
//! levels, gets that lane's next number and, if it is to be retained, its place in that lane's map, all under
//! one lock. So a lane's messages have one order that the map, the router and every reader agree on.
//!
//! Architecture invariant: the lock of a lane is held for a push, a stamp, or a look at a page of the map, and
//! never while waiting. Locks are taken in the order index, session, lane.

use super::message::{Draft, Envelope, LANES, Lane, Message, open};
use super::retained::{Kept, Page, Retained, Room, TopicKey, Wanted};
use super::router::{Inlet, RouterDied};
use crate::observe::clock::{Clock, Moment};
use crate::observe::sys;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// What one lane may have between its stamp and its dispatch. Publishers wait when it is used up.
pub const IN_TRANSIT_BYTES: usize = 1 << 20;
/// The unit in which bytes in transit are counted; a small message costs one.
const UNIT_BYTES: usize = 256;
/// Expired messages dropped under one lock.
const EXPIRED_AT_ONCE: usize = 256;

/// A counter for each lane.
pub type LaneCounters = [u64; LANES];

/// Every lane.
pub struct Lanes {
    lanes: Vec<OneLane>,
    /// Retained messages in all maps, and how many there may be.
    retained: AtomicUsize,
    retained_max: usize,
    clock: Clock,
}

struct OneLane {
    entry: Mutex<Entry>,
    /// Units free for messages in transit.
    room: Semaphore,
    /// The counter up to which everything has been offered to the sessions.
    dispatched: AtomicU64,
    /// Units given back so far.
    returned: AtomicU64,
}

struct Entry {
    inlet: Inlet,
    counter: u64,
    /// Units taken so far.
    spent: u64,
    retained: Retained,
}

impl Lanes {
    /// One lane for each inlet.
    pub fn new(inlets: Vec<Inlet>, retained_max: usize, clears_max: usize) -> Self {
        let lane = |inlet| OneLane {
            entry: Mutex::new(Entry { inlet, counter: 0, spent: 0, retained: Retained::new(clears_max) }),
            room: Semaphore::new(IN_TRANSIT_BYTES / UNIT_BYTES),
            dispatched: AtomicU64::new(0),
            returned: AtomicU64::new(0),
        };
        let (retained, clock) = (AtomicUsize::new(0), Clock::start());
        Self { lanes: inlets.into_iter().map(lane).collect(), retained, retained_max, clock }
    }

    /// The time by which messages expire.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    fn of(&self, lane: Lane) -> &OneLane {
        &self.lanes[lane.index()]
    }

    /// Puts a message on its way. Waits while its lane is full; when this returns, the message has its place in
    /// the order and, if retained, in the map.
    pub async fn publish(&self, draft: Draft) -> Result<Stamped, RouterDied> {
        let lane = self.of(draft.lane);
        let units = draft.bytes().div_ceil(UNIT_BYTES).min(IN_TRANSIT_BYTES / UNIT_BYTES);
        let units = u32::try_from(units).expect("fewer units than a lane has");
        lane.room.acquire_many(units).await.map_err(|_| RouterDied)?.forget();
        lane.entry.lock().push(draft, units, self)
    }

    /// The number of the last message that each lane took in.
    pub fn counters(&self) -> LaneCounters {
        let mut all = [0; LANES];
        Lane::all().for_each(|lane| all[lane.index()] = self.of(lane).entry.lock().counter);
        all
    }

    /// The number up to which each lane has been offered to every session.
    pub fn dispatched(&self) -> LaneCounters {
        let mut all = [0; LANES];
        Lane::all().for_each(|lane| all[lane.index()] = self.of(lane).dispatched.load(Ordering::Acquire));
        all
    }

    /// The highest number of a cleared topic that each lane has forgotten.
    pub fn forgotten(&self) -> LaneCounters {
        let mut all = [0; LANES];
        Lane::all().for_each(|lane| all[lane.index()] = self.of(lane).entry.lock().retained.forgotten());
        all
    }

    /// Retained messages of all lanes.
    pub fn retained(&self) -> usize {
        self.retained.load(Ordering::Relaxed)
    }

    /// Drops the retained messages that have expired.
    pub fn drop_expired(&self) {
        let now = self.now();
        for lane in &self.lanes {
            // A few at a time, so that publishers do not wait for long.
            loop {
                let dropped = lane.entry.lock().retained.drop_expired(now, EXPIRED_AT_ONCE);
                self.retained.fetch_sub(dropped, Ordering::Relaxed);
                if dropped < EXPIRED_AT_ONCE {
                    break;
                }
            }
        }
    }

    /// A part of a lane's retained messages; see `Retained::page`.
    pub fn page(&self, lane: Lane, wanted: &Wanted<'_>, start: Option<&TopicKey>, look_at: usize) -> Page {
        self.of(lane).entry.lock().retained.page(wanted, start, look_at)
    }

    /// Opens what came out of a lane, gives its room back, and says whether something is missing before it.
    pub fn arrived(&self, lane: Lane, bytes: &Bytes) -> Option<Arrival> {
        let opened = open(lane, bytes)?;
        let this = self.of(lane);
        let back = opened.spent - this.returned.swap(opened.spent, Ordering::AcqRel);
        this.room.add_permits(usize::try_from(back).unwrap_or(0));
        let message = match opened.envelope {
            Envelope::Message(message) => Some(Arc::new(message)),
            Envelope::Probe => None,
        };
        let gap = opened.counter != this.dispatched.load(Ordering::Acquire) + 1;
        Some(Arrival { message, counter: opened.counter, gap })
    }

    /// Notes that everything of this lane up to `counter` has been offered to every session.
    pub fn offered(&self, lane: Lane, counter: u64) {
        self.of(lane).dispatched.store(counter, Ordering::Release);
    }

    /// Accepts no message any more.
    pub fn close(&self) {
        self.lanes.iter().for_each(|lane| lane.room.close());
    }
}

#[cfg(test)]
impl Lanes {
    /// Kills the router's thread, as a client could if its bytes reached it.
    pub fn kill_router(&self) {
        self.lanes[0].entry.lock().inlet.kill_router();
    }
}

/// Something that went into a lane.
#[derive(Debug, Clone, Copy)]
pub struct Stamped {
    /// Its number.
    pub counter: u64,
    /// Whether the map had room for it.
    pub kept: Kept,
}

/// Something that came out of a lane.
pub struct Arrival {
    /// The message, unless it was the broker's own probe.
    pub message: Option<Arc<Message>>,
    /// Its number.
    pub counter: u64,
    /// Whether messages before it never came.
    pub gap: bool,
}

impl Entry {
    fn push(&mut self, draft: Draft, units: u32, lanes: &Lanes) -> Result<Stamped, RouterDied> {
        self.counter += 1;
        self.spent += u64::from(units);
        let lane = draft.lane;
        let envelope = draft.stamp(self.counter, self.spent, lanes.now());
        let kept = match open(lane, &envelope).map(|opened| opened.envelope) {
            Some(Envelope::Message(message)) if message.retain => self.retain(message, lanes),
            _ => Kept::Yes,
        };
        self.inlet.push(envelope)?;
        Ok(Stamped { counter: self.counter, kept })
    }

    fn retain(&mut self, message: Message, lanes: &Lanes) -> Kept {
        // Lanes that fill up at the same moment may overshoot by one message each.
        let all = lanes.retained.load(Ordering::Relaxed);
        // The broker's own few are always kept and not counted; clients may not publish there.
        let own = message.topic().starts_with(sys::ROOT);
        let room = if own || all < lanes.retained_max { Room::Some } else { Room::None };
        let before = self.retained.len();
        let kept = self.retained.set(Arc::new(message), room);
        if own {
            return kept;
        }
        // Wraps on the way down, as atomics do, and ends at the right sum.
        lanes.retained.fetch_add(self.retained.len().wrapping_sub(before), Ordering::Relaxed);
        kept
    }
}
