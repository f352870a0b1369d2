//! What cannot be stored: the disk is full, or nobody may write to it. That ends nothing: the faces to be forgotten
//! have left the live gallery, nothing is acknowledged, and it is tried again with every tick.

use super::Daemon;
use crate::store::waits_for_disk;
use anyhow::{Error, Result};

impl Daemon {
    /// Bears an error that room on the disk would mend; any other one ends the daemon.
    pub(super) fn bear(&mut self, error: Error) -> Result<()> {
        if !error.chain().filter_map(|cause| cause.downcast_ref()).any(waits_for_disk) {
            return Err(error);
        }
        if self.counters.storage_trouble.is_none() {
            tracing::error!(
                "nothing can be stored until the disk is mended, and nothing is acknowledged: {error:#}"
            );
        }
        self.counters.storage_trouble = Some(format!("{error:#}"));
        Ok(())
    }

    /// Something was stored, so it can be.
    pub(super) fn could_store(&mut self) {
        if self.counters.storage_trouble.take().is_some() {
            tracing::info!("the disk takes what is stored again");
        }
    }
}
