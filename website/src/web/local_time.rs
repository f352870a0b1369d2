//! Moments as people of a store read them on their own clock.

use chrono::{DateTime, SecondsFormat, TimeZone as _};
use chrono_tz::Tz;
use protocol::UnixMs;

/// One moment in a store's time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    /// For programs: RFC 3339 with the zone's offset.
    pub iso: String,
    /// For people: `today 14:05:09`, `yesterday 09:30`, `22 Nov 2026, 14:05`.
    pub text: String,
}

impl LocalTime {
    /// The moment `at` as it reads in `zone` at `now`.
    pub fn new(at: UnixMs, zone: Tz, now: UnixMs) -> LocalTime {
        let (Some(at), Some(now)) = (in_zone(at, zone), in_zone(now, zone)) else {
            return LocalTime { iso: String::new(), text: "unknown".to_owned() };
        };
        let form = match (now.date_naive() - at.date_naive()).num_days() {
            0 => "today %H:%M:%S",
            1 => "yesterday %H:%M",
            _ => "%-d %b %Y, %H:%M",
        };
        LocalTime { iso: at.to_rfc3339_opts(SecondsFormat::Secs, true), text: at.format(form).to_string() }
    }
}

fn in_zone(at: UnixMs, zone: Tz) -> Option<DateTime<Tz>> {
    zone.timestamp_millis_opt(at.0).single()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America, Asia, Europe, UTC};

    #[test]
    fn days_begin_where_the_store_is() {
        let at = UnixMs(1_795_356_309_000); // 2026-11-22 14:05:09 UTC
        let hour = 3_600_000;
        for (zone, later_ms, text, iso) in [
            (UTC, 0, "today 14:05:09", "2026-11-22T14:05:09Z"),
            (Europe::Berlin, 0, "today 15:05:09", "2026-11-22T15:05:09+01:00"),
            (Europe::Berlin, 9 * hour, "yesterday 15:05", "2026-11-22T15:05:09+01:00"),
            (America::New_York, 9 * hour, "today 09:05:09", "2026-11-22T09:05:09-05:00"),
            (Asia::Kolkata, 24 * hour, "yesterday 19:35", "2026-11-22T19:35:09+05:30"),
            (UTC, 48 * hour, "22 Nov 2026, 14:05", "2026-11-22T14:05:09Z"),
            (UTC, -24 * hour, "22 Nov 2026, 14:05", "2026-11-22T14:05:09Z"),
        ] {
            let local = LocalTime::new(at, zone, at.plus_ms(later_ms));
            assert_eq!((local.text.as_str(), local.iso.as_str()), (text, iso), "{zone} {later_ms}");
        }
    }

    #[test]
    fn a_moment_beyond_every_calendar_is_said_so() {
        assert_eq!(LocalTime::new(UnixMs(i64::MAX), UTC, UnixMs(0)).text, "unknown");
    }
}
