//! The edge's clock: a wall clock that does not go back.

use crate::sync::{Now, Ran};
use protocol::UnixMs;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// The system's clock and a newly signed head that are no further apart than this agree on what time it is.
const AGREEMENT_MS: i64 = 600_000;

/// A wall clock that does not go back, as a rule: it follows the system's clock forward, and goes on by itself where
/// that one goes back. A signed head tells it what time it is at least, so that a box without a battery does not
/// stretch its lease.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    wall: UnixMs,
    ran: Ran,
}

impl WallClock {
    /// Starts at the system's time, or at `earliest` when that is later.
    pub fn start(earliest: Option<UnixMs>, system: UnixMs) -> Self {
        Self { wall: earliest.map_or(system, |earliest| earliest.max(system)), ran: Ran(0) }
    }

    /// The time of day, when the system's clock says `system` and the edge has run for `ran`.
    pub fn at(&mut self, system: UnixMs, ran: Ran) -> UnixMs {
        self.wall = self.wall.plus_ms(ran.since(self.ran)).max(system);
        self.ran = ran;
        self.wall
    }

    /// A newly signed head says when it was signed: it is not earlier. Where the system's clock agrees with it, the
    /// two together are right, also when this clock had once been led into the future.
    pub fn told(&mut self, signed_at: UnixMs, system: UnixMs, ran: Ran) {
        let agree = system.since(signed_at).abs() <= AGREEMENT_MS;
        self.wall = if agree { system.max(signed_at) } else { self.at(system, ran).max(signed_at) };
        self.ran = ran;
    }
}

/// The edge's clock, for all its threads.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    wall: Mutex<WallClock>,
}

impl Clock {
    /// Starts at the system's time, or at `earliest` when that is later.
    pub fn start(earliest: Option<UnixMs>) -> Self {
        Self { started: Instant::now(), wall: Mutex::new(WallClock::start(earliest, system())) }
    }

    /// The time of day.
    pub fn wall(&self) -> UnixMs {
        self.now().wall
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Now {
        let mut wall = self.lock();
        let ran = self.ran();
        Now { wall: wall.at(system(), ran), ran }
    }

    /// See [`WallClock::told`].
    pub fn told(&self, signed_at: UnixMs) {
        let mut wall = self.lock();
        wall.told(signed_at, system(), self.ran());
    }

    fn ran(&self) -> Ran {
        Ran(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, WallClock> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
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
        let before = clock.wall();
        let told = before.plus_ms(3_600_000);
        clock.told(told);
        assert!(clock.wall() >= told, "the system's clock is an hour behind");
        assert!(Clock::start(Some(told)).wall() >= told);
    }

    #[test]
    fn a_clock_led_into_the_future_comes_back_when_a_new_head_and_the_system_agree() {
        let year = 365 * 24 * 3_600_000;
        let mut clock = WallClock::start(Some(UnixMs(year)), UnixMs(0));
        clock.told(UnixMs(-year / 2), UnixMs(10), Ran(10));
        assert_eq!(clock.at(UnixMs(20), Ran(20)), UnixMs(year + 20), "an older head does not turn it back");
        clock.told(UnixMs(15), UnixMs(20), Ran(20));
        assert_eq!(clock.at(UnixMs(30), Ran(30)), UnixMs(30));
    }
}
