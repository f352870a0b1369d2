//! What the erasure ledger demands of edges: a backup must not let a revoked one in again.

use super::difference::{self, Difference};
use protocol::{EdgeId, LocationId, UnixMs};
use std::collections::HashSet;

/// One revocation, as the ledger and the database both hold it. Nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Where.
    pub location: LocationId,
    /// Which edge.
    pub edge: EdgeId,
    /// When, by the website's clock.
    pub at: UnixMs,
}

/// An edge as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where it belongs.
    pub location: LocationId,
    /// Its id.
    pub edge: EdgeId,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
}

/// Compares the ledger with the edges of the database. A revocation is its edge: when it was made differs once it
/// was made again. An edge that the database does not know needs none: nobody can log in as it, and its id is never
/// given again.
pub fn compare(ledger: &[Revocation], edges: &[Known]) -> Difference<Revocation> {
    let key = |location: &LocationId, edge: &EdgeId| (location.clone(), edge.clone());
    let known: HashSet<_> = edges.iter().map(|known| key(&known.location, &known.edge)).collect();
    let here = |revocation: &&Revocation| known.contains(&key(&revocation.location, &revocation.edge));
    let written: Vec<Revocation> = ledger.iter().filter(here).cloned().collect();
    let recorded = |known: &Known| {
        let Known { location, edge, revoked_at } = known;
        Some(Revocation { location: location.clone(), edge: edge.clone(), at: (*revoked_at)? })
    };
    let recorded: Vec<Revocation> = edges.iter().filter_map(recorded).collect();
    difference::compare(&written, &recorded, |revocation| key(&revocation.location, &revocation.edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(edge: &str, at: i64) -> Revocation {
        Revocation { location: "l".parse().unwrap(), edge: edge.parse().unwrap(), at: UnixMs(at) }
    }

    fn known(edge: &str, revoked_at: Option<i64>) -> Known {
        let revoked_at = revoked_at.map(UnixMs);
        Known { location: "l".parse().unwrap(), edge: edge.parse().unwrap(), revoked_at }
    }

    #[test]
    fn only_an_edge_that_could_log_in_again_is_lost() {
        let (a, again) = (revocation("a", 5), revocation("a", 9));
        type Row<'a> = (&'a [&'a Revocation], &'a [Known], &'a [&'a Revocation], &'a [&'a Revocation]);
        let table: &[Row<'_>] = &[
            (&[], &[], &[], &[]),
            (&[], &[known("a", None)], &[], &[]),
            (&[&a], &[known("a", Some(5))], &[], &[]),
            (&[&a], &[known("a", None), known("b", None)], &[&a], &[]),
            // Added and revoked after the backup: the database has never heard of it.
            (&[&a], &[known("b", None)], &[], &[]),
            (&[], &[known("a", Some(5)), known("b", None)], &[], &[&a]),
            // Made again after a restore: one revocation with two lines.
            (&[&a, &again], &[known("a", Some(9))], &[], &[]),
            (&[&a, &again], &[known("a", None)], &[&a], &[]),
        ];
        for (ledger, edges, lost, unwritten) in table {
            let owned = |of: &[&Revocation]| of.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
            let expected = Difference { lost: owned(lost), unwritten: owned(unwritten) };
            assert_eq!(compare(&owned(ledger), edges), expected, "{ledger:?} and {edges:?}");
        }
        let elsewhere = Known { location: "m".parse().unwrap(), ..known("a", None) };
        assert_eq!(compare(&[a], &[elsewhere]).lost, [], "an edge of another location is another one");
    }
}
