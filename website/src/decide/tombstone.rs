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

/// Whether it may be cleared: never before the removal was published; then once every active edge (`applied`, one
/// entry each, `None` when it has reported nothing) has applied it, or after the retention. With no active edge
/// only after the retention. Correctness never depends on a tombstone: an edge that comes later is put right by
/// its digest.
pub fn clearable(
    tombstone: &Tombstone,
    applied: &[Option<(Epoch, Seq)>],
    now: UnixMs,
    retention_ms: i64,
) -> bool {
    let everywhere = !applied.is_empty()
        && applied
            .iter()
            .all(|edge| edge.is_some_and(|(epoch, seq)| epoch == tombstone.epoch && seq >= tombstone.seq));
    tombstone.published >= tombstone.seq && (everywhere || now.since(tombstone.removed_at) >= retention_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_goes_when_nobody_needs_it() {
        let has = |epoch, seq| Some((Epoch(epoch), Seq(seq)));
        for (published, applied, age, expected) in [
            (10, &[has(7, 10), has(7, 12)][..], 0, true),
            (9, &[has(7, 10)], 0, false),
            (9, &[has(7, 10)], 1000, false),
            (10, &[has(7, 10), has(7, 9)], 0, false),
            (10, &[has(7, 10), has(6, 99)], 0, false),
            (10, &[has(7, 10), None], 0, false),
            (10, &[has(7, 10), None], 1000, true),
            (10, &[], 999, false),
            (10, &[], 1000, true),
        ] {
            let tombstone =
                Tombstone { seq: Seq(10), removed_at: UnixMs(5), epoch: Epoch(7), published: Seq(published) };
            let cleared = clearable(&tombstone, applied, UnixMs(5 + age), 1000);
            assert_eq!(cleared, expected, "published {published}, {applied:?}, {age} ms old");
        }
    }
}
