//! Faces followed over the frames of one camera, so that a decision rests on several good looks and falls once.
//!
//! Pure: the frame's time is an argument, and whoever decides tells the tracker with [`Tracker::settle`].

use crate::face::eyes::Face;
use crate::face::frame::FrameKind;
use crate::face::geometry::Rect;
use crate::face::manifest::{Gates, Manifest};
use crate::face::quality::{Grade, Shortfall};
use crate::face::sharpness::UsualSharpness;
use crate::face::vector::FaceVector;

/// A track not seen for this long is over, in milliseconds.
const GONE_AFTER_MS: u64 = 1000;
/// Boxes of one face in consecutive frames overlap at least so much,
const SAME_FACE_IOU: f32 = 0.3;
/// or their middles are at most so many widths apart.
const SAME_FACE_WIDTHS: f32 = 0.6;
/// The newest good looks of a track that are averaged; more add nothing.
const LOOKS_MAX: usize = 16;

/// A face followed by one tracker; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(u64);

/// A face that is worth a decision now.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Whom to [`settle`](Tracker::settle).
    pub track: TrackId,
    /// When, in the source's milliseconds.
    pub at_ms: u64,
    /// The face as it is in this frame.
    pub face: Face,
    /// What the track as a whole is good enough for by now.
    pub grade: Grade,
    /// The mean of its good looks; those fit for enrolment, when `grade` is [`Grade::Enrol`].
    pub vector: FaceVector,
}

/// The faces in view of one camera, or of one folder of stills.
pub struct Tracker {
    manifest: Manifest,
    usual: UsualSharpness,
    tracks: Vec<Track>,
    next: u64,
}

struct Track {
    id: TrackId,
    bounds: Rect,
    first_ms: u64,
    last_ms: u64,
    /// Good looks, oldest first, and whether each is fit for enrolment.
    looks: Vec<(FaceVector, Grade)>,
    settled: bool,
}

impl Tracker {
    /// Nobody in view.
    pub fn new(manifest: &Manifest) -> Self {
        Self { manifest: manifest.clone(), usual: UsualSharpness::default(), tracks: Vec::new(), next: 0 }
    }

    /// Takes the faces of one frame and answers with those that are worth a decision: of every track that nobody has
    /// settled, when this frame added a good look. `at_ms` does not go back.
    pub fn observe(&mut self, at_ms: u64, kind: FrameKind, faces: Vec<Face>) -> Vec<Sighting> {
        if kind == FrameKind::Still {
            // Nothing continues from one still to the next.
            self.tracks.clear();
        }
        self.tracks.retain(|track| at_ms.saturating_sub(track.last_ms) <= GONE_AFTER_MS);
        let pairs = pair(&self.tracks, &faces);
        let mut sightings = Vec::new();
        for (face, known) in faces.into_iter().zip(pairs) {
            let usual = if kind == FrameKind::Still { None } else { self.usual.median() };
            let grade = self.judge(&face, usual);
            if kind == FrameKind::Moving {
                self.usual.note(face.quality.sharpness);
            }
            let index = self.continued(known, &face, grade, at_ms);
            sightings.extend(self.tracks[index].look(face, grade, at_ms, kind, &self.manifest.gates));
        }
        sightings
    }

    /// The track has its answer: it gives no more sightings, for as long as the face stays in view.
    pub fn settle(&mut self, track: TrackId) {
        if let Some(found) = self.tracks.iter_mut().find(|t| t.id == track) {
            found.settled = true;
        }
    }

    /// Tracks in view.
    pub fn in_view(&self) -> usize {
        self.tracks.len()
    }

    fn judge(&self, face: &Face, usual_sharpness: Option<f32>) -> Grade {
        match face.vector {
            // Judged poor by itself already, or not to be embedded.
            None => face.grade,
            Some(_) => face.quality.grade(&self.manifest.gates, usual_sharpness),
        }
    }

