//! What a core starts from.

use super::{
    lease::Lease,
    outbox::{Entry, Weight},
    provisional::Provisional,
    repair::Diagnosis,
    rows::Row,
};
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

impl Loaded {
    /// Visits may propose a face that is in no file: a kill came between visit and face, or the cache was lost. Such a
    /// face needs an end as well, or the vector would stay with its visit although the website made no customer of it.
    pub(super) fn with_proposed(mut self) -> Self {
        let Some(epoch) = self.standing.epoch else { return self };
        let now = (epoch, self.standing.floor);
        for Entry { key: _, weight, settled_at } in &self.visits {
            if let Weight::New(face_id) = weight
                && !self.rows.contains_key(face_id)
            {
                let proposed = Provisional { basis: now, settled: settled_at.map(|_| now) };
                self.provisional.entry(face_id.clone()).or_insert(proposed);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::VisitKey;
    use protocol::StreamId;

    #[test]
    fn a_face_that_only_a_visit_knows_is_provisional_too() {
        let face = |id: &str| id.parse::<FaceId>().unwrap();
        let now = (Epoch(7), Seq(20));
        let entry = |n, id, settled_at| {
            let key = VisitKey { stream: StreamId(1), n };
            Entry { key, weight: Weight::New(face(id)), settled_at }
        };
        let kept = Provisional { basis: (Epoch(7), Seq(3)), settled: None };
        let loaded = Loaded {
            standing: Standing { epoch: Some(now.0), floor: now.1, ..Standing::default() },
            provisional: [(face("kept"), kept)].into(),
            visits: vec![
                entry(1, "kept", None),
                entry(2, "waits", None),
                entry(3, "settled", Some(UnixMs(5))),
            ],
            ..Loaded::default()
        };
        let expected = [
            (face("kept"), kept),
            (face("waits"), Provisional { basis: now, settled: None }),
            (face("settled"), Provisional { basis: now, settled: Some(now) }),
        ];
        assert_eq!(loaded.with_proposed().provisional, expected.into());
    }
}
