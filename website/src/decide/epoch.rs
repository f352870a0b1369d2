//! When a location's history can have gone back.

use super::totals::Totals;
use protocol::{Epoch, Seq, UnixMs, message::Applied};

/// Whether a signed report of an edge proves that the database has gone back: it names, in the very history of the
/// website, a seq that the website has not given out. Only the website gives out seqs, so it did once.
pub fn has_gone_back(report: &Applied, totals: &Totals) -> bool {
    report.epoch == totals.epoch && report.verified > totals.seq
}

/// How long after an edge's report has begun a new epoch no other one does: an hour. A database is not restored by
/// hand twice in that time; an edge that lies can speak every second.
pub const AHEAD_MS: i64 = 3_600_000;

/// What a report leads to that may be ahead of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing: it is not ahead.
    No,
    /// A new epoch.
    NewEpoch,
    /// The edge is shut out: its word is not credible.
    ShutOut,
}

/// What to do about a report at `now`, when such a one has last begun a new epoch of the location at `last`. A moment
/// that is still to come, from a clock that was set back, counts as none: the next epoch corrects it.
pub fn ahead(report: &Applied, totals: &Totals, last: Option<UnixMs>, now: UnixMs) -> Ahead {
    if !has_gone_back(report, totals) {
        return Ahead::No;
    }
    match last.map(|last| now.since(last)) {
        Some(0..AHEAD_MS) => Ahead::ShutOut,
        _ => Ahead::NewEpoch,
    }
}

/// The counters in the new history `epoch`. The seq goes up by one, so that no state reads as "verified at the seq
/// that was restored"; the rows stay as they are.
pub fn begun(totals: Totals, epoch: Epoch) -> Totals {
    Totals { epoch, seq: totals.seq.next(), ..totals }
}

/// Where a location stood when the website last wrote it down beside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its history.
    pub epoch: Epoch,
    /// Its seq.
    pub seq: Seq,
    /// The date of its newest head; 0 where it was not written down.
    pub issued_at: UnixMs,
}

/// Whether the database stands behind the mark: in another history, at an earlier seq of the same, or at an earlier
/// date of its newest head (`issued_at`), which never goes back. A mark is written after the commit and never before it.
pub fn is_behind(mark: Mark, totals: &Totals, issued_at: UnixMs) -> bool {
    mark.epoch != totals.epoch || mark.seq > totals.seq || mark.issued_at > issued_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::sample::report;
    use protocol::Digest;

    const TOTALS: Totals =
        Totals { epoch: Epoch(7), seq: Seq(50), count: 3, digest: Digest::EMPTY, last_removal: Seq(40) };

    #[test]
    fn only_a_seq_above_ours_in_our_own_history_proves_a_restore() {
        for (epoch, verified, gone_back) in
            [(7, 49, false), (7, 50, false), (7, 51, true), (6, 900, false), (0, 0, false)]
        {
            assert_eq!(has_gone_back(&report(epoch, verified), &TOTALS), gone_back, "{epoch}, {verified}");
        }
    }

    #[test]
    fn of_two_reports_within_an_hour_only_the_first_begins_an_epoch() {
        let (hour, lie) = (AHEAD_MS, report(7, 51));
        for (last, now, expected) in [
            (None, 5, Ahead::NewEpoch),
            (Some(5), 5, Ahead::ShutOut),
            (Some(5), 4 + hour, Ahead::ShutOut),
            (Some(5), 5 + hour, Ahead::NewEpoch),
            (Some(5), 4, Ahead::NewEpoch),
        ] {
            let got = ahead(&lie, &TOTALS, last.map(UnixMs), UnixMs(now));
            assert_eq!(got, expected, "after {last:?}, at {now}");
        }
        assert_eq!(ahead(&report(7, 50), &TOTALS, Some(UnixMs(5)), UnixMs(6)), Ahead::No);
    }

    #[test]
    fn a_mark_is_behind_only_when_the_database_is() {
        for (epoch, seq, issued_at, behind) in [
            (7, 50, 900, false),
            (7, 49, 800, false),
            (7, 49, 0, false),
            (7, 51, 900, true),
            (6, 10, 900, true),
            // Nobody was changed since the backup, but visits may have come.
            (7, 50, 901, true),
        ] {
            let mark = Mark { epoch: Epoch(epoch), seq: Seq(seq), issued_at: UnixMs(issued_at) };
            assert_eq!(is_behind(mark, &TOTALS, UnixMs(900)), behind, "{mark:?}");
        }
    }

    #[test]
    fn a_new_history_keeps_the_rows_and_takes_a_seq() {
        let begun = begun(TOTALS, Epoch(8));
        assert_eq!(begun, Totals { epoch: Epoch(8), seq: Seq(51), ..TOTALS });
    }
}
