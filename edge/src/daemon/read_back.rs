//! Rows that were read back from the disk while nothing else was to be done.

use super::rules::Rules;
use crate::{
    notice::Notice,
    sync::{Finding, Slice},
};

impl Rules {
    /// Holds rows on the disk against the rules and the gallery. Where they differ, the rules take over what the disk has,
    /// as if the website had asked: then the digest tells, and a repair brings what is wrong. What was read while something
    /// was ruled tells nothing, and is read once more.
    pub(super) fn hold(&mut self, slice: Option<Slice>) {
        let asked = self.read_back.take();
        let Some(slice) = slice.filter(|_| asked == Some(self.ruled)) else { return };
        let finding = self.audit.hold(&slice, self.core.rows(), self.clock.now());
        self.counters.read_back_at = self.audit.passed_at();
        if finding == Finding::Differs {
            tracing::warn!(
                "rows on the disk are not what was stored: all are read again, and compared with the website's"
            );
            self.reads_again = true;
            self.notify(Notice::Distrusts);
        }
    }
}