    /// The place of the track that a face belongs to: the one at its place, unless a good look shows somebody else there.
    fn continued(&mut self, known: Option<TrackId>, face: &Face, grade: Grade, at_ms: u64) -> usize {
        let same_track = self.manifest.thresholds.same_track;
        let known = known.and_then(|id| self.tracks.iter().position(|track| track.id == id));
        match known {
            Some(index) if !self.tracks[index].is_another(face, grade, same_track) => index,
            other => {
                let id = TrackId(self.next);
                self.next += 1;
                let fresh = Track {
                    id,
                    bounds: face.bounds,
                    first_ms: at_ms,
                    last_ms: at_ms,
                    looks: vec![],
                    settled: false,
                };
                if let Some(index) = other {
                    self.tracks.swap_remove(index);
                }
                self.tracks.push(fresh);
                self.tracks.len() - 1
            }
        }
    }
}

impl Track {
    fn is_another(&self, face: &Face, grade: Grade, same_track: f32) -> bool {
        let (Some(vector), Some(mean)) = (&face.vector, FaceVector::mean(self.looks.iter().map(|(v, _)| v)))
        else {
            return false;
        };
        !matches!(grade, Grade::Poor(_)) && vector.cosine(&mean) < same_track
    }

    fn look(
        &mut self,
        face: Face,
        grade: Grade,
        at_ms: u64,
        kind: FrameKind,
        gates: &Gates,
    ) -> Option<Sighting> {
        (self.bounds, self.last_ms) = (face.bounds, at_ms);
        let vector = face.vector.clone().filter(|_| !matches!(grade, Grade::Poor(_)))?;
        if self.looks.len() == LOOKS_MAX {
            self.looks.remove(0);
        }
        self.looks.push((vector, grade));
        if self.settled {
            return None;
        }
        let grade = self.grade(grade, kind, gates);
        let fit = |look: &Grade| grade != Grade::Enrol || *look == Grade::Enrol;
        let vector =
            FaceVector::mean(self.looks.iter().filter(|(_, look)| fit(look)).map(|(vector, _)| vector))?;
        Some(Sighting { track: self.id, at_ms, face, grade, vector })
    }

    /// What the track is good enough for, with the newest look in it.
    fn grade(&self, newest: Grade, kind: FrameKind, gates: &Gates) -> Grade {
        if kind == FrameKind::Still {
            return newest;
        }
        let fit = self.looks.iter().filter(|(_, grade)| *grade == Grade::Enrol).count();
        let long_enough = self.last_ms.saturating_sub(self.first_ms) >= gates.in_view_ms;
        match newest {
            Grade::Enrol if long_enough && fit >= gates.frames => Grade::Enrol,
            Grade::Enrol => Grade::Match(Shortfall::Brief),
            other => other,
        }
    }
}

