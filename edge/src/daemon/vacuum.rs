//! When the cache is written anew.

use super::storage::Storage;
use crate::sync::Ran;

/// What the start of an edge brings goes first.
const START_MS: i64 = 5_000;
/// Removals of a day share one VACUUM.
const GATHER_MS: i64 = 86_400_000;
/// After a failure, for example where the disk has no room for a second copy.
const AGAIN_MS: i64 = 60_000;

/// Faces are erased in place. But rows with names move: when SQLite joins or splits pages it leaves what it copied them from in the
/// unused part of a page, and a name that was moved before it was deleted stays there until chance fills that part
/// again. Only a file that is written anew holds nothing but its rows.
#[derive(Debug)]
pub(super) struct Vacuum {
    due: Option<Ran>,
}

impl Vacuum {
    /// The last run may have been killed before it could.
    pub(super) fn begin(now: Ran) -> Self {
        Self { due: Some(now.plus_ms(START_MS)) }
    }

    /// Somebody was removed.
    pub(super) fn erased(&mut self, now: Ran) {
        self.due.get_or_insert(now.plus_ms(GATHER_MS));
    }

    fn is_due(&self, now: Ran) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    fn done(&mut self) {
        self.due = None;
    }

    fn failed(&mut self, now: Ran) {
        self.due = Some(now.plus_ms(AGAIN_MS));
    }
}

impl Storage {
    /// Writes the cache anew if that is due.
    pub(super) fn vacuum_if_due(&mut self) {
        if self.vacuum.is_due(self.clock.now().ran) {
            self.vacuum();
        }
    }

    /// The edge ends: what would be due later is done now.
    pub(super) fn vacuum_at_the_end(&mut self) {
        if self.vacuum.due.is_some() {
            self.vacuum();
        }
    }

    fn vacuum(&mut self) {
        match self.store.vacuum() {
            Ok(()) => self.vacuum.done(),
            Err(error) => {
                self.vacuum.failed(self.clock.now().ran);
                tracing::warn!(%error, "the cache could not be written anew after a removal; it is tried again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_after_the_start_and_a_day_after_removals() {
        let mut vacuum = Vacuum::begin(Ran(0));
        assert!(!vacuum.is_due(Ran(4_999)) && vacuum.is_due(Ran(5_000)), "at the start");
        vacuum.done();
        assert!(!vacuum.is_due(Ran(i64::MAX)), "nobody was removed");
        vacuum.erased(Ran(10_000));
        vacuum.erased(Ran(14_000));
        assert!(!vacuum.is_due(Ran(86_409_999)) && vacuum.is_due(Ran(86_410_000)), "two share one");
        vacuum.failed(Ran(86_410_000));
        assert!(!vacuum.is_due(Ran(86_469_999)), "a full disk is not asked again at once");
        assert!(vacuum.is_due(Ran(86_470_000)));
    }
}
