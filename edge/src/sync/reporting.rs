//! When an edge reports.

use super::{history::Total, now::Ran};
use protocol::{Epoch, Seq, message::SyncState};

/// A report that says nothing new is sent this often.
const REPEAT_MS: i64 = 600_000;

/// What a report says that can be news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The history `verified` counts in.
    pub epoch: Option<Epoch>,
    /// The verified floor.
    pub verified: Seq,
    /// What was verified there.
    pub total: Total,
    /// Where the edge stands.
    pub state: SyncState,
}

/// What was reported, and when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reporting {
    last: Option<(Told, Ran)>,
}

impl Reporting {
    /// Makes the next report due at once: a new session, new receipts, or the website asks.
    pub fn now(&mut self) {
        self.last = None;
    }

    /// Whether a report is due: at once when seq, digest or state is new, otherwise every 10 minutes.
    pub fn due(&self, told: Told, now: Ran) -> bool {
        self.last.is_none_or(|(last, at)| last != told || now.since(at) >= REPEAT_MS)
    }

    /// A report was sent.
    pub fn sent(&mut self, told: Told, now: Ran) {
        self.last = Some((told, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_reported_at_once_and_no_news_every_ten_minutes() {
        let told = Told {
            epoch: Some(Epoch(1)),
            verified: Seq(5),
            total: Total::default(),
            state: SyncState::Verified,
        };
        let mut reporting = Reporting::default();
        assert!(reporting.due(told, Ran(0)));
        reporting.sent(told, Ran(0));
        for (told, now, due) in [
            (told, 599_999, false),
            (told, 600_000, true),
            (Told { verified: Seq(6), ..told }, 1, true),
            (Told { state: SyncState::Differs, ..told }, 1, true),
            (Told { total: Total { count: 1, ..told.total }, ..told }, 1, true),
        ] {
            assert_eq!(reporting.due(told, Ran(now)), due, "{told:?} at {now}");
        }
        reporting.now();
        assert!(reporting.due(told, Ran(1)));
    }
}
