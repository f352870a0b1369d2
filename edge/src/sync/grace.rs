//! How long a difference is only a delay.

use super::now::Ran;
use protocol::Seq;

/// A difference is real when no customer message has come for this long,
const QUIET_MS: i64 = 2_000;
/// or no head has matched for this long.
const UNMATCHED_MS: i64 = 30_000;
/// or the rows have been ahead of every head for this long, which is more than a heartbeat.
const AHEAD_MS: i64 = 90_000;

/// Since when an edge differs from what it is told, and whether that can still be messages on their way.
#[derive(Debug, Clone, Copy)]
pub struct Grace {
    last_message: Ran,
    last_match: Ran,
    doubt: Doubt,
    /// How far the rows were ahead of the heads, and since when no head has come to that.
    ahead: Option<(Seq, Ran)>,
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
    pub fn begin(now: Ran) -> Self {
        Self { last_message: now, last_match: now, doubt: Doubt::None, ahead: None }
    }

    /// A session begins: what it has to bring is on its way from now on.
    pub fn begin_session(&mut self, now: Ran) {
        self.last_message = now;
        self.last_match = now;
        self.ahead = None;
    }

    /// A head at `seq` came, while the rows have come to `top`. A change is never published before it is committed, so
    /// heads soon come to where the rows are; rows that stay ahead of every head hold what the website never said.
    pub fn head(&mut self, seq: Seq, top: Seq, now: Ran) {
        if self.ahead.is_none_or(|(mark, _)| seq >= mark) {
            self.ahead = (top > seq).then_some((top, now));
        }
    }

    /// A customer message came.
    pub fn message(&mut self, now: Ran) {
        self.last_message = now;
    }

    /// A head matched: the rows as they are now, or (a late head) as they were.
    pub fn matched(&mut self, now: Ran, rows_now: Rightness) {
        self.last_match = now;
        match rows_now {
            Rightness::Right => (self.doubt, self.ahead) = (Doubt::None, None),
            // Whether what came since is right, the next head tells; rows that stay ahead of all heads stay in doubt.
            Rightness::Then => self.doubt = Doubt::None,
            Rightness::Open => {}
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
    pub fn over(&self, now: Ran) -> bool {
        if self.ahead.is_some_and(|(_, since)| now.since(since) >= AHEAD_MS) {
            return true;
        }
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
    /// They were at the newest head; only newer changes have come since.
    Then,
    /// Not known.
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_real_after_two_quiet_seconds_or_thirty_in_all() {
        let at = Ran;
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
        let mut grace = Grace::begin(Ran(0));
        grace.differs();
        grace.matched(Ran(1_000), Rightness::Open);
        assert!(grace.over(Ran(4_000)), "a late head says nothing of now");
        grace.matched(Ran(1_000), Rightness::Right);
        assert!(!grace.over(Ran(60_000)));
    }

    #[test]
    fn rows_ahead_of_every_head_are_suspect_after_a_while() {
        let mut grace = Grace::begin(Ran(0));
        grace.unchecked();
        assert!(!grace.over(Ran(29_999)));
        assert!(grace.over(Ran(30_000)));
    }

    #[test]
    fn rows_that_stay_ahead_of_the_heads_are_suspect_and_rows_that_heads_follow_are_not() {
        let mut grace = Grace::begin(Ran(0));
        for n in 0..100 {
            grace.head(Seq(n), Seq(n + 5), Ran(n as i64 * 1_000));
            assert!(!grace.over(Ran(n as i64 * 1_000)), "heads follow within five seconds");
        }
        for n in 0..90 {
            grace.head(Seq(99), Seq(104), Ran(100_000 + n * 1_000));
        }
        assert!(grace.over(Ran(190_000)), "no head has come further than 99");
        grace.head(Seq(104), Seq(104), Ran(190_001));
        assert!(!grace.over(Ran(190_002)));
    }
}
