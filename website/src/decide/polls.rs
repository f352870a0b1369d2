//! What can be said of a box that polls: when it asked, and what it has confirmed by that. It proves nothing.

use super::totals::Totals;
use crate::tables::polling_boxes::PollingBox;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use protocol::{Seq, UnixMs};
use std::fmt;

/// After so long without a question it is told when the last one came instead of how long ago: 5 minutes.
const AGO_S: i64 = 5 * 60;

/// What can be said of a box that polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polls {
    /// When it asked last.
    pub asked: LastAsked,
    /// What it has, by its own word.
    pub has: Has,
}

/// When a box asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastAsked {
    /// It has joined and not asked yet.
    Never,
    /// A moment ago.
    Ago {
        /// So many seconds.
        s: u64,
    },
    /// Longer ago.
    At {
        /// By the clock of the store, with the day where it was another one.
        words: String,
    },
}

/// What a box has, by its own word: it has named an answer that had told so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    /// It has named none of this history, or makes times of its own.
    Unknown,
    /// It asks for removals only.
    Removals(Seq),
    /// It asks for every change.
    Everything(Seq),
}

impl fmt::Display for Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asked {
            LastAsked::Never => return f.write_str("polls: never asked"),
            LastAsked::Ago { s } => write!(f, "polls: asked {s} s ago, ")?,
            LastAsked::At { words } => write!(f, "polls: last asked {words}, ")?,
        }
        match self.has {
            Has::Unknown => f.write_str("has confirmed nothing yet"),
            Has::Removals(seq) => write!(f, "has every removal to seq {seq}"),
            Has::Everything(seq) => write!(f, "has everything to seq {seq}"),
        }
    }
}

/// What can be said at `now` of a box in `zone`, at a location with these counters.
pub fn of(polling: &PollingBox, totals: &Totals, zone: Tz, now: UnixMs) -> Polls {
    let confirmed = &polling.confirmed;
    let has = match (confirmed.removed, confirmed.changed) {
        _ if confirmed.epoch != totals.epoch => Has::Unknown,
        (removed, Seq(0)) => Has::Removals(removed),
        (_, changed) => Has::Everything(changed),
    };
    let asked = match polling.asked_at.map(|at| (at, now.since(at).max(0) / 1000)) {
        None => LastAsked::Never,
        Some((_, s)) if s < AGO_S => LastAsked::Ago { s: s.unsigned_abs() },
        Some((at, _)) => LastAsked::At { words: clock_words(at, zone, now) },
    };
    Polls { asked, has }
}

fn clock_words(at: UnixMs, zone: Tz, now: UnixMs) -> String {
    let local = |at: UnixMs| -> Option<DateTime<Tz>> { zone.timestamp_millis_opt(at.0).single() };
    let (Some(at), Some(now)) = (local(at), local(now)) else { return "at an unknown time".to_owned() };
    let form = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%-d %b %Y, %H:%M" };
    at.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::poll::Confirmed, tables::polling_boxes::Asked};
    use protocol::{Digest, Epoch};

    #[test]
    fn a_box_that_polls_is_told_of_in_honest_words() {
        let totals =
            Totals { epoch: Epoch(7), seq: Seq(50), count: 3, digest: Digest::EMPTY, last_removal: Seq(40) };
        let now = UnixMs(1_795_356_309_000); // 2026-11-22 15:05:09 in Berlin
        let minute = 60_000;
        for (ago_ms, epoch, removed, changed, words) in [
            (None, 0, 0, 0, "polls: never asked"),
            (Some(12_999), 7, 41, 41, "polls: asked 12 s ago, has everything to seq 41"),
            (Some(0), 7, 41, 0, "polls: asked 0 s ago, has every removal to seq 41"),
            (Some(-5_000), 7, 45, 41, "polls: asked 0 s ago, has everything to seq 41"),
            (Some(1_000), 0, 0, 0, "polls: asked 1 s ago, has confirmed nothing yet"),
            (Some(1_000), 6, 41, 41, "polls: asked 1 s ago, has confirmed nothing yet"),
            (Some(5 * minute), 7, 41, 41, "polls: last asked 15:00, has everything to seq 41"),
            (
                Some(24 * 60 * minute),
                7,
                9,
                0,
                "polls: last asked 21 Nov 2026, 15:05, has every removal to seq 9",
            ),
        ] {
            let polling = PollingBox {
                edge: "e1".parse().unwrap(),
                space: "toy".parse().unwrap(),
                joined_at: UnixMs(0),
                asked_at: ago_ms.map(|ms: i64| now.plus_ms(-ms)),
                asked: Asked { question: String::new(), asking: 0, newest_stamp: 0 },
                confirmed: Confirmed { epoch: Epoch(epoch), removed: Seq(removed), changed: Seq(changed) },
            };
            assert_eq!(of(&polling, &totals, chrono_tz::Europe::Berlin, now).to_string(), words);
        }
    }
}
