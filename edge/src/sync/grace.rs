//! How long a difference is only a delay.

use protocol::UnixMs;

/// A difference is real when no customer message has come for this long,
const QUIET_MS: i64 = 2_000;
/// or no head has matched for this long.
const UNMATCHED_MS: i64 = 30_000;

/// Since when an edge differs from what it is told, and whether that can still be messages on their way.
#[derive(Debug, Clone, Copy)]
pub struct Grace {
    last_message: UnixMs,
    last_match: UnixMs,
    doubt: Doubt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// A head older than the rows could not be checked.
    Unchecked,
    /// A head was found not to match.
    Differs,
}

impl Grace {
    /// Nothing is in doubt at `now`.
    pub fn begin(now: UnixMs) -> Self {
        Self { last_message: now, last_match: now, doubt: Doubt::None }
    }

    /// A session begins: what it has to bring is on its way from now on.
    pub fn begin_session(&mut self, now: UnixMs) {
        self.last_message = now;
        self.last_match = now;
    }

    /// Whether customer messages are coming in, as of `now`.
    pub fn busy(&self, now: UnixMs) -> bool {
        now.since(self.last_message) < QUIET_MS
    }

    /// A customer message came.
    pub fn message(&mut self, now: UnixMs) {
        self.last_message = now;
    }

    /// A head matched: the rows as they are now, or (a late head) as they were.
    pub fn matched(&mut self, now: UnixMs, rows_now: Rightness) {
        self.last_match = now;
        if rows_now == Rightness::Right {
            self.doubt = Doubt::None;
        }
    }

    /// A head did not match the rows.
    pub fn differs(&mut self) {
        self.doubt = Doubt::Differs;
    }

    /// A head could not be checked, because the rows are ahead of it.
    pub fn unchecked(&mut self) {
        if self.doubt == Doubt::None {
            self.doubt = Doubt::Unchecked;
        }
    }

    /// Whether the rows are taken to be wrong.
    pub fn over(&self, now: UnixMs) -> bool {
        let unmatched = now.since(self.last_match) >= UNMATCHED_MS;
        match self.doubt {
            Doubt::None => false,
            Doubt::Unchecked => unmatched,
            Doubt::Differs => unmatched || now.since(self.last_message) >= QUIET_MS,
        }
    }
}

/// Whether the rows, as they are now, are what the newest head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rightness {
    /// They are.
    Right,
    /// Not known.
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_real_after_two_quiet_seconds_or_thirty_in_all() {
        let at = UnixMs;
        let quiet = |messages: &[i64], now| {
            let mut grace = Grace::begin(at(0));
            grace.differs();
            messages.iter().for_each(|ms| grace.message(at(*ms)));
            grace.over(at(now))
        };
        for (messages, now, expected) in [
            (&[][..], 1_999, false),
            (&[], 2_000, true),
            (&[1_500], 2_000, false),
            (&[1_500], 3_500, true),
            (&[29_000], 29_999, false),
            (&[29_000], 30_000, true),
        ] {
            assert_eq!(quiet(messages, now), expected, "messages at {messages:?}, now {now}");
        }
    }

    #[test]
    fn a_match_ends_the_doubt_only_when_it_is_of_the_rows_as_they_are() {
        let mut grace = Grace::begin(UnixMs(0));
        grace.differs();
        grace.matched(UnixMs(1_000), Rightness::Open);
        assert!(grace.over(UnixMs(4_000)), "a late head says nothing of now");
        grace.matched(UnixMs(1_000), Rightness::Right);
        assert!(!grace.over(UnixMs(60_000)));
    }

    #[test]
    fn rows_ahead_of_every_head_are_suspect_after_a_while() {
        let mut grace = Grace::begin(UnixMs(0));
        grace.unchecked();
        assert!(!grace.over(UnixMs(29_999)));
        assert!(grace.over(UnixMs(30_000)));
    }
}