/// For every face the track it continues, the nearest pairs first; a track continues in one face.
fn pair(tracks: &[Track], faces: &[Face]) -> Vec<Option<TrackId>> {
    let mut candidates: Vec<(f32, usize, TrackId)> = Vec::new();
    for (index, face) in faces.iter().enumerate() {
        for track in tracks {
            let iou = track.bounds.iou(face.bounds);
            let widths = track.bounds.centre().distance(face.bounds.centre())
                / track.bounds.w.min(face.bounds.w).max(f32::EPSILON);
            if iou >= SAME_FACE_IOU || widths <= SAME_FACE_WIDTHS {
                candidates.push((iou - widths, index, track.id));
            }
        }
    }
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut pairs = vec![None; faces.len()];
    for (_, face, track) in candidates {
        if pairs[face].is_none() && !pairs.contains(&Some(track)) {
            pairs[face] = Some(track);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::geometry::Point;
    use crate::face::quality::Quality;

    const FRAME_MS: u64 = 100;

    fn face(x: f32, person: [f32; 3], width_px: f32) -> Face {
        let manifest = Manifest::shipped().remove(0);
        let quality =
            Quality { score: 0.95, width_px, yaw: 0.0, roll_degrees: 0.0, sharpness: 50.0, whole: true };
        let grade = quality.grade(&manifest.gates, None);
        let vector = FaceVector::from_output(&person).filter(|_| !matches!(grade, Grade::Poor(_)));
        let bounds = Rect { x, y: 0.0, w: width_px, h: width_px };
        Face { bounds, landmarks: [Point { x, y: 0.0 }; 5], quality, grade, vector }
    }

    const ADA: [f32; 3] = [1.0, 0.1, 0.0];
    const BOB: [f32; 3] = [0.0, 0.1, 1.0];

    fn tracker() -> Tracker {
        Tracker::new(&Manifest::shipped().remove(0))
    }

    /// The frame at which a track of these faces is first good enough to be enrolled.
    fn enrolled_at(frames: u64, seen: impl Fn(u64) -> Vec<Face>) -> Option<u64> {
        let mut tracker = tracker();
        (0..frames).find(|n| {
            let sightings = tracker.observe(n * FRAME_MS, FrameKind::Moving, seen(*n));
            sightings.iter().any(|sighting| sighting.grade == Grade::Enrol)
        })
    }

    #[test]
    fn somebody_new_is_in_view_for_a_second_in_enough_good_frames() {
        type Seen = fn(u64) -> Vec<Face>;
        let cases: [(&str, Seen, Option<u64>); 6] = [
            ("standing", |_| vec![face(0.0, ADA, 90.0)], Some(10)),
            ("walking", |n| vec![face(n as f32 * 40.0, ADA, 90.0)], Some(10)),
            ("jumping about", |n| vec![face(n as f32 * 400.0, ADA, 90.0)], None),
            (
                "good in every third frame",
                |n| vec![face(0.0, ADA, if n % 3 == 0 { 90.0 } else { 50.0 })],
                Some(12),
            ),
            (
                "away for two seconds",
                |n| if (8..28).contains(&n) { vec![] } else { vec![face(0.0, ADA, 90.0)] },
                None,
            ),
            ("too small", |_| vec![face(0.0, ADA, 50.0)], None),
        ];
        for (what, seen, expected) in cases {
            assert_eq!(enrolled_at(37, seen), expected, "{what}");
        }
    }

    #[test]
    fn a_good_face_is_offered_at_once_for_matching_and_a_poor_one_never() {
        let mut tracker = tracker();
        let sightings =
            tracker.observe(0, FrameKind::Moving, vec![face(0.0, ADA, 90.0), face(500.0, BOB, 20.0)]);
        assert_eq!(sightings.len(), 1);
        assert_eq!((sightings[0].grade, tracker.in_view()), (Grade::Match(Shortfall::Brief), 2));
    }

    #[test]
    fn a_settled_track_is_silent_until_the_face_was_away() {
        let mut tracker = tracker();
        let look = |tracker: &mut Tracker, at_ms| {
            tracker.observe(at_ms, FrameKind::Moving, vec![face(0.0, ADA, 90.0)])
        };
        let first = look(&mut tracker, 0)[0].track;
        tracker.settle(first);
        assert!(look(&mut tracker, 900).is_empty() && look(&mut tracker, 1900).is_empty());
        let again = look(&mut tracker, 2901);
        assert!(again.len() == 1 && again[0].track != first);
    }

    #[test]
    fn two_people_are_never_averaged() {
        let mut tracker = tracker();
        let mut tracks = Vec::new();
        for n in 0..10 {
            // Side by side, and listed in turns; then Bob stands where Ada stood.
            let mut faces = vec![face(0.0, ADA, 90.0), face(100.0, BOB, 90.0)];
            if n % 2 == 1 {
                faces.reverse();
            }
            tracks.extend(tracker.observe(n * FRAME_MS, FrameKind::Moving, faces));
        }
        let swapped = tracker.observe(10 * FRAME_MS, FrameKind::Moving, vec![face(0.0, BOB, 90.0)]);
        assert!(
            tracks.iter().all(|sighting| sighting.track != swapped[0].track),
            "somebody else, so another track"
        );
        let pure = [ADA, BOB].map(|person| FaceVector::from_output(&person).unwrap());
        for sighting in tracks.iter().chain(&swapped) {
            assert!(pure.iter().any(|person| person.cosine(&sighting.vector) > 0.9999));
        }
    }

    #[test]
    fn stills_stand_alone() {
        let mut tracker = tracker();
        for n in 0..3 {
            let sightings = tracker.observe(n, FrameKind::Still, vec![face(0.0, ADA, 90.0)]);
            assert_eq!(sightings[0].grade, Grade::Enrol);
            tracker.settle(sightings[0].track);
        }
    }
}
