//! The disk is full, or nobody may write to it. That ends nothing: faces to be forgotten have left the live gallery,
//! nothing is acknowledged, visits are counted as not stored, and it is tried again.

use super::rules::Rules;
use crate::store::{CountedVisit, waits_for_disk};
use anyhow::{Error, Result};

/// Why the disk takes nothing, in words; any other error ends the daemon and is given back.
pub(super) fn retry_when_disk_full(error: Error) -> Result<String> {
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(waits_for_disk) {
        Ok(format!("{error:#}"))
    } else {
        Err(error)
    }
}

impl Rules {
    /// The storage thread waits for the disk. Visits that are not stored yet were never made: theirs first, the newest are
    /// among those that wait here.
    pub(super) fn disk_full(&mut self, why: String, visits: Vec<CountedVisit>) {
        if self.counters.storage_trouble.is_none() {
            tracing::error!(
                "nothing can be stored until the disk is mended, and nothing is acknowledged: {why}"
            );
        }
        self.counters.storage_trouble = Some(why);
        let newest_first = self.pending.take_visits().into_iter().chain(visits);
        newest_first.for_each(|visit| self.take_back(&visit));
        self.answers.drain(..).for_each(super::visits::Awaited::answer);
    }

    /// Something was stored, so it can be.
    pub(super) fn could_store(&mut self) {
        if self.counters.storage_trouble.take().is_some() {
            tracing::info!("the disk takes what is stored again");
        }
    }

    /// Whether what is handed to the storage thread now would wait for a disk that takes nothing.
    pub(super) fn is_blocked(&self) -> bool {
        self.counters.storage_trouble.is_some() && self.busy
    }
}
