//! Up to which number an edge may let go of its visits.

/// The highest number up to which every one from `first_unsettled` on is among `stored` (ascending, the stored
/// numbers of one stream from `first_unsettled` on); `None` when the first one is missing.
pub fn through(first_unsettled: u64, stored: &[u64]) -> Option<u64> {
    // Numbers begin at 1.
    let first = first_unsettled.max(1);
    let run =
        stored.iter().skip_while(|n| **n < first).zip(first..=u64::MAX).take_while(|(n, want)| **n == *want);
    run.map(|(n, _)| *n).last()
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
}
