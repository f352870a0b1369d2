//! Wills that wait for their clients to come back.

use crate::routing::message::Draft;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Where a will waits: when it is due, and a number to tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Instant, u64);

/// All wills that wait.
#[derive(Default)]
pub struct Wills {
    waiting: Mutex<Waiting>,
    sooner: Notify,
}

#[derive(Default)]
struct Waiting {
    wills: BTreeMap<Place, Draft>,
    last_number: u64,
}

impl Wills {
    /// Puts a will there until it is due.
    pub fn park(&self, will: Draft, due: Instant) -> Place {
        let mut waiting = self.waiting.lock();
        waiting.last_number += 1;
        let place = Place(due, waiting.last_number);
        waiting.wills.insert(place, will);
        drop(waiting);
        self.sooner.notify_one();
        place
    }

    /// Takes a will back, if it has not been published.
    pub fn take(&self, place: Place) -> Option<Draft> {
        self.waiting.lock().wills.remove(&place)
    }

    /// Drops all of them.
    pub fn drop_all(&self) {
        self.waiting.lock().wills.clear();
    }

    /// Makes a will due now, if it has not been published.
    pub fn hasten(&self, place: Place) {
        if let Some(will) = self.take(place) {
            self.park(will, Instant::now());
        }
    }

    /// Waits for the next will that is due.
    pub async fn next(&self) -> Draft {
        loop {
            let first = {
                let mut waiting = self.waiting.lock();
                let first = waiting.wills.first_entry();
                match first {
                    Some(entry) if entry.key().0 <= Instant::now() => return entry.remove(),
                    first => first.map(|entry| entry.key().0),
                }
            };
            let sooner = self.sooner.notified();
            match first {
                Some(due) => tokio::select! { () = sleep_until(due) => {}, () = sooner => {} },
                None => sooner.await,
            }
        }
    }
}
