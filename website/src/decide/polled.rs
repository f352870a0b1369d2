//! What a box that polls is answered about a visit, and what such a visit was decided on.

use super::{
    poll::Reach,
    totals::Totals,
    visit::{Reason, Standing},
};
use crate::tables::visits::Kind;
use protocol::{FaceId, Seq, message::Basis};

/// What a box is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// A visit of this customer.
    Stored(FaceId),
    /// A new customer under this id.
    Created(FaceId),
    /// The face is that of this customer.
    AlreadyExists(FaceId),
    /// The face waits for a manager under this id.
    Waiting(FaceId),
    /// Somebody's visit, without identity.
    NotCounted(Because),
    /// The person has been removed: the box deletes the face.
    Removed,
    /// Nothing is stored.
    Refused(Reason),
}

/// Why a visit has no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The store makes nobody a customer.
    NobodyIsEnrolled,
    /// The face was taken for new without knowing of the newest removal: it may be the removed person's.
    DecidedTooEarly,
    /// There is no such customer.
    UnknownFace,
}

/// What is answered about a visit that is stored, as often as it is sent: what it is, and whose it is by now.
pub fn status(kind: Kind, face_id: Option<FaceId>) -> Status {
    match (kind, face_id) {
        (Kind::Known, Some(face_id)) => Status::Stored(face_id),
        (Kind::Enrolled, Some(face_id)) => Status::Created(face_id),
        (Kind::Merged, Some(face_id)) => Status::AlreadyExists(face_id),
        (Kind::Waiting, Some(face_id)) => Status::Waiting(face_id),
        // A removal takes the identity from all visits.
        (Kind::Known | Kind::Enrolled | Kind::Merged | Kind::Waiting, None) => Status::Removed,
        (Kind::LagHit | Kind::StaleHit, _) => Status::Removed,
        (Kind::Anonymous, _) => Status::NotCounted(Because::NobodyIsEnrolled),
        (Kind::Untrusted, _) => Status::NotCounted(Because::DecidedTooEarly),
        (Kind::Unknown, _) => Status::NotCounted(Because::UnknownFace),
    }
}

/// Whether a new face may have the id that its box asks for. Boxes number their people by themselves, so the same number
/// comes twice for two persons: only one that nobody has, had, or waits under is given.
pub fn is_free(standing: &Standing) -> bool {
    *standing == Standing::Unknown
}

/// What a visit was decided on: what the answer had brought its box to that it had then. Of a box that had none nothing
/// is known but that it did not know of any removal.
pub fn basis(had: Option<&Reach>, totals: &Totals) -> Basis {
    match had {
        Some(reach) => Basis { epoch: reach.epoch, verified: reach.removed, staleness_s: 0 },
        None => Basis { epoch: totals.epoch, verified: Seq(0), staleness_s: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::poll::End;
    use protocol::{Digest, Epoch};

    #[test]
    fn a_box_is_told_whose_a_visit_is_by_now() {
        let a = || Some("a".parse::<FaceId>().unwrap());
        let id = || a().unwrap();
        for (kind, face_id, expected) in [
            (Kind::Known, a(), Status::Stored(id())),
            (Kind::Enrolled, a(), Status::Created(id())),
            (Kind::Merged, a(), Status::AlreadyExists(id())),
            (Kind::Waiting, a(), Status::Waiting(id())),
            (Kind::Known, None, Status::Removed),
            (Kind::Enrolled, None, Status::Removed),
            (Kind::Merged, None, Status::Removed),
            (Kind::Waiting, None, Status::Removed),
            (Kind::LagHit, None, Status::Removed),
            (Kind::StaleHit, None, Status::Removed),
            (Kind::Anonymous, None, Status::NotCounted(Because::NobodyIsEnrolled)),
            (Kind::Untrusted, None, Status::NotCounted(Because::DecidedTooEarly)),
            (Kind::Unknown, None, Status::NotCounted(Because::UnknownFace)),
        ] {
            assert_eq!(status(kind, face_id.clone()), expected, "{kind} of {face_id:?}");
        }
    }

    #[test]
    fn only_an_id_that_nobody_has_or_had_is_given() {
        let a: FaceId = "a".parse().unwrap();
        for (standing, free) in [
            (Standing::Unknown, true),
            (Standing::Waiting, false),
            (Standing::Live, false),
            (Standing::MergedInto(a), false),
            (Standing::Removed(Seq(3)), false),
        ] {
            assert_eq!(is_free(&standing), free, "{standing:?}");
        }
    }

    #[test]
    fn a_visit_was_decided_on_the_answer_that_its_box_had() {
        let totals =
            Totals { epoch: Epoch(7), seq: Seq(50), count: 3, digest: Digest::EMPTY, last_removal: Seq(40) };
        let reach =
            Reach { epoch: Epoch(6), removed: Seq(45), changed: Seq(9), held: Seq(9), end: End::Whole };
        for (had, epoch, verified) in [(Some(&reach), 6, 45), (None, 7, 0)] {
            let basis = basis(had, &totals);
            assert_eq!((basis.epoch, basis.verified), (Epoch(epoch), Seq(verified)), "{had:?}");
        }
    }
}
