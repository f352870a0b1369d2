//! When the trace of a removed customer may go.

use protocol::{Epoch, Seq, UnixMs};

/// A tombstone and its location.
#[derive(Debug, Clone, Copy)]
pub struct Tombstone {
    /// The seq of the removal.
    pub seq: Seq,
    /// When.
    pub removed_at: UnixMs,
    /// The location's epoch.
    pub epoch: Epoch,
    /// How far the broker has acknowledged.
    pub published: Seq,
}

/// What is done with a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays: the removal itself is not published.
    Unpublished,
    /// It stays: an active edge has not applied it, and its retention lasts.
    Needed,
    /// It may go: every active edge has applied it.
    AppliedEverywhere,
    /// It may go: its retention is over. An edge that has not applied it is put right by its digest.
    Outlived,
}

impl Verdict {
    /// Whether it may be cleared.
    pub fn clears(self) -> bool {
        matches!(self, Verdict::AppliedEverywhere | Verdict::Outlived)
    }
}

/// Judges a tombstone: never cleared before the removal was published; then once every active edge (`applied`, one
/// entry each, `None` when it has reported nothing) has applied it, or after the retention. With no active edge
/// only after the retention. Correctness never depends on a tombstone: an edge that comes later is put right by
/// its digest.
pub fn judge(
    tombstone: &Tombstone,
    applied: &[Option<(Epoch, Seq)>],
    now: UnixMs,
    retention_ms: i64,
) -> Verdict {
    let everywhere = !applied.is_empty() && applied.iter().all(|edge| has(*edge, tombstone));
    if tombstone.published < tombstone.seq {
        Verdict::Unpublished
    } else if everywhere {
        Verdict::AppliedEverywhere
    } else if now.since(tombstone.removed_at) >= retention_ms {
        Verdict::Outlived
    } else {
        Verdict::Needed
    }
}

/// Whether an edge at `applied` has applied the removal. One that has not needs a repair once the tombstone is gone.
pub fn has(applied: Option<(Epoch, Seq)>, tombstone: &Tombstone) -> bool {
    applied.is_some_and(|(epoch, seq)| epoch == tombstone.epoch && seq >= tombstone.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_goes_when_nobody_needs_it() {
        use Verdict::{AppliedEverywhere, Needed, Outlived, Unpublished};
        let has = |epoch, seq| Some((Epoch(epoch), Seq(seq)));
        for (published, applied, age, expected) in [
            (10, &[has(7, 10), has(7, 12)][..], 0, AppliedEverywhere),
            (9, &[has(7, 10)], 0, Unpublished),
            (9, &[has(7, 10)], 1000, Unpublished),
            (10, &[has(7, 10), has(7, 9)], 0, Needed),
            (10, &[has(7, 10), has(6, 99)], 0, Needed),
            (10, &[has(7, 10), None], 0, Needed),
            (10, &[has(7, 10), None], 1000, Outlived),
            (10, &[], 999, Needed),
            (10, &[], 1000, Outlived),
        ] {
            let tombstone =
                Tombstone { seq: Seq(10), removed_at: UnixMs(5), epoch: Epoch(7), published: Seq(published) };
            let verdict = judge(&tombstone, applied, UnixMs(5 + age), 1000);
            assert_eq!(verdict, expected, "published {published}, {applied:?}, {age} ms old");
        }
    }
}
