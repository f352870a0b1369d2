//! What an edge's report proves.

use crate::tables::edges::Alarm;
use protocol::{
    Epoch, Seq, UnixMs,
    message::{Applied, Start},
};

/// What the website holds of an edge when a report comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The newest start it has reported; zeros before the first.
    pub start: Start,
    /// Its newest report's position, in that start.
    pub position: Option<(Epoch, Seq)>,
    /// When its newest report was made, in that start, by its clock.
    pub reported_at: Option<UnixMs>,
    /// Whether the start that reports now was seen before. Of the newest start itself nobody asks.
    pub start_seen: bool,
    /// When the newest start was first heard of, by our clock. While it is that start that reports, nobody asks.
    pub start_since: Option<UnixMs>,
}

/// A word of an earlier start that comes so long after the first one of the newest is not late: that start is alive.
const ALIVE_MS: i64 = 300_000;

/// What to do with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Store it.
    Store {
        /// Whether this start is new: then everything before is void.
        start: StartIs,
        /// The highest seq the edge has verified.
        applied: Seq,
        /// Whether that is more than was known.
        moved: Moved,
    },
    /// It speaks of another history: only its start and its receipts count.
    OtherEpoch {
        /// Whether this start is new.
        start: StartIs,
    },
    /// It is of an earlier start and comes late.
    Late,
    /// It is of a start that cannot be.
    Alarm(Alarm),
}

/// Whether a start is the one known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartIs {
    /// It is.
    Known,
    /// It is new.
    New,
}

/// Whether a report says more than was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It does.
    On,
    /// It does not.
    Not,
}

/// Judges a report. Within one start and epoch the applied seq never goes back. A new start voids what earlier
/// ones reported: its disk may be an image from before. An unknown start with a counter that is not higher is an
/// old image, or a clone.
pub fn judge(held: &Held, report: &Applied, epoch: Epoch, now: UnixMs) -> Verdict {
    let start = if report.start == held.start {
        if held.reported_at.is_some_and(|newest| report.at < newest) {
            // It must not take the place of a newer one.
            return Verdict::Late;
        }
        StartIs::Known
    } else if report.start.count > held.start.count {
        StartIs::New
    } else if held.start_seen {
        // A box that was rolled back runs under a start that is not the newest: it must not be taken for a late word.
        let alive = held.start_since.is_some_and(|since| now.since(since) > ALIVE_MS);
        return if alive { Verdict::Alarm(Alarm::Clone) } else { Verdict::Late };
    } else if report.start.count == held.start.count {
        return Verdict::Alarm(Alarm::Clone);
    } else {
        return Verdict::Alarm(Alarm::OldImage);
    };
    // Before its first head an edge has no epoch, and verified nothing in any.
    if report.epoch != epoch && report.verified != Seq(0) {
        return Verdict::OtherEpoch { start };
    }
    let known = held.position.filter(|(of, _)| start == StartIs::Known && *of == epoch).map(|(_, seq)| seq);
    let moved = if report.verified > known.unwrap_or(Seq(0)) { Moved::On } else { Moved::Not };
    Verdict::Store { start, applied: report.verified.max(known.unwrap_or(Seq(0))), moved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::sample;
    use protocol::Nonce;

    fn start(count: u64, nonce: u64) -> Start {
        Start { count, nonce: Nonce(nonce) }
    }

    fn report(start: Start, epoch: u64, verified: u64) -> Applied {
        Applied { start, ..sample::report(epoch, verified) }
    }

    #[test]
    fn only_the_current_start_and_epoch_prove_anything() {
        let store = |start, applied, moved| Verdict::Store { start, applied: Seq(applied), moved };
        use Moved::{Not, On};
        use StartIs::{Known, New};
        // The website holds: start 3 (nonce 33), seq 50 of epoch 7.
        for (seen, from, epoch, verified, verdict) in [
            (true, start(3, 33), 7, 60, store(Known, 60, On)),
            (true, start(3, 33), 7, 50, store(Known, 50, Not)),
            (true, start(3, 33), 7, 40, store(Known, 50, Not)),
            (true, start(3, 33), 6, 90, Verdict::OtherEpoch { start: Known }),
            (false, start(4, 44), 7, 40, store(New, 40, On)),
            (false, start(4, 44), 7, 0, store(New, 0, Not)),
            (false, start(4, 44), 0, 0, store(New, 0, Not)),
            (false, start(4, 44), 6, 90, Verdict::OtherEpoch { start: New }),
            (true, start(2, 22), 7, 60, Verdict::Late),
            (false, start(2, 99), 7, 60, Verdict::Alarm(Alarm::OldImage)),
            (false, start(3, 99), 7, 60, Verdict::Alarm(Alarm::Clone)),
        ] {
            let held = Held {
                start: start(3, 33),
                position: Some((Epoch(7), Seq(50))),
                start_seen: seen,
                reported_at: None,
                start_since: None,
            };
            let report = report(from, epoch, verified);
            assert_eq!(
                judge(&held, &report, Epoch(7), UnixMs(0)),
                verdict,
                "{from:?}, epoch {epoch}, seq {verified}"
            );
        }
        let restored = Held {
            start: start(3, 33),
            position: Some((Epoch(6), Seq(99))),
            start_seen: true,
            reported_at: None,
            start_since: None,
        };
        assert_eq!(judge(&restored, &report(start(3, 33), 7, 5), Epoch(7), UnixMs(0)), store(Known, 5, On));
    }

    #[test]
    fn an_earlier_start_that_goes_on_reporting_is_a_second_box() {
        for (start_since, now, verdict) in [
            (Some(UnixMs(1_000)), UnixMs(1_000).plus_ms(ALIVE_MS), Verdict::Late),
            (Some(UnixMs(1_000)), UnixMs(1_001).plus_ms(ALIVE_MS), Verdict::Alarm(Alarm::Clone)),
            (None, UnixMs(i64::MAX), Verdict::Late),
        ] {
            let held = Held {
                start: start(3, 33),
                position: None,
                start_seen: true,
                reported_at: None,
                start_since,
            };
            let judged = judge(&held, &report(start(2, 22), 7, 60), Epoch(7), now);
            assert_eq!(judged, verdict, "{start_since:?}, {now:?}");
        }
    }

    #[test]
    fn a_report_that_comes_late_does_not_take_a_newer_ones_place() {
        let held = Held {
            start: start(3, 33),
            position: Some((Epoch(7), Seq(50))),
            start_seen: true,
            reported_at: Some(UnixMs(100)),
            start_since: None,
        };
        for (at, late) in [(99, true), (100, false), (101, false)] {
            let report = Applied { at: UnixMs(at), ..report(start(3, 33), 7, 50) };
            let judged = judge(&held, &report, Epoch(7), UnixMs(0));
            assert_eq!(judged == Verdict::Late, late, "made at {at}");
        }
    }
}
