//! When something was, by both clocks.

use crate::clock;
use protocol::UnixMs;
use std::time::{Duration, Instant};

/// A frame waits in the driver's buffers no longer than this; what says it is older was stamped by another clock.
const AGE_MAX_MS: i64 = 5_000;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the system's clock, for people and for the website.
    pub at: UnixMs,
    /// By the clock that does not jump, for spans.
    pub mono: Instant,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self { at: clock::system(), mono: Instant::now() }
    }

    /// When a frame was taken that has arrived now: as its stamp says (since 1970), or now where it has none that can be
    /// right.
    pub fn taken(self, stamp: Option<Duration>) -> Self {
        let stamp = stamp.and_then(|since| i64::try_from(since.as_millis()).ok()).map(UnixMs);
        let age_ms = stamp.map(|stamp| self.at.since(stamp)).filter(|age| (0..=AGE_MAX_MS).contains(age));
        let age_ms = age_ms.unwrap_or(0);
        let mono = self.mono.checked_sub(Duration::from_millis(age_ms.unsigned_abs()));
        Self { at: self.at.plus_ms(-age_ms), mono: mono.unwrap_or(self.mono) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_was_taken_when_its_stamp_says_where_that_can_be() {
        let now = Moment { at: UnixMs(1_000_000), mono: Instant::now() + Duration::from_secs(100) };
        for (stamp_ms, age_ms) in [
            (Some(1_000_000), 0),
            (Some(999_960), 40),
            (Some(995_000), 5_000),
            // The clock of a device that counts from its own start, and one that is ahead.
            (Some(12), 0),
            (Some(1_000_500), 0),
            (None, 0),
        ] {
            let taken = now.taken(stamp_ms.map(Duration::from_millis));
            assert_eq!(
                (now.at.since(taken.at), now.mono - taken.mono),
                (age_ms, Duration::from_millis(age_ms as u64))
            );
        }
    }
}
