//! Wills that wait for their delay: they are dropped when the client comes back before.

use crate::routing::message::Draft;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A waiting will: when it is due, and a number that tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WillId(Instant, u64);

/// All wills that wait.
#[derive(Default)]
pub struct Wills {
    waiting: Mutex<Waiting>,
    sooner: Notify,
}

#[derive(Default)]
struct Waiting {
    wills: BTreeMap<WillId, Draft>,
    last_number: u64,
}

impl Wills {
    /// Keeps a will until it is due.
    pub fn schedule(&self, will: Draft, due: Instant) -> WillId {
        let mut waiting = self.waiting.lock();
        waiting.last_number += 1;
        let id = WillId(due, waiting.last_number);
        waiting.wills.insert(id, will);
        drop(waiting);
        self.sooner.notify_one();
        id
    }

    /// Takes a will back, if it has not been published.
    pub fn take(&self, id: WillId) -> Option<Draft> {
        self.waiting.lock().wills.remove(&id)
    }

    /// Drops all of them.
    pub fn drop_all(&self) {
        self.waiting.lock().wills.clear();
    }

    /// Makes a will due now, if it has not been published.
    pub fn publish_now(&self, id: WillId) {
        if let Some(will) = self.take(id) {
            self.schedule(will, Instant::now());
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
