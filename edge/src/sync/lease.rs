//! The lease: how long recognition may go on without a newer verified head.

use protocol::{UnixMs, message::Head};
use serde::{Deserialize, Serialize};

/// From when on, and for how long, an edge may recognise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// When the newest verified head was signed.
    pub issued_at: UnixMs,
    /// For how long from then on, in seconds.
    pub lease_s: u32,
}

/// How old an edge's knowledge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// A head was verified not long ago.
    Fresh,
    /// A quarter of the lease is over: something keeps heads away.
    Stale,
    /// The lease is over, or has never begun: nobody is recognised.
    Expired,
}

impl Lease {
    /// The lease that a verified head gives.
    pub fn of(head: &Head) -> Self {
        Self { issued_at: head.issued_at, lease_s: head.lease_s }
    }

    /// The one of the two that was signed later: a head that comes late does not take anything back, and a newer one
    /// may shorten what an older one gave.
    #[must_use]
    pub fn renewed_by(self, other: Lease) -> Lease {
        if other.issued_at > self.issued_at { other } else { self }
    }

    /// The first moment without recognition.
    pub fn until(self) -> UnixMs {
        self.issued_at.plus_ms(i64::from(self.lease_s) * 1000)
    }

    /// How old the newest verified head is at `now`, in seconds; one signed by a clock ahead of ours is new.
    pub fn age_s(self, now: UnixMs) -> u32 {
        u32::try_from(now.since(self.issued_at).max(0) / 1000).unwrap_or(u32::MAX)
    }

    /// How fresh knowledge under this lease is at `now`.
    pub fn freshness(self, now: UnixMs) -> Freshness {
        if now >= self.until() {
            Freshness::Expired
        } else if now.since(self.issued_at) >= i64::from(self.lease_s) * 250 {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_goes_from_fresh_over_stale_to_expired() {
        let lease = Lease { issued_at: UnixMs(1_000_000), lease_s: 100 };
        for (after_ms, expected) in [
            (-5_000, Freshness::Fresh),
            (0, Freshness::Fresh),
            (24_999, Freshness::Fresh),
            (25_000, Freshness::Stale),
            (99_999, Freshness::Stale),
            (100_000, Freshness::Expired),
            (i64::MAX, Freshness::Expired),
        ] {
            assert_eq!(lease.freshness(UnixMs(1_000_000).plus_ms(after_ms)), expected, "{after_ms} ms");
        }
        let none = Lease { issued_at: UnixMs(0), lease_s: 0 };
        assert_eq!(none.freshness(UnixMs(0)), Freshness::Expired);
    }

    #[test]
    fn only_a_later_head_changes_the_lease() {
        let lease = Lease { issued_at: UnixMs(1000), lease_s: 100 };
        let late = Lease { issued_at: UnixMs(999), lease_s: 1_000_000 };
        let shorter = Lease { issued_at: UnixMs(1001), lease_s: 1 };
        assert_eq!(lease.renewed_by(late), lease);
        assert_eq!(lease.renewed_by(shorter), shorter);
    }
}
