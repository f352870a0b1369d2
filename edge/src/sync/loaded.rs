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
    /// What the outbox (`self`), which a power cut may have set back, and the cache know together: the later of each. An
    /// epoch begins with the outbox: what it means for the visits there has not been done before.
    #[must_use]
    pub fn and(self, cache: Standing) -> Standing {
        if self.epoch != cache.epoch {
            return self;
        }
        let of_epoch = |standing: &Standing| standing.removal.filter(|(epoch, _)| Some(*epoch) == self.epoch);
        Standing {
            epoch: self.epoch,
            floor: self.floor.max(cache.floor),
            issued_at: self.issued_at.max(cache.issued_at),
            clock: self.clock.max(cache.clock),
            removal: of_epoch(&self).max(of_epoch(&cache)).or(self.removal).or(cache.removal),
        }
    }

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
    fn of_two_files_the_later_word_counts_and_of_two_epochs_that_of_the_outbox() {
        let standing = |epoch, floor, issued_at, removal| Standing {
            epoch: Some(Epoch(epoch)),
            floor: Seq(floor),
            issued_at: Some(UnixMs(issued_at)),
            clock: Some(UnixMs(issued_at)),
            removal,
        };
        let (third, ninth) = (Some((Epoch(7), Seq(3))), Some((Epoch(7), Seq(9))));
        for (one, other, expected) in [
            (standing(7, 5, 50, third), standing(7, 6, 60, ninth), standing(7, 6, 60, ninth)),
            (standing(7, 6, 50, third), standing(7, 5, 60, None), standing(7, 6, 60, third)),
            (
                standing(7, 5, 60, Some((Epoch(9), Seq(99)))),
                standing(7, 5, 60, third),
                standing(7, 5, 60, third),
            ),
        ] {
            assert_eq!((one.and(other), other.and(one)), (expected, expected));
        }
        let known = standing(7, 5, 50, third);
        for other in [Standing::default(), standing(8, 1, 60, None), standing(8, 9, 40, third)] {
            assert_eq!(known.and(other), known);
            assert_eq!(other.and(known), other);
        }
    }

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
