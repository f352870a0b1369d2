//! What a change does to a location's counters.

use protocol::{Digest, Epoch, RowHash, Seq};

/// A location's counters: everything a head says of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The seq of the newest change.
    pub seq: Seq,
    /// How many live rows.
    pub count: u64,
    /// The digest of the live rows.
    pub digest: Digest,
    /// The seq of the newest removal. Merges are none: the person is still a customer.
    pub last_removal: Seq,
}

/// What happened to one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A new live row.
    Added {
        /// Its hash at the new seq.
        new: RowHash,
    },
    /// A live row with new content.
    Replaced {
        /// Its hash so far.
        old: RowHash,
        /// Its hash at the new seq.
        new: RowHash,
    },
    /// A live row erased: a person is to be forgotten.
    Removed {
        /// Its hash so far.
        old: RowHash,
    },
    /// A live row that turned out to be another one.
    Merged {
        /// Its hash so far.
        old: RowHash,
    },
    /// A face that was never live and turned out to be another one: only its tombstone is published.
    MergedUnborn,
    /// A face without a live row that must never have one: only its tombstone is published.
    RemovedUnborn,
}

impl Totals {
    /// The counters of a location without rows.
    pub fn empty(epoch: Epoch) -> Totals {
        Totals { epoch, seq: Seq(0), count: 0, digest: Digest::EMPTY, last_removal: Seq(0) }
    }

    /// The counters after one more change; its seq is `self.seq.next()`.
    #[must_use]
    pub fn after(self, effect: Effect) -> Totals {
        let seq = self.seq.next();
        let (count, digest, last_removal) = match effect {
            Effect::Added { new } => (self.count + 1, self.digest.plus(new), self.last_removal),
            Effect::Replaced { old, new } => {
                (self.count, self.digest.minus(old).plus(new), self.last_removal)
            }
            Effect::Removed { old } => (self.count - 1, self.digest.minus(old), seq),
            Effect::Merged { old } => (self.count - 1, self.digest.minus(old), self.last_removal),
            Effect::MergedUnborn => (self.count, self.digest, self.last_removal),
            Effect::RemovedUnborn => (self.count, self.digest, seq),
        };
        Totals { epoch: self.epoch, seq, count, digest, last_removal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_moves_exactly_what_it_should() {
        let (a, b) = (RowHash(5), RowHash(u128::MAX));
        let start =
            Totals { epoch: Epoch(9), seq: Seq(10), count: 1, digest: Digest::of([a]), last_removal: Seq(4) };
        let expected = |count, digest, last_removal| Totals {
            epoch: Epoch(9),
            seq: Seq(11),
            count,
            digest,
            last_removal: Seq(last_removal),
        };
        for (effect, after) in [
            (Effect::Added { new: b }, expected(2, Digest::of([a, b]), 4)),
            (Effect::Replaced { old: a, new: b }, expected(1, Digest::of([b]), 4)),
            (Effect::Removed { old: a }, expected(0, Digest::EMPTY, 11)),
            (Effect::Merged { old: a }, expected(0, Digest::EMPTY, 4)),
            (Effect::MergedUnborn, expected(1, Digest::of([a]), 4)),
            (Effect::RemovedUnborn, expected(1, Digest::of([a]), 11)),
        ] {
            assert_eq!(start.after(effect), after, "{effect:?}");
        }
    }
}
