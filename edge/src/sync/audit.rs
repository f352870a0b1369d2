//! In idle time every row is read back from the disk, slice by slice, and held against what the rules believe.

use super::{
    now::{Now, Ran},
    rows::{Row, Rows},
};
use protocol::{FaceId, UnixMs};

/// Between two passes, and after a difference was found.
const PAUSE_MS: i64 = 10_000;

/// How far the present pass has come.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// The next slice begins behind this id.
    after: Option<FaceId>,
    not_before: Ran,
    passed_at: Option<UnixMs>,
}

/// Stored rows that follow one another in the order of ids, each with the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Those that are sound.
    pub rows: Vec<(FaceId, Row)>,
    /// How many are not, or are not in the gallery as they should be.
    pub amiss: usize,
    /// Whether no row follows.
    pub last: bool,
}

/// What a slice has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It holds what the rules believe: no row is another, lacking or too many.
    Right,
    /// It does not.
    Differs,
}

impl Audit {
    /// Whether a slice is due at `now`.
    pub fn due(&self, now: Ran) -> bool {
        now >= self.not_before
    }

    /// Behind which id the next slice begins; at the beginning where there is none.
    pub fn after(&self) -> Option<&FaceId> {
        self.after.as_ref()
    }

    /// When the last complete pass ended, unless a difference was found since.
    pub fn passed_at(&self) -> Option<UnixMs> {
        self.passed_at
    }

    /// Holds the slice that was due against the rows. After a difference a new pass begins.
    pub fn hold(&mut self, slice: &Slice, rows: &Rows, now: Now) -> Finding {
        let after = self.after.take();
        let through = if slice.last { None } else { slice.rows.last().map(|(face_id, _)| face_id) };
        let finding = if slice.amiss == 0 && rows.are(after.as_ref(), through, &slice.rows) {
            Finding::Right
        } else {
            Finding::Differs
        };
        match (finding, through) {
            (Finding::Right, Some(through)) => self.after = Some(through.clone()),
            (Finding::Right, None) => {
                self.passed_at = Some(now.wall);
                self.not_before = now.ran.plus_ms(PAUSE_MS);
            }
            (Finding::Differs, _) => {
                self.passed_at = None;
                self.not_before = now.ran.plus_ms(PAUSE_MS);
            }
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Epoch, RowHash, Seq};
    use std::collections::BTreeMap;

    fn stored(n: u64) -> (FaceId, Row) {
        let row = Row { epoch: Epoch(1), seq: Seq(n), hash: RowHash(u128::from(n) << 3) };
        (format!("face_{n:02}").parse().unwrap(), row)
    }

    fn rules(ns: impl Iterator<Item = u64>) -> Rows {
        Rows::load(Some(Epoch(1)), Seq(0), ns.map(stored), BTreeMap::new())
    }

    fn slice(disk: &[(FaceId, Row)], after: Option<&FaceId>, limit: usize) -> Slice {
        let mut rest: Vec<_> =
            disk.iter().filter(|(id, _)| after.is_none_or(|after| id > after)).cloned().collect();
        let last = rest.len() < limit;
        rest.truncate(limit);
        Slice { rows: rest, amiss: 0, last }
    }

    /// A pass over `disk` in slices of 4: what it found, and whether it came to the end.
    fn pass(disk: &[(FaceId, Row)], rows: &Rows) -> (Finding, bool) {
        let mut audit = Audit::default();
        loop {
            let now = Now { wall: UnixMs(7), ran: Ran(5) };
            let finding = audit.hold(&slice(disk, audit.after(), 4), rows, now);
            if finding == Finding::Differs || !audit.due(now.ran) {
                return (finding, audit.passed_at() == Some(UnixMs(7)));
            }
        }
    }

    #[test]
    fn a_pass_sees_a_row_that_is_another_lacking_too_many_or_out_of_order() {
        for count in [0, 1, 3, 4, 5, 8, 23] {
            let disk: Vec<_> = (0..count).map(stored).collect();
            assert_eq!(pass(&disk, &rules(0..count)), (Finding::Right, true), "{count} rows");
            for n in 0..disk.len() {
                let mut lacking = disk.clone();
                lacking.remove(n);
                assert_eq!(pass(&lacking, &rules(0..count)), (Finding::Differs, false), "{n} of {count}");
                let others = rules((0..count).filter(|other| *other != n as u64));
                assert_eq!(pass(&disk, &others), (Finding::Differs, false), "{n} of {count} is too many");
                for change in [
                    |row: &mut Row| row.hash.0 ^= 1,
                    |row: &mut Row| row.seq = row.seq.next(),
                    |row: &mut Row| row.epoch = Epoch(2),
                ] {
                    let mut changed = disk.clone();
                    change(&mut changed[n].1);
                    assert_eq!(pass(&changed, &rules(0..count)), (Finding::Differs, false));
                }
            }
        }
        let swapped = Slice { rows: [2, 1, 0].map(stored).into(), amiss: 0, last: true };
        let now = Now { wall: UnixMs(0), ran: Ran(0) };
        assert_eq!(Audit::default().hold(&swapped, &rules(0..3), now), Finding::Differs);
        let amiss = Slice { rows: vec![], amiss: 1, last: true };
        assert_eq!(Audit::default().hold(&amiss, &rules(0..0), now), Finding::Differs);
    }

    #[test]
    fn rows_that_change_between_two_slices_are_no_difference_and_it_rests_between_passes() {
        let mut audit = Audit::default();
        let now = Now { wall: UnixMs(3), ran: Ran(100) };
        let before: Vec<_> = (0..10).map(stored).collect();
        assert_eq!(audit.hold(&slice(&before, None, 4), &rules(0..10), now), Finding::Right);
        let after: Vec<_> = (2..6).map(stored).collect();
        let second = slice(&after, audit.after(), 4);
        assert_eq!(
            (audit.hold(&second, &rules(2..6), now), audit.passed_at()),
            (Finding::Right, Some(now.wall))
        );
        assert!(!audit.due(Ran(10_099)) && audit.due(Ran(10_100)), "the next pass");
        assert_eq!(audit.after(), None, "begins at the beginning");
    }
}
