//! What a core starts from.

use super::{lease::Lease, outbox::Entry, provisional::Provisional, repair::Diagnosis, rows::Row};
use protocol::{
    Epoch, FaceId, Seq, UnixMs,
    message::{EnrolPolicy, Receipt},
};
use std::collections::BTreeMap;

/// What an edge must not forget of its own standing, not even when the cache is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The location's epoch, once a head has told it.
    pub epoch: Option<Epoch>,
    /// The highest verified seq.
    pub floor: Seq,
    /// When the newest head seen was signed.
    pub issued_at: Option<UnixMs>,
    /// The time it was at least, by the edge's own clock.
    pub clock: Option<UnixMs>,
    /// The highest removal this edge has carried out. An edge that has lost its cache must not recognise anybody on a
    /// head from before it.
    pub removal: Option<(Epoch, Seq)>,
}

impl Standing {
    /// No moment of this start is before it.
    pub fn earliest(&self) -> Option<UnixMs> {
        self.issued_at.max(self.clock)
    }
}

/// Everything a core starts from, as it was stored.
#[derive(Debug, Default)]
pub struct Loaded {
    /// See there.
    pub standing: Standing,
    /// The live rows.
    pub rows: BTreeMap<FaceId, Row>,
    /// What was dropped and not passed by the floor yet.
    pub dropped: BTreeMap<FaceId, (Epoch, Seq)>,
    /// The lease of the newest verified head, and that head's enrol policy; a lost cache has voided it.
    pub lease: Option<(Lease, EnrolPolicy)>,
    /// The edge's own faces.
    pub provisional: BTreeMap<FaceId, Provisional>,
    /// Removals the website has not acknowledged.
    pub receipts: Vec<Receipt>,
    /// Visits, oldest first.
    pub visits: Vec<Entry>,
    /// Why the rows were given up last.
    pub diagnosis: Option<Diagnosis>,
}
