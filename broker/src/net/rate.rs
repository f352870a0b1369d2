//! How fast one client may publish: a token bucket that holds a second's worth.

use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;

/// One client's bucket.
#[derive(Debug)]
pub struct Rate {
    /// Between two publishes at full speed.
    step: Duration,
    /// When the bucket would be empty if the client kept to its rate; never more than a second ago.
    spent: Instant,
}

/// What the bucket holds at most.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    /// A full bucket.
    pub fn new(per_s: NonZeroU32, now: Instant) -> Rate {
        Rate { step: BURST / per_s.get(), spent: now - BURST }
    }

    /// Takes one publish out, and tells how long it has to wait.
    pub fn take(&mut self, now: Instant) -> Duration {
        self.spent = self.spent.max(now - BURST) + self.step;
        self.spent.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_let_through_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now() + Duration::from_secs(5);
        let mut rate = Rate::new(NonZeroU32::new(10).unwrap(), start);
        let ms = Duration::from_millis;
        let waits: Vec<_> = (0..12).map(|_| rate.take(start)).collect();
        assert_eq!(waits[..10], [Duration::ZERO; 10]);
        assert_eq!(waits[10..], [ms(100), ms(200)]);
        assert_eq!(rate.take(start + ms(300)), ms(0));
        assert_eq!(rate.take(start + ms(300)), ms(100));
        let later = start + ms(60_000);
        let free = (0..20).take_while(|_| rate.take(later).is_zero()).count();
        assert_eq!(free, 10, "a long rest saves no more than a second's worth");
    }
}
