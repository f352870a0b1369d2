//! Up to which number an edge may let go of its visits, and from when on.

use protocol::UnixMs;

/// The highest number up to which every one from `first_unsettled` on is among `stored` (ascending, the stored
/// numbers of one stream from `first_unsettled` on); `None` when the first one is missing.
pub fn through(first_unsettled: u64, stored: &[u64]) -> Option<u64> {
    // Numbers begin at 1.
    let first = first_unsettled.max(1);
    let run =
        stored.iter().skip_while(|n| **n < first).zip(first..=u64::MAX).take_while(|(n, want)| **n == *want);
    run.map(|(n, _)| *n).last()
}

/// The date of a settlement: never before the newest backup, even when the clock has gone back, because edges let go
/// of what was settled before a backup.
pub fn dated(now: UnixMs, backed_up_at: Option<UnixMs>) -> UnixMs {
    backed_up_at.map_or(now, |at| at.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_is_what_is_stored_without_a_gap() {
        for (first, stored, expected) in [
            (1, &[][..], None),
            (1, &[1], Some(1)),
            (1, &[1, 2, 3], Some(3)),
            (1, &[1, 2, 4], Some(2)),
            (1, &[2, 3], None),
            (5, &[5, 6], Some(6)),
            (5, &[1, 2, 5], Some(5)),
            (0, &[1, 2], Some(2)),
            (u64::MAX, &[u64::MAX], Some(u64::MAX)),
        ] {
            assert_eq!(through(first, stored), expected, "from {first} with {stored:?}");
        }
    }

    #[test]
    fn what_is_settled_after_a_backup_is_never_dated_before_it() {
        for (now, backup, dated_at) in [(5, None, 5), (5, Some(4), 5), (5, Some(5), 5), (5, Some(9), 9)] {
            assert_eq!(dated(UnixMs(now), backup.map(UnixMs)), UnixMs(dated_at), "{now}, {backup:?}");
        }
    }
}
