//! The date of the next head.

use protocol::UnixMs;

/// The clock, or one millisecond after the last head where the clock has gone back: of two heads of one key the
/// later one is always the newer.
pub fn next_issued_at(clock: UnixMs, last: UnixMs) -> UnixMs {
    clock.max(last.plus_ms(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_never_dated_before_the_last_one() {
        for (clock, last, next) in [(100, 50, 100), (100, 99, 100), (100, 100, 101), (10, 100, 101)] {
            assert_eq!(
                next_issued_at(UnixMs(clock), UnixMs(last)),
                UnixMs(next),
                "clock {clock}, last {last}"
            );
        }
    }
}
