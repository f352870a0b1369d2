//! What becomes of a visit that came in.

use super::totals::Totals;
use crate::tables::{spaces::Space, visits::Kind};
use protocol::{
    Epoch, FaceId, Seq,
    message::{Basis, EnrolPolicy},
};

/// What the website knows of a face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Never heard of, or forgotten with its tombstone.
    Unknown,
    /// In the review queue.
    Waiting,
    /// A customer.
    Live,
    /// It turned out to be this customer, who is live.
    MergedInto(FaceId),
    /// Erased at this seq, or merged into somebody who was.
    Removed(Seq),
}

/// What the tables hold of one face.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// Its own row.
    pub row: Option<(Seq, RowIs)>,
    /// Whom it was merged into, and that one's row.
    pub winner: Option<(FaceId, Option<(Seq, RowIs)>)>,
    /// Its recorded removal, which outlives its tombstone.
    pub erased: Option<(Epoch, Seq)>,
    /// Its place in the review queue.
    pub queued: Queued,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowIs {
    /// A customer.
    Live,
    /// The tombstone of somebody removed.
    Removed,
    /// The tombstone of a face that turned out to be another one.
    Merged,
}

/// Whether a face waits for a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queued {
    /// It does.
    Waiting,
    /// It does not.
    #[default]
    No,
}

/// What the website knows of a face, from what its tables hold.
pub fn standing(traces: Traces, totals: &Totals) -> Standing {
    let Traces { row, winner, erased, queued } = traces;
    match (row, winner, erased, queued) {
        (Some((_, RowIs::Live)), ..) => Standing::Live,
        (Some((seq, RowIs::Removed)), ..) => Standing::Removed(seq),
        (_, Some((winner, Some((_, RowIs::Live)))), ..) => Standing::MergedInto(winner),
        (_, Some((_, Some((seq, _)))), ..) => Standing::Removed(seq),
        (_, Some((_, None)), ..) => Standing::Removed(totals.last_removal),
        // Its tombstone is cleared; of an earlier epoch it is older than whatever was verified since, if anything was.
        (_, None, Some((epoch, seq)), _) => {
            Standing::Removed(if epoch == totals.epoch { seq } else { Seq(1) })
        }
        (_, None, None, Queued::Waiting) => Standing::Waiting,
        (_, None, None, Queued::No) => Standing::Unknown,
    }
}

/// What to do with a visit. It is stored in every case, once; [`Verdict::Dead`] as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This customer's, or this waiting face's.
    Of(Kind, FaceId),
    /// Nobody's.
    Nobody(Kind),
    /// Nobody's, an alarm, and the edge is told to compare its rows.
    StaleHit,
    /// A new customer; whom it may be, where the similarity lies between the two thresholds.
    Enrol {
        /// Whom it may be.
        duplicate_of: Option<FaceId>,
    },
    /// The face is another one's: that one's visit.
    MergeInto(FaceId),
    /// Into the review queue.
    Wait,
    /// It can never be stored.
    Dead(Reason),
}

/// Why a visit can never be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A new face under an id that exists or existed.
    IdTaken,
    /// A new face in a space that no edge has registered.
    UnknownSpace,
    /// A new face of another dimension than its space has.
    WrongDimension,
    /// The database refused the content.
    Refused,
}

impl Reason {
    /// The reason as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::IdTaken => "id_taken",
            Reason::UnknownSpace => "unknown_space",
            Reason::WrongDimension => "wrong_dimension",
            Reason::Refused => "refused",
        }
    }
}

/// Judges a visit of a face the edge knew. Removal wins: a hit on somebody removed is stored without identity. It
/// is expected while the edge had not verified the removal, and an alarm once it had. The basis is the verified
/// floor; one of another epoch is older than any seq.
pub fn known(face_id: &FaceId, standing: &Standing, basis: &Basis, totals: &Totals) -> Verdict {
    match standing {
        Standing::Live => Verdict::Of(Kind::Known, face_id.clone()),
        Standing::Waiting => Verdict::Of(Kind::Waiting, face_id.clone()),
        Standing::MergedInto(winner) => Verdict::Of(Kind::Known, winner.clone()),
        Standing::Removed(seq) if basis.epoch == totals.epoch && basis.verified >= *seq => Verdict::StaleHit,
        Standing::Removed(_) => Verdict::Nobody(Kind::LagHit),
        Standing::Unknown => Verdict::Nobody(Kind::Unknown),
    }
}

