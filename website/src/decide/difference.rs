//! What tells a ledger and a database apart.

use std::{collections::HashSet, hash::Hash};

/// What one of them knows and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<T> {
    /// Known to the ledger only. It is written after the commit and never before it, so whatever only the ledger
    /// knows was once committed: the database has gone back.
    pub lost: Vec<T>,
    /// Known to the database only: to be written down.
    pub unwritten: Vec<T>,
}

/// Compares what is `written` in the ledger with what is `recorded` in the database. Entries of the same `key` are
/// the same one; of several in the ledger the first counts.
pub fn compare<T: Clone, K: Eq + Hash>(
    written: &[T],
    recorded: &[T],
    key: impl Fn(&T) -> K,
) -> Difference<T> {
    let mut known: HashSet<K> = recorded.iter().map(&key).collect();
    let lost = written.iter().filter(|entry| known.insert(key(entry))).cloned().collect();
    let known: HashSet<K> = written.iter().map(&key).collect();
    let unwritten = recorded.iter().filter(|entry| !known.contains(&key(entry))).cloned().collect();
    Difference { lost, unwritten }
}
