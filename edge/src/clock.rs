//! The edge's clock: a wall clock that does not go back.

use protocol::UnixMs;
use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Follows the system's clock forward, and goes on by itself where that one goes back. A verified head tells it what
/// time it is at least, so that a box without a battery does not stretch its lease.
#[derive(Debug)]
pub struct Clock(Mutex<(UnixMs, Instant)>);

impl Clock {
    /// Starts at the system's time, or at `earliest` when that is later.
    pub fn start(earliest: Option<UnixMs>) -> Self {
        let now = earliest.map_or(system(), |earliest| earliest.max(system()));
        Self(Mutex::new((now, Instant::now())))
    }

    /// Now: never less than it was.
    pub fn now(&self) -> UnixMs {
        self.at_least(system())
    }

    /// Now, which is not before `earliest`.
    pub fn at_least(&self, earliest: UnixMs) -> UnixMs {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = i64::try_from(last.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = last.0.plus_ms(elapsed).max(earliest);
        // Kept only when it moved, so that parts of milliseconds are not lost.
        if now > last.0 {
            *last = (now, Instant::now());
        }
        now
    }
}

/// The system's clock.
pub fn system() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_learns_what_time_it_is_at_least() {
        let clock = Clock::start(None);
        let before = clock.now();
        let told = before.plus_ms(3_600_000);
        assert!(clock.at_least(told) >= told);
        assert!(clock.now() >= told, "the system's clock is an hour behind by now");
        assert!(Clock::start(Some(told)).now() >= told);
    }
}
