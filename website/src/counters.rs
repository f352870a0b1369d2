//! What happened since the start, counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counts since the start of the program.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])* pub $name: Count,)*
        }

        impl Counters {
            /// Each counter's name, what it counts, and the count.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc)*).trim(), self.$name.get()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages that were none of the protocol's.
    malformed,
    /// Messages on a topic that is not for the website, or of an edge that is not of that location.
    not_ours,
    /// Reports whose signature was not the edge's.
    bad_signatures,
    /// Reports of an earlier start or another history.
    void_reports,
    /// Visits stored, dead letters included.
    visits,
    /// Visits that came again.
    visits_repeated,
    /// Visits that can never be stored.
    dead_letters,
    /// Visits of somebody removed, seen by an edge that had confirmed the removal.
    stale_hits,
    /// Repairs answered.
    repairs,
    /// Faces that edges wanted.
    wanted,
    /// Messages published and acknowledged by the broker.
    published,
    /// Retained messages of faces that a restored database does not know, cleared.
    swept,
    /// Tombstones cleared at the broker and purged.
    tombstones_cleared,
    /// Connections to the broker begun with an empty session.
    sessions_new,
}

/// One count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn one(&self) {
        self.more(1);
    }

    /// `n` more.
    pub(crate) fn more(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