/// Judges a new face as far as that needs no comparison; `None` when it must be compared with the location's
/// customers. An enrolment decided on less than the newest removal is not trusted: it may be the removed person.
pub fn new_before_search(
    standing: &Standing,
    space: Option<&Space>,
    dimension: usize,
    basis: &Basis,
    totals: &Totals,
    policy: EnrolPolicy,
) -> Option<Verdict> {
    if *standing != Standing::Unknown {
        return Some(Verdict::Dead(Reason::IdTaken));
    }
    let Some(space) = space else { return Some(Verdict::Dead(Reason::UnknownSpace)) };
    if space.dimension != dimension {
        return Some(Verdict::Dead(Reason::WrongDimension));
    }
    if policy == EnrolPolicy::Off {
        return Some(Verdict::Nobody(Kind::Anonymous));
    }
    if basis.epoch != totals.epoch || basis.verified < totals.last_removal {
        return Some(Verdict::Nobody(Kind::Untrusted));
    }
    None
}

/// Judges a new face by the most alike live customer of its space; whoever is below `new_below` may be left out.
/// Splitting one person is repairable, merging two strangers is not: only at the match threshold it is the same one.
pub fn new_after_search(nearest: Option<(&FaceId, f32)>, space: &Space, policy: EnrolPolicy) -> Verdict {
    match nearest {
        Some((face, similarity)) if similarity >= space.match_at.cosine() => Verdict::MergeInto(face.clone()),
        _ if policy == EnrolPolicy::Approve => Verdict::Wait,
        Some((face, similarity)) if similarity >= space.new_below.cosine() => {
            Verdict::Enrol { duplicate_of: Some(face.clone()) }
        }
        _ => Verdict::Enrol { duplicate_of: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Digest, message::Similarity};

    fn face(id: &str) -> FaceId {
        id.parse().unwrap()
    }

    fn basis(epoch: u64, verified: u64) -> Basis {
        Basis { epoch: Epoch(epoch), verified: Seq(verified), staleness_s: 0 }
    }

    const TOTALS: Totals =
        Totals { epoch: Epoch(7), seq: Seq(20), count: 2, digest: Digest::EMPTY, last_removal: Seq(10) };

    #[test]
    fn what_is_left_of_a_face_decides_its_standing() {
        let w = face("w");
        let of = |row, winner, erased, queued| Traces { row, winner, erased, queued };
        use Queued::{No, Waiting};
        use RowIs::{Live, Merged, Removed};
        let gone = |seq| Standing::Removed(Seq(seq));
        for (traces, expected) in [
            (of(Some((Seq(5), Live)), None, None, No), Standing::Live),
            (of(Some((Seq(5), Removed)), None, Some((Epoch(7), Seq(5))), No), gone(5)),
            (
                of(Some((Seq(5), Merged)), Some((w.clone(), Some((Seq(6), Live)))), None, No),
                Standing::MergedInto(w.clone()),
            ),
            (of(None, Some((w.clone(), Some((Seq(6), Live)))), None, No), Standing::MergedInto(w.clone())),
            (of(None, Some((w.clone(), Some((Seq(8), Removed)))), None, No), gone(8)),
            (of(None, Some((w, None)), None, No), gone(10)),
            (of(None, None, Some((Epoch(7), Seq(4))), No), gone(4)),
            (of(None, None, Some((Epoch(6), Seq(4))), No), gone(1)),
            (of(None, None, None, Waiting), Standing::Waiting),
            (Traces::default(), Standing::Unknown),
        ] {
            assert_eq!(standing(traces.clone(), &TOTALS), expected, "{traces:?}");
        }
    }

    #[test]
    fn a_known_face_is_judged_by_what_became_of_it() {
        let (a, w) = (face("a"), face("w"));
        for (standing, basis, verdict) in [
            (Standing::Live, basis(7, 3), Verdict::Of(Kind::Known, a.clone())),
            (Standing::Live, basis(6, 30), Verdict::Of(Kind::Known, a.clone())),
            (Standing::Waiting, basis(7, 3), Verdict::Of(Kind::Waiting, a.clone())),
            (Standing::MergedInto(w.clone()), basis(7, 20), Verdict::Of(Kind::Known, w)),
            (Standing::Removed(Seq(10)), basis(7, 9), Verdict::Nobody(Kind::LagHit)),
            (Standing::Removed(Seq(10)), basis(7, 10), Verdict::StaleHit),
            (Standing::Removed(Seq(10)), basis(7, 11), Verdict::StaleHit),
            (Standing::Removed(Seq(10)), basis(6, 11), Verdict::Nobody(Kind::LagHit)),
            (Standing::Removed(Seq(1)), basis(7, 0), Verdict::Nobody(Kind::LagHit)),
            (Standing::Unknown, basis(7, 20), Verdict::Nobody(Kind::Unknown)),
        ] {
            assert_eq!(known(&a, &standing, &basis, &TOTALS), verdict, "{standing:?} on {basis:?}");
        }
    }

    fn space() -> Space {
        Space {
            id: "m".parse().unwrap(),
            dimension: 512,
            match_at: Similarity(5500),
            new_below: Similarity(4500),
        }
    }

    #[test]
    fn a_new_face_is_refused_before_it_is_compared() {
        use EnrolPolicy::{Approve, Auto, Off};
        let space = space();
        let (known, none) = (Some(&space), None);
        let taken = Some(Verdict::Dead(Reason::IdTaken));
        for (standing, space, dimension, basis, policy, verdict) in [
            (Standing::Unknown, known, 512, basis(7, 10), Auto, None),
            (Standing::Unknown, known, 512, basis(7, 10), Approve, None),
            (Standing::Live, known, 512, basis(7, 10), Auto, taken.clone()),
            (Standing::Waiting, known, 512, basis(7, 10), Auto, taken.clone()),
            (Standing::Removed(Seq(1)), known, 512, basis(7, 10), Auto, taken),
            (Standing::Unknown, none, 512, basis(7, 10), Auto, Some(Verdict::Dead(Reason::UnknownSpace))),
            (Standing::Unknown, known, 128, basis(7, 10), Auto, Some(Verdict::Dead(Reason::WrongDimension))),
            (Standing::Unknown, known, 512, basis(7, 10), Off, Some(Verdict::Nobody(Kind::Anonymous))),
            (Standing::Unknown, known, 512, basis(7, 9), Auto, Some(Verdict::Nobody(Kind::Untrusted))),
            (Standing::Unknown, known, 512, basis(6, 99), Approve, Some(Verdict::Nobody(Kind::Untrusted))),
        ] {
            let got = new_before_search(&standing, space, dimension, &basis, &TOTALS, policy);
            assert_eq!(got, verdict, "{standing:?}, {dimension}, {basis:?}, {policy}");
        }
    }

    #[test]
    fn a_new_face_is_merged_only_at_the_match_threshold() {
        let (space, a) = (space(), face("a"));
        let split = |duplicate_of| Verdict::Enrol { duplicate_of };
        for (similarity, auto, approve) in [
            (None, split(None), Verdict::Wait),
            (Some(0.4499), split(None), Verdict::Wait),
            (Some(0.45), split(Some(a.clone())), Verdict::Wait),
            (Some(0.5499), split(Some(a.clone())), Verdict::Wait),
            (Some(0.55), Verdict::MergeInto(a.clone()), Verdict::MergeInto(a.clone())),
            (Some(f32::NAN), split(None), Verdict::Wait),
        ] {
            let nearest = similarity.map(|similarity| (&a, similarity));
            assert_eq!(new_after_search(nearest, &space, EnrolPolicy::Auto), auto, "{similarity:?}");
            assert_eq!(new_after_search(nearest, &space, EnrolPolicy::Approve), approve, "{similarity:?}");
        }
    }
}
