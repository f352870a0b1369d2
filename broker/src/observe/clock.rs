//! The broker's own time: how long it has been running. No wall clock can set it back.

use std::time::Duration;
use tokio::time::Instant;

/// A moment, in milliseconds since the broker was started, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// So many milliseconds after the start; never zero.
    pub fn of_ms(ms: u64) -> Moment {
        Moment(ms.max(1))
    }

    /// Milliseconds since the start.
    pub fn ms(self) -> u64 {
        self.0
    }

    /// So many seconds later.
    pub fn plus_s(self, seconds: u32) -> Moment {
        Moment(self.0 + u64::from(seconds) * 1000)
    }

    /// Seconds from `now` until this moment, begun ones counted; 0 when it has passed.
    pub fn seconds_from(self, now: Moment) -> u32 {
        let seconds = self.0.saturating_sub(now.0).div_ceil(1000);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

/// The clock of one broker.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Clock {
        Clock { started: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        let passed: Duration = self.started.elapsed();
        Moment::of_ms(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }
}
