//! Moments as boxes that poll write them.

use crate::polling::Since;
use chrono_tz::Tz;
use protocol::UnixMs;

/// 2020-01-01 and 2120-01-01, UTC: whatever lies outside is no moment at which a camera saw anybody.
const SANE: std::ops::Range<i64> = 1_577_836_800_000..4_733_510_400_000;

/// The text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// Of another form.
    #[error(
        "seen_at is a time such as 2026-12-01T08:30:00+01:00; without an offset it is read on the store's clock"
    )]
    Form,
    /// Too long ago, or too far ahead.
    #[error("seen_at lies between the years 2020 and 2120: set the box's clock")]
    Range,
}

/// The moment that `text` names, in one of the forms of [`Since`]: without an offset it is read on the clock of `zone`.
///
/// # Errors
/// When it names none, or none at which this program can have been.
pub fn moment(text: &str, zone: Tz) -> Result<UnixMs, MomentError> {
    let written: Since = text.parse().map_err(|_| MomentError::Form)?;
    let at = written.exactly(zone).ok_or(MomentError::Form)?;
    if SANE.contains(&at.0) { Ok(at) } else { Err(MomentError::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{Asia, Europe, UTC};

    #[test]
    fn a_time_without_an_offset_is_the_stores() {
        let (form, range) = (Err(MomentError::Form), Err(MomentError::Range));
        let at = |ms| Ok(UnixMs(ms));
        for (text, zone, expected) in [
            ("2026-03-05T14:05:09Z", Europe::Oslo, at(1_772_719_509_000)),
            ("2026-03-05T15:05:09.250+01:00", UTC, at(1_772_719_509_250)),
            ("2026-03-05T15:05:09", Europe::Oslo, at(1_772_719_509_000)),
            (" 2026-03-05 15:05:09.25 ", Europe::Oslo, at(1_772_719_509_250)),
            ("2026-03-05T19:35:09", Asia::Kolkata, at(1_772_719_509_000)),
            // 25 October 2026, 02:30: the clock shows it twice. 29 March 2026, 02:30: it leaves that out, and by the offset
            // that is new then it is half past midnight, UTC.
            ("2026-10-25T02:30:00", Europe::Oslo, at(1_792_888_200_000)),
            ("2026-03-29T02:30:00", Europe::Oslo, at(1_774_744_200_000)),
            ("2019-12-31T23:59:59Z", UTC, range),
            ("2120-01-01T00:00:00Z", UTC, range),
            ("1970-01-01T00:00:00", UTC, range),
            ("2026-13-01T00:00:00", UTC, form),
            ("2026-03-05", UTC, form),
            ("2026-03-05T15:05", UTC, form),
            ("1772719509", UTC, form),
            ("yesterday", UTC, form),
            ("", UTC, form),
        ] {
            assert_eq!(moment(text, zone), expected, "{text:?} in {zone}");
        }
    }
}
