//! The rows are read back from the disk while nothing else is to be done.

use super::Daemon;
use crate::{notice::Notice, sync::Finding};
use anyhow::{Context, Result};

/// At every idle tick so many rows: well below a millisecond or two, and 100,000 rows in five minutes.
const SLICE: usize = 64;

impl Daemon {
    /// Holds the next rows on the disk against the rules and the gallery. Where they differ, the rules take over what the disk has,
    /// as if the website had asked: then the digest tells, and a repair brings what is wrong.
    pub(super) fn audit(&mut self) -> Result<()> {
        let now = self.clock.now();
        // While something waits to be stored the disk is behind the rules.
        if !self.unstored.is_empty() || !self.audit.due(now.ran) {
            return Ok(());
        }
        let live = &self.memory.live;
        let key = &self.identity.digest_key;
        let read =
            self.store.cache.read_back(key, self.audit.after(), SLICE, &|id, row| live.agrees(id, row));
        let slice = match read.context("the cache cannot be read") {
            Ok(slice) => slice,
            Err(error) => return self.bear(error),
        };
        let finding = self.audit.hold(&slice, self.core.rows(), now);
        self.counters.read_back_at = self.audit.passed_at();
        if finding == Finding::Differs {
            tracing::warn!(
                "rows on the disk are not what was stored: all are read again, and compared with the website's"
            );
            self.read_again()?;
            self.tell(Notice::Distrusts);
        }
        Ok(())
    }
}
