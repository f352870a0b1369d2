//! When the files are written anew.

use super::Daemon;
use crate::sync::Ran;

/// Removals that follow one another share one VACUUM.
const GATHER_MS: i64 = 5_000;
/// The daemon does this for one part in so many of the time at most.
const SHARE: i64 = 20;
/// After a failure, for example where the disk has no room for a second copy.
const AGAIN_MS: i64 = 60_000;

/// `secure_delete` overwrites what is deleted where it last stood. When SQLite joins or splits pages it copies rows, and
/// leaves what they were copied from in the unused part of the page: a face that was moved before it was deleted stays
/// there until chance fills that part again. Only a file that is written anew holds nothing but its rows.
#[derive(Debug)]
pub(super) struct Vacuum {
    due: Option<Ran>,
    rest_ms: i64,
}

impl Vacuum {
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
    /// Writes the files anew if that is due.
    pub(super) fn vacuum_if_due(&mut self) {
        if self.vacuum.is_due(self.clock.now().ran) {
            self.vacuum();
        }
    }

    /// The daemon ends: what would be due later is done now.
    pub(super) fn vacuum_at_the_end(&mut self) {
        if self.vacuum.due.is_some() {
            self.vacuum();
        }
    }

    /// Not while anything waits to be stored: the disk is full then, or cannot be written.
    fn vacuum(&mut self) {
        if !self.unstored.is_empty() {
            return;
        }
        let begun = self.clock.now().ran;
        let done = self.store.vacuum();
        let now = self.clock.now().ran;
        match done {
            Ok(()) => self.vacuum.done(begun, now),
            Err(error) => {
                self.vacuum.failed(now);
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
        let mut vacuum = Vacuum::begin(Ran(0));
        assert!(!vacuum.is_due(Ran(4_999)) && vacuum.is_due(Ran(5_000)), "at the start");
        vacuum.done(Ran(5_000), Ran(5_010));
        assert!(!vacuum.is_due(Ran(1_000_000)), "nobody was removed");
        vacuum.erased(Ran(10_000));
        vacuum.erased(Ran(14_000));
        assert!(!vacuum.is_due(Ran(14_999)) && vacuum.is_due(Ran(15_000)), "two share one");
        vacuum.failed(Ran(15_000));
        assert!(
            !vacuum.is_due(Ran(74_999)) && vacuum.is_due(Ran(75_000)),
            "a full disk is not asked again at once"
        );
        vacuum.done(Ran(75_000), Ran(77_000));
        vacuum.erased(Ran(77_000));
        assert!(!vacuum.is_due(Ran(116_999)) && vacuum.is_due(Ran(117_000)), "it took two seconds");
    }
}
