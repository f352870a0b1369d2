//! How often a box may ask.

use protocol::{EdgeId, UnixMs};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// So many requests may come at once: the pages of a first start, a few visits.
const BURST: i64 = 60;
/// After that one each of this: two a second.
const EACH_MS: i64 = 500;

/// The requests of each box that polls, counted: whoever asks without a pause harms only itself.
#[derive(Debug, Default)]
pub struct Paces(Mutex<HashMap<EdgeId, Counted>>);

/// Whether a box may ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Fine,
    /// It must wait.
    TooFast {
        /// So many seconds, at least one.
        wait_s: u32,
    },
}

/// A bucket that runs empty by and by; each request puts [`EACH_MS`] into it.
#[derive(Debug, Clone, Copy)]
struct Counted {
    filled_ms: i64,
    at: UnixMs,
}

impl Paces {
    /// A box asks now. There are as many entries as edges that have shown a good token.
    pub fn ask(&self, edge: &EdgeId, now: UnixMs) -> Pace {
        // The counts are right after any panic: each is written in one go.
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counted.get(edge).copied().unwrap_or(Counted { filled_ms: 0, at: now });
        // A clock that goes back empties nothing, and keeps nobody out.
        let filled_ms = (before.filled_ms - now.since(before.at).max(0)).max(0);
        let pace = match filled_ms + EACH_MS - BURST * EACH_MS {
            over @ 1.. => Pace::TooFast { wait_s: u32::try_from((over + 999) / 1000).unwrap_or(u32::MAX) },
            _ => Pace::Fine,
        };
        let filled_ms = if pace == Pace::Fine { filled_ms + EACH_MS } else { filled_ms };
        counted.insert(edge.clone(), Counted { filled_ms, at: now });
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_floods_waits_and_no_other() {
        let (paces, now) = (Paces::default(), UnixMs(1_000_000));
        let [bad, good] = ["bad", "good"].map(|id| id.parse::<EdgeId>().unwrap());
        for _ in 0..BURST {
            assert_eq!(paces.ask(&bad, now), Pace::Fine);
        }
        for _ in 0..1_000 {
            assert_eq!(paces.ask(&bad, now), Pace::TooFast { wait_s: 1 }, "a refusal makes nothing worse");
        }
        assert_eq!(paces.ask(&good, now), Pace::Fine);
        assert_eq!(paces.ask(&bad, now.plus_ms(EACH_MS)), Pace::Fine);
        assert_eq!(paces.ask(&bad, now.plus_ms(EACH_MS)), Pace::TooFast { wait_s: 1 });
        // The clock goes back for an hour: from then on it is counted on from there.
        let back = now.plus_ms(-3_600_000);
        assert_eq!(paces.ask(&bad, back), Pace::TooFast { wait_s: 1 });
        assert_eq!(paces.ask(&bad, back.plus_ms(EACH_MS)), Pace::Fine);
    }
}
