//! What an edge keeps on disk, in two files of its state folder.
//!
//! `cache.db` holds what the website has said and can say again: customers, what was dropped, the edge's own faces,
//! the lease. `outbox.db` holds what only this edge knows: visits, receipts, how far it has verified. The cache can
//! be lost without harm; the outbox cannot, and for this reason they are two files.
//!
//! Architecture invariant: SQL stands only in the module named after its table, and one thread writes.

mod cache;
mod customers;
mod diagnosis;
mod dropped;
mod faces;
mod lease;
mod open;
mod outbox;
mod position;
mod provisional;
mod receipts;
mod removals;
mod standing;
mod visits;

pub use cache::{Cache, HeldFace};
pub use customers::StoredRow;
pub use open::{Flush, OpenError, waits_for_disk};
pub use outbox::OutboxDb;
pub use provisional::OwnFace;
pub use removals::Owed;
pub use standing::StandingRow;
pub use visits::{CountedVisit, NewVisit, StoredVisit};

use crate::sync::Loaded;
use anyhow::Context;
use protocol::{DigestKey, FaceId};
use std::path::Path;

/// Both files, open.
#[derive(Debug)]
pub struct Store {
    /// What can be had again.
    pub cache: Cache,
    /// What cannot.
    pub outbox: OutboxDb,
}

/// What an edge begins with.
#[derive(Debug, Default)]
pub struct Opened {
    /// For the core.
    pub loaded: Loaded,
    /// The customers, for the gallery, unless they went there one by one; their order means nothing.
    pub customers: Vec<(FaceId, StoredRow)>,
    /// The edge's own faces, for the gallery.
    pub own: Vec<(FaceId, OwnFace)>,
    /// Removals that were carried out and have no receipt yet: a kill came in between.
    pub owed: Vec<Owed>,
    /// How often this edge has started before.
    pub starts: u64,
    /// Visits lost so far because too many waited.
    pub lost_visits: u64,
    /// Receipts lost so far because too many waited.
    pub lost_receipts: u64,
    /// Why the cache begins empty although it was there; in words.
    pub cache_lost: Option<String>,
}

impl Store {
    /// Opens both files of a state folder, or makes them. A damaged cache is removed, never kept: it may hold faces
    /// of people who are removed while nobody looks at it. Rows whose content is damaged are left out.
    ///
    /// # Errors
    /// When a file was written by a newer program, is in use, or (the outbox) is damaged.
    pub fn open(folder: &Path, key: &DigestKey) -> anyhow::Result<(Self, Opened)> {
        let mut customers = Vec::new();
        let (store, opened) =
            Self::open_each(folder, key, &mut |face_id, row| customers.push((face_id, row)))?;
        // What was read of a cache before its damage showed is not to be believed.
        let customers = if opened.cache_lost.is_some() { Vec::new() } else { customers };
        Ok((store, Opened { customers, ..opened }))
    }

    /// The same, but the customers go to `each` one by one. When the cache turns out to be damaged, those that went
    /// before are to be forgotten again: [`Opened::cache_lost`].
    ///
    /// # Errors
    /// The same.
    pub fn open_each(
        folder: &Path,
        key: &DigestKey,
        each: &mut dyn FnMut(FaceId, StoredRow),
    ) -> anyhow::Result<(Self, Opened)> {
        let mut outbox = OutboxDb::open(&folder.join("outbox.db"))?;
        let file = folder.join("cache.db");
        let (cache, mut opened, cache_lost) =
            match Cache::open(&file).and_then(|mut c| c.load_each(key, each).map(|o| (c, o))) {
                Ok((cache, opened)) => (cache, opened, None),
                Err(error) if error.is_damage() => {
                    let why = error.to_string();
                    open::remove(&file)
                        .with_context(|| format!("{} is damaged and cannot be removed", file.display()))?;
                    (Cache::open(&file)?, Opened::default(), Some(why))
                }
                Err(error) => return Err(error.into()),
            };
        outbox.load(&mut opened)?;
        opened.cache_lost = cache_lost;
        Ok((Self { cache, outbox }, opened))
    }

    /// Writes the cache anew, so that it holds no name but those of its rows. (Faces never leave a copy behind, and the outbox holds no
    /// names.) Takes as long as the file is long, and as much memory.
    ///
    /// # Errors
    /// When the file cannot be written, or the disk has no room for a second copy of it.
    pub fn vacuum(&mut self) -> rusqlite::Result<()> {
        self.cache.vacuum()
    }
}

#[cfg(test)]
#[path = "erasing_tests.rs"]
mod erasing_tests;
#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
