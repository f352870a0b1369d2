//! What a box says it has: a time, or nothing.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use protocol::UnixMs;
use std::str::FromStr;

/// A time with a zone is taken for so much earlier than it says: clocks of boxes are wrong by minutes.
const OVERLAP_MS: i64 = 10 * 60 * 1000;
/// The same for one without: whose zone it is can only be guessed.
const LOCAL_OVERLAP_MS: i64 = 24 * 3600 * 1000;
/// Nobody writes a time with more.
const LENGTH_MAX: usize = 64;

/// What a box has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Nothing.
    Nothing,
    /// What there was at a moment.
    At {
        /// The moment.
        at: DateTime<Utc>,
        /// As it was sent.
        text: String,
    },
    /// The same by a clock on some wall.
    Local {
        /// What the clock showed.
        at: NaiveDateTime,
        /// As it was sent.
        text: String,
    },
}

/// The text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "since is a time such as 2025-12-07T02:30:00Z, best the one that the last answer bore; leave it out to be told \
     everything"
)]
pub struct ParseSinceError;

impl FromStr for Since {
    type Err = ParseSinceError;

    fn from_str(sent: &str) -> Result<Since, ParseSinceError> {
        let sent = sent.trim_ascii();
        if sent.is_empty() {
            return Ok(Since::Nothing);
        }
        if sent.len() > LENGTH_MAX || !sent.is_ascii() {
            return Err(ParseSinceError);
        }
        let text = sent.to_owned();
        // A `+` that nobody has encoded has become a space on its way.
        let whole = match sent.rsplit_once(' ') {
            Some((time, zone)) if time.contains(':') => format!("{time}+{zone}"),
            _ => sent.to_owned(),
        };
        if let Ok(at) = DateTime::parse_from_rfc3339(&whole) {
            return Ok(Since::At { at: at.to_utc(), text });
        }
        for form in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
            if let Ok(at) = DateTime::parse_from_str(&whole, form) {
                return Ok(Since::At { at: at.to_utc(), text });
            }
        }
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
            if let Ok(at) = NaiveDateTime::parse_from_str(sent, form) {
                return Ok(Since::Local { at, text });
            }
        }
        Err(ParseSinceError)
    }
}

impl Since {
    /// The whole second of a time with a zone, in seconds since 1970: it may be one that an answer bore.
    pub fn stamp(&self) -> Option<i64> {
        match self {
            Since::At { at, .. } if at.nanosecond() == 0 => Some(at.timestamp()),
            Since::Nothing | Since::At { .. } | Since::Local { .. } => None,
        }
    }

    /// As it was sent, by which a question is known from another one; empty for nothing.
    pub fn text(&self) -> &str {
        match self {
            Since::Nothing => "",
            Since::At { text, .. } | Since::Local { text, .. } => text,
        }
    }

    /// The moment it means, read at a place in `zone`: of an hour that comes twice the first one.
    pub fn exactly(&self, zone: Tz) -> Option<UnixMs> {
        let at = match self {
            Since::Nothing => return None,
            Since::At { at, .. } => *at,
            Since::Local { at, .. } => earliest(*at, zone).unwrap_or_else(|| at.and_utc()),
        };
        Some(UnixMs(at.timestamp_millis()))
    }

    /// The earliest moment it can mean, read as a time of the box's own making, at a place in `zone`.
    pub fn moment(&self, zone: Tz) -> Option<UnixMs> {
        match self {
            Since::Nothing => None,
            Since::At { at, .. } => Some(UnixMs(at.timestamp_millis().saturating_sub(OVERLAP_MS))),
            Since::Local { at, .. } => {
                let at = earliest(*at, zone).unwrap_or_else(|| at.and_utc());
                Some(UnixMs(at.timestamp_millis().saturating_sub(LOCAL_OVERLAP_MS)))
            }
        }
    }
}

/// What a clock on a wall in `zone` has meant at the earliest: of an hour that came twice the first one; of one that was
/// left out what it would have been by the time that was new.
fn earliest(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Some(at.to_utc()),
        LocalResult::Ambiguous(one, other) => Some(one.min(other).to_utc()),
        LocalResult::None => {
            let gap = TimeDelta::hours(3);
            let after = zone.from_local_datetime(&local.checked_add_signed(gap)?).earliest()?;
            after.to_utc().checked_sub_signed(gap)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn a_time_that_was_given_is_known_again_in_every_form() {
        let given = at("2025-12-07T02:30:00Z") / 1000;
        for text in [
            "2025-12-07T02:30:00Z",
            "2025-12-07T02:30:00z",
            "2025-12-07T02:30:00+00:00",
            "2025-12-07T02:30:00 00:00",
            "2025-12-07 02:30:00+00:00",
            "2025-12-07 02:30:00 00:00",
            "2025-12-07T02:30:00.000Z",
            "2025-12-07T02:30:00.000000+00:00",
            "2025-12-07T03:30:00+01:00",
            "2025-12-07T03:30:00+0100",
            "2025-12-06T21:30:00-05:00",
            " 2025-12-07T02:30:00Z ",
        ] {
            assert_eq!(text.parse::<Since>().unwrap().stamp(), Some(given), "{text}");
        }
        for text in ["", "2025-12-07T02:30:00", "2025-12-07T02:30:00.5Z", "2025-12-07T02:30:00.000000001Z"] {
            assert_eq!(text.parse::<Since>().unwrap().stamp(), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_its_own_making_is_read_at_its_earliest() {
        let oslo = chrono_tz::Europe::Oslo;
        for (text, earliest) in [
            ("2025-12-07T02:30:00Z", "2025-12-07T02:20:00Z"),
            ("2025-12-07T02:30:00.123456+01:00", "2025-12-07T01:20:00.123Z"),
            ("2025-12-07T02:30:00.123456", "2025-12-06T01:30:00.123Z"),
            ("2025-07-07 02:30:00", "2025-07-06T00:30:00Z"),
            // The hour that comes twice, and the one that does not come.
            ("2025-10-26T02:30:00", "2025-10-25T00:30:00Z"),
            ("2025-03-30T02:30:00", "2025-03-29T00:30:00Z"),
        ] {
            let since: Since = text.parse().unwrap();
            assert_eq!(since.moment(oslo), Some(UnixMs(at(earliest))), "{text}");
        }
        assert_eq!("".parse::<Since>().unwrap().moment(oslo), None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let long = format!("2025-12-07T02:30:00.{}Z", "0".repeat(64));
        for text in [
            "yesterday",
            "None",
            "1765074600",
            "2025-12-07",
            "2025-12-07T02:30",
            "2025-13-07T02:30:00Z",
            "2025-12-07T02:30:00+25:00",
            "2025-12-07T02:30:00Zz",
            "2025-12-07T02:30:00\u{a0}",
            &long,
        ] {
            assert_eq!(text.parse::<Since>(), Err(ParseSinceError), "{text}");
        }
    }
}
