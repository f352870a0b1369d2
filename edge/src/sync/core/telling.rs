//! What an edge tells the website of itself.

use super::Core;
use crate::sync::now::Now;
use protocol::{
    SpaceId, UnixMs,
    message::{Applied, Start},
};

/// What a report says that the rules do not know.
#[derive(Debug, Clone)]
pub struct Teller {
    /// Which start of the edge this is.
    pub start: Start,
    /// The space of its model.
    pub space: SpaceId,
    /// Messages that were not taken in.
    pub refused: u64,
}

impl Core {
    /// The report at `now`, in pages by its receipts; none while no epoch is known. `at` is by the system's clock.
    pub fn applied(&self, teller: &Teller, at: UnixMs, now: Now) -> Vec<Applied> {
        let Some(epoch) = self.rows.epoch() else { return Vec::new() };
        let total = self.rows.total();
        let page = |receipts| Applied {
            epoch,
            verified: self.rows.floor(),
            digest: total.digest,
            count: total.count,
            state: self.state(now),
            start: teller.start,
            space: teller.space.clone(),
            at,
            lease_until: self.lease.map_or(UnixMs(0), |(lease, _)| lease.until()),
            queued: self.outbox.waiting() as u64,
            refused: teller.refused,
            repairs: self.repairs.counts(),
            receipts,
        };
        self.receipts.pages().into_iter().map(page).collect()
    }
}
