//! What a face means, once it has been compared with everybody: a pure function, so that it can be shown to be right.

use crate::face::manifest::Thresholds;
use crate::face::quality::Grade;
use serde::Serialize;

/// The answer for one face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is the best match.
    Known,
    /// It may or may not be the best match: look again, and never create anybody.
    Ambiguous,
    /// It resembles nobody and is seen well enough to become somebody.
    New,
    /// It is not seen well enough to say anything, or resembles nobody and is not seen well enough to be enrolled.
    Poor,
}

/// Decides for a face of `grade` whose most similar customer has the cosine `best` (`None`: nobody reaches `thresholds.new`).
pub fn decide(grade: Grade, best: Option<f32>, thresholds: &Thresholds) -> Decision {
    let similarity = best.unwrap_or(-1.0);
    match grade {
        Grade::Poor(_) => Decision::Poor,
        _ if similarity >= thresholds.matches => Decision::Known,
        Grade::Enrol if similarity < thresholds.new => Decision::New,
        Grade::Match(_) if similarity < thresholds.new => Decision::Poor,
        // Between the thresholds, and everything that is no number.
        _ => Decision::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::quality::Shortfall;

    #[test]
    fn every_grade_and_similarity_has_one_answer() {
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let poor = Grade::Poor(Shortfall::Small);
        let fair = Grade::Match(Shortfall::Small);
        let none = None;
        for (grade, best, expected) in [
            (Grade::Enrol, Some(0.55), Decision::Known),
            (Grade::Enrol, Some(0.549), Decision::Ambiguous),
            (Grade::Enrol, Some(0.45), Decision::Ambiguous),
            (Grade::Enrol, Some(0.449), Decision::New),
            (Grade::Enrol, none, Decision::New),
            (Grade::Enrol, Some(f32::NAN), Decision::Ambiguous),
            (fair, Some(0.9), Decision::Known),
            (fair, Some(0.5), Decision::Ambiguous),
            (fair, Some(0.1), Decision::Poor),
            (fair, none, Decision::Poor),
            (poor, Some(1.0), Decision::Poor),
            (poor, none, Decision::Poor),
        ] {
            assert_eq!(decide(grade, best, &thresholds), expected, "{grade:?} {best:?}");
        }
    }
}
