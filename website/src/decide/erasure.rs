//! What the erasure ledger demands: a backup must not bring a removed person back.

use super::difference::{self, Difference};
use protocol::{Epoch, FaceId, LocationId, Seq, UnixMs};

/// One removal, as the ledger and the database both hold it. Nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Erasure {
    /// Where.
    pub location: LocationId,
    /// Who was removed.
    pub face_id: FaceId,
    /// Every face that was ever merged into that one.
    pub also: Vec<FaceId>,
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The removal's seq.
    pub seq: Seq,
    /// When, by the website's clock.
    pub at: UnixMs,
}

/// Compares the ledger with the removals recorded in the database. A removal is its location and face: which epoch
/// and seq it has may differ after it was applied again.
pub fn compare(ledger: &[Erasure], recorded: &[Erasure]) -> Difference<Erasure> {
    difference::compare(ledger, recorded, |erasure| (erasure.location.clone(), erasure.face_id.clone()))
}

/// What a database that has gone back knows of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// A live customer.
    Live,
    /// It waits in the review queue.
    Waiting,
    /// It is removed, or was merged into another one.
    Gone,
}

/// What is done with one face of a lost removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// Remove the customer again, at a new seq.
    Remove,
    /// Take it out of the review queue and remember that it is gone.
    Withdraw,
    /// Remember that it is gone, with a tombstone at a new seq: no late enrolment may use the id, and every edge
    /// proves once more that it does not hold it.
    Bury,
    /// It is gone already.
    Nothing,
}

/// How a lost removal is applied again to one of its faces.
pub fn again(known: Known) -> Apply {
    match known {
        Known::Live => Apply::Remove,
        Known::Waiting => Apply::Withdraw,
        Known::Nothing => Apply::Bury,
        Known::Gone => Apply::Nothing,
    }
}

/// Until when an edge that has not heard of a removal made at `now` can recognise anybody: the end of the lease of
/// the newest head it may hold, or of an earlier one that gave a longer lease (`lease_out`).
pub fn recognised_until(now: UnixMs, newest_head: UnixMs, lease_s: u32, lease_out: UnixMs) -> UnixMs {
    now.max(newest_head).plus_ms(i64::from(lease_s) * 1000).max(lease_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure(location: &str, face: &str, epoch: u64, seq: u64) -> Erasure {
        Erasure {
            location: location.parse().unwrap(),
            face_id: face.parse().unwrap(),
            also: Vec::new(),
            epoch: Epoch(epoch),
            seq: Seq(seq),
            at: UnixMs(0),
        }
    }

    #[test]
    fn what_only_the_ledger_knows_is_lost_and_what_only_the_database_knows_is_unwritten() {
        let (a, b, c) = (erasure("l", "a", 7, 5), erasure("l", "b", 7, 6), erasure("m", "a", 7, 1));
        let again = erasure("l", "a", 8, 9);
        type Row<'a> = (&'a [&'a Erasure], &'a [&'a Erasure], &'a [&'a Erasure], &'a [&'a Erasure]);
        let table: &[Row<'_>] = &[
            (&[], &[], &[], &[]),
            (&[&a, &b], &[&a, &b], &[], &[]),
            (&[&a, &b], &[&a], &[&b], &[]),
            (&[&a], &[&a, &b], &[], &[&b]),
            // The same face at another location is another one.
            (&[&a, &c], &[&a], &[&c], &[]),
            // Applied again after a restore: one removal with two lines.
            (&[&a, &again], &[&again], &[], &[]),
            (&[&a, &again], &[], &[&a], &[]),
        ];
        for (ledger, recorded, lost, unwritten) in table {
            let owned = |of: &[&Erasure]| of.iter().map(|erasure| (*erasure).clone()).collect::<Vec<_>>();
            let expected = Difference { lost: owned(lost), unwritten: owned(unwritten) };
            assert_eq!(compare(&owned(ledger), &owned(recorded)), expected, "{ledger:?} and {recorded:?}");
        }
    }

    #[test]
    fn every_face_of_a_lost_removal_ends_gone() {
        for (known, apply) in [
            (Known::Live, Apply::Remove),
            (Known::Waiting, Apply::Withdraw),
            (Known::Nothing, Apply::Bury),
            (Known::Gone, Apply::Nothing),
        ] {
            assert_eq!(again(known), apply, "{known:?}");
        }
    }

    #[test]
    fn the_longest_lease_given_out_decides() {
        for (now, head, lease_s, lease_out, until) in
            [(1_000, 900, 60, 0, 61_000), (1_000, 5_000, 60, 0, 65_000), (1_000, 900, 60, 90_000, 90_000)]
        {
            let got = recognised_until(UnixMs(now), UnixMs(head), lease_s, UnixMs(lease_out));
            assert_eq!(
                got,
                UnixMs(until),
                "at {now}, head of {head}, {lease_s} s, earlier leases {lease_out}"
            );
        }
    }
}
