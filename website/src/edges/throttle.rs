//! Guessing join codes is slow.

use protocol::UnixMs;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

const WINDOW_MS: i64 = 15 * 60 * 1000;
const FAILURES_OF_ONE_MAX: u32 = 10;
const FAILURES_OF_ALL_MAX: u32 = 300;

/// Counts wrong codes, by address and over all, within a quarter of an hour. At 300 guesses a window and some
/// 40 codes of 8 out of 31 characters at once, guessing one takes 18,000 years.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: UnixMs,
    of_all: u32,
    of_one: HashMap<IpAddr, u32>,
}

impl Throttle {
    /// Whether `peer` may try a code now. Nobody is kept out by the wrong codes of others until there are very
    /// many.
    pub fn admits(&self, peer: IpAddr, now: UnixMs) -> bool {
        let window = self.window(now);
        let of_one = window.of_one.get(&peer).copied().unwrap_or(0);
        of_one < FAILURES_OF_ONE_MAX && window.of_all < FAILURES_OF_ALL_MAX
    }

    /// Notes that `peer` brought a wrong code.
    pub fn failed(&self, peer: IpAddr, now: UnixMs) {
        let mut window = self.window(now);
        window.of_all += 1;
        *window.of_one.entry(peer).or_default() += 1;
    }

    fn window(&self, now: UnixMs) -> std::sync::MutexGuard<'_, Window> {
        // The counts are right after any panic: each is one addition.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.began).abs() >= WINDOW_MS {
            *window = Window { began: now, of_all: 0, of_one: HashMap::new() };
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_codes_keep_one_address_out_and_no_other() {
        let (throttle, now) = (Throttle::default(), UnixMs(WINDOW_MS * 100));
        let [bad, good] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        for _ in 0..10 {
            assert!(throttle.admits(bad, now));
            throttle.failed(bad, now);
        }
        assert!(!throttle.admits(bad, now.plus_ms(WINDOW_MS - 1)));
        assert!(throttle.admits(good, now));
        assert!(throttle.admits(bad, now.plus_ms(WINDOW_MS)), "a new window begins");
    }

    #[test]
    fn very_many_addresses_are_stopped_together() {
        let (throttle, now) = (Throttle::default(), UnixMs(WINDOW_MS * 100));
        for n in 0..300_u32 {
            throttle.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(!throttle.admits(IpAddr::from([10, 0, 0, 1]), now));
    }
}
