//! Errors that come again and again until somebody does something about their cause.

use std::time::{Duration, Instant};

/// Between two lines of the log about one thing.
const EVERY: Duration = Duration::from_secs(30);

/// When something was complained about last.
#[derive(Debug, Default)]
pub(crate) struct Complaint(Option<Instant>);

impl Complaint {
    /// Whether it is time for a line of the log: at once, then once in 30 s.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|last| now.duration_since(last) >= EVERY);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_once_and_then_now_and_then() {
        let (mut complaint, start) = (Complaint::default(), Instant::now());
        for (after_s, due) in [(0, true), (29, false), (30, true), (31, false), (60, true)] {
            assert_eq!(complaint.is_due(start + Duration::from_secs(after_s)), due, "after {after_s} s");
        }
    }
}
