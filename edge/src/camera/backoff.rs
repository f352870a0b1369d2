//! How long to wait before a lost camera is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// Pauses that double from half a second to ten.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The pause after an attempt that gave frames for `played`. One that lasted begins anew; one that breaks off after its
    /// first frames, again and again, does not.
    pub fn after(&mut self, played: Duration) -> Duration {
        if played >= LONGEST {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_ten_seconds_and_begin_anew_after_a_camera_that_worked() {
        let mut backoff = Backoff::default();
        for (played_s, pause_ms) in [
            (0, 500),
            (1, 1_000),
            (0, 2_000),
            (0, 4_000),
            (9, 8_000),
            (0, 10_000),
            (0, 10_000),
            (10, 500),
            (0, 1_000),
        ] {
            assert_eq!(backoff.after(Duration::from_secs(played_s)), Duration::from_millis(pause_ms));
        }
    }
}
