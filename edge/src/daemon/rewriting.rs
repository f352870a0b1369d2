//! When the files are written anew.

use super::Daemon;
use crate::sync::Ran;

/// Removals that follow one another share one rewriting.
const GATHER_MS: i64 = 5_000;
/// The daemon does this for one part in so many of the time at most.
const SHARE: i64 = 20;
/// After a failure, for example where the disk has no room for a second copy.
const AGAIN_MS: i64 = 60_000;

/// `secure_delete` overwrites what is deleted where it last stood. When SQLite joins or splits pages it copies rows, and
/// leaves what they were copied from in the unused part of the page: a face that was moved before it was deleted stays
/// there until chance fills that part again. Only a file that is written anew holds nothing but its rows.
#[derive(Debug)]
pub(super) struct Rewriting {
    due: Option<Ran>,
    rest_ms: i64,
}

impl Rewriting {
    /// The last run may have been killed before it could.
    pub(super) fn begin(now: Ran) -> Self {
        Self { due: Some(now.plus_ms(GATHER_MS)), rest_ms: GATHER_MS }
    }

    /// A face was erased.
    pub(super) fn erased(&mut self, now: Ran) {
        self.due.get_or_insert(now.plus_ms(self.rest_ms));
    }

    fn is_due(&self, now: Ran) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    fn done(&mut self, begun: Ran, now: Ran) {
        *self = Self { due: None, rest_ms: GATHER_MS.max(now.since(begun) * SHARE) };
    }

    fn failed(&mut self, now: Ran) {
        self.due = Some(now.plus_ms(AGAIN_MS));
    }
}

impl Daemon {
    /// Writes the files anew if that is due and nothing waits to be stored.
    pub(super) fn rewrite(&mut self) {
        let begun = self.clock.now().ran;
        if !self.rewriting.is_due(begun) || !self.unstored.is_empty() {
            return;
        }
        let done = self.store.rewrite();
        let now = self.clock.now().ran;
        match done {
            Ok(()) => self.rewriting.done(begun, now),
            Err(error) => {
                self.rewriting.failed(now);
                tracing::warn!(%error, "the files could not be written anew after a removal; it is tried again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_after_removals_and_takes_its_share_of_the_time_only() {
        let mut rewriting = Rewriting::begin(Ran(0));
        assert!(!rewriting.is_due(Ran(4_999)) && rewriting.is_due(Ran(5_000)), "at the start");
        rewriting.done(Ran(5_000), Ran(5_010));
        assert!(!rewriting.is_due(Ran(1_000_000)), "nobody was removed");
        rewriting.erased(Ran(10_000));
        rewriting.erased(Ran(14_000));
        assert!(!rewriting.is_due(Ran(14_999)) && rewriting.is_due(Ran(15_000)), "two share one");
        rewriting.failed(Ran(15_000));
        assert!(
            !rewriting.is_due(Ran(74_999)) && rewriting.is_due(Ran(75_000)),
            "a full disk is not asked again at once"
        );
        rewriting.done(Ran(75_000), Ran(77_000));
        rewriting.erased(Ran(77_000));
        assert!(!rewriting.is_due(Ran(116_999)) && rewriting.is_due(Ran(117_000)), "it took two seconds");
    }
}
