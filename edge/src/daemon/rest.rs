//! An edge at rest: what its files say while no daemon runs.

use super::{Counters, send};
use crate::{
    clock::Clock,
    identity::Identity,
    live::{Live, Space},
    lock::StateLock,
    status::Status,
    store::{Opened, Store},
    sync::Core,
};
use anyhow::{Result, bail};
use protocol::StreamId;
use std::path::Path;

/// Held open files of an edge that does not run.
#[derive(Debug)]
pub struct Rest {
    identity: Identity,
    opened: Opened,
    clock: Clock,
    _store: Store,
    _lock: StateLock,
}

impl Rest {
    /// Opens the files of a state folder.
    ///
    /// # Errors
    /// When the folder has no identity, a daemon has it, or a file cannot be used.
    pub fn open(folder: &Path) -> Result<Self> {
        let identity = Identity::load(folder)?;
        let Some(lock) = StateLock::try_take(folder)? else {
            bail!("an edge runs on {} and does not answer yet: try again in a moment", folder.display());
        };
        let (store, opened) = Store::open(folder, &identity.digest_key)?;
        let clock = Clock::start(opened.loaded.standing.earliest());
        Ok(Self { identity, opened, clock, _store: store, _lock: lock })
    }

    /// The gallery as the files have it, under the lease they have, and the clock to ask it by.
    pub fn gallery(self, space: Space) -> (Live, Clock) {
        let live = Live::new(space);
        for (face_id, row) in &self.opened.customers {
            live.put(face_id, &row.customer);
        }
        for (face_id, own) in &self.opened.own {
            live.put_own(face_id, &own.space, &own.embedding);
        }
        live.renew(self.opened.loaded.lease.map(|(lease, _)| lease));
        (live, self.clock)
    }

    /// How the edge is.
    pub fn status(self) -> Status {
        let Opened { loaded, customers, own, owed: _, starts, lost_visits, lost_receipts, cache_lost } =
            self.opened;
        let now = self.clock.now();
        // Nothing is numbered with this stream.
        let core = Core::load(loaded, StreamId(0), now);
        let counters = Counters { lost_visits, lost_receipts, cache_lost, ..Counters::default() };
        let (claim, recognised) = (core.claim(now), customers.len() + own.len());
        let status = send::status(&self.identity, &core, &claim, recognised, &counters, starts, now);
        Status { running: false, ..status }
    }
}
