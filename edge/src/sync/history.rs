//! The digests an edge has been through, for heads that come late.

use protocol::{Digest, Seq};
use std::collections::BTreeMap;

/// How many seqs are remembered.
const KEPT: usize = 1024;

/// What a set of rows adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// The digest of the rows.
    pub digest: Digest,
    /// How many.
    pub count: u64,
}

/// What the rows added up to when each seq was reached.
#[derive(Debug, Clone, Default)]
pub struct History(BTreeMap<Seq, Total>);

impl History {
    /// Notes what the rows add up to at `seq`; beyond the last 1,024 seqs the oldest is forgotten.
    pub fn note(&mut self, seq: Seq, total: Total) {
        self.0.insert(seq, total);
        while self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// What the rows added up to at `seq`, that is when the highest seq up to it was reached.
    pub fn at(&self, seq: Seq) -> Option<Total> {
        self.0.range(..=seq).next_back().map(|(_, total)| *total)
    }

    /// Forgets everything: something older came in, so the past was not what it seemed.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_known_for_the_last_seqs_only() {
        let total = |count| Total { digest: Digest::EMPTY, count };
        let mut history = History::default();
        for seq in 1..=3000 {
            history.note(Seq(seq * 2), total(seq));
        }
        assert_eq!(history.at(Seq(6000)), Some(total(3000)));
        assert_eq!(
            history.at(Seq(5999)),
            Some(total(2999)),
            "the state between two seqs is the one at the lower"
        );
        assert_eq!(history.at(Seq((3000 - 1023) * 2)), Some(total(3000 - 1023)));
        assert_eq!(history.at(Seq((3000 - 1024) * 2)), None);
        history.clear();
        assert_eq!(history.at(Seq(6000)), None);
    }
}
