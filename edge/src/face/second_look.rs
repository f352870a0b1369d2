//! A second look at a small or tilted face. YuNet puts upright landmarks on a tilted head, the more so the smaller it is:
//! of a head of 64 pixels that is tilted by 30 degrees it says 4. Aligned by these, the face resembles nobody, and a regular
//! becomes somebody new. So the face's surroundings are cut out three times, enlarged, as they are and turned by
//! [`TURN_DEGREES`] to either side, and the detector looks again: it is surest where the head is the most upright, and there
//! it is right.
//!
//! Pure: whoever owns the detector runs it on each [`View`], and [`verdict`] judges what it found. The figures were measured
//! on eleven portraits, with faces of 66, of 80 and of up to 230 pixels, turned by up to 30 degrees (820 looks, none of which
//! gave an embedding less than 0.55 like the upright portrait's); `edge/tests/face/tilted.rs` repeats it.

use crate::face::align::Similarity;
use crate::face::detect::Detection;
use crate::face::geometry::{Point, Rect};
use crate::face::manifest;
use image::RgbImage;

/// How far the surroundings are turned, in degrees. Up to 45 no head is tilted by more than half of it in one view, and there
/// the landmarks are right.
pub const TURN_DEGREES: f64 = 30.0;
/// The face's width in a view, in pixels. Turned by 20 degrees, one portrait in eight was still seen wrongly with 96, one in a
/// hundred with 128, none with 160.
const FACE_PX: f64 = 160.0;
/// A view's side over the face's longer side.
const SURROUNDINGS: f64 = 1.6;
/// A view's side is a multiple of this: the detector would fill it up with black.
const SIDE_STEP_PX: f64 = 32.0;
/// A view with a longer side shows no face: its box is more than twice as high as it is wide, or as wide as high.
const SIDE_PX_MAX: f64 = 2.0 * FACE_PX * SURROUNDINGS;
/// Both looks found the same face when their boxes overlap at least so much; 0.56 was the least.
const SAME_FACE_IOU: f32 = 0.5;
/// A head is level when the upright view's score is at least so much above the others': 0.008 was the least of all given stills
/// and clips. Below it the head may be tilted by half a turn, and the upright view, which is the larger one, knows better
/// than the first look.
const LEVEL_LEAD: f32 = 0.006;
/// In an upright view no landmark is farther off than this from the first look's, in distances between the eyes; 0.26 was the
/// most.
const OFF_LEVEL: f32 = 0.3;
/// In a turned one the first look is wrong, by 0.39 when it is level and the head tilted by 30 degrees, and by 0.2 of scatter.
/// Beyond this nobody knows which of the two is wrong.
const OFF_TILTED: f32 = 0.6;

/// The surroundings of a face, as the detector is shown them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    map: Similarity,
    side_px: u32,
    upright: bool,
}

/// A face in a view, in pixels of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    score: f32,
    bounds: Rect,
    landmarks: [Point; 5],
    upright: bool,
}

/// What the second look says of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The first look stands: the head is level.
    Stands,
    /// The head is tilted, or may be, and its landmarks are these.
    Corrected([Point; 5]),
    /// The two looks contradict each other: neither is believed.
    Disputed,
}

/// Whether the first look may be wrong: the face is small, or its landmarks are tilted (then it is tilted more than they
/// are), or they are level and its box is wider than that of an upright head.
pub fn is_needed(first: &Detection, rules: &manifest::SecondLook) -> bool {
    let [left, right, ..] = first.landmarks;
    let roll_degrees = (right.y - left.y).atan2(right.x - left.x).to_degrees();
    let Rect { w, h, .. } = first.bounds;
    // Written as "not surely upright", so that what is no number is looked at again.
    !(w.min(h) >= rules.below_px && w <= h * rules.wide && roll_degrees.abs() <= rules.roll_degrees)
}

/// The three views of a face; none of a box that is none.
pub fn views(first: &Detection) -> Vec<View> {
    let [short, long] =
        [first.bounds.w.min(first.bounds.h), first.bounds.w.max(first.bounds.h)].map(f64::from);
    let side = FACE_PX * SURROUNDINGS * long / short;
    if !(short >= 1.0 && side <= SIDE_PX_MAX) {
        return Vec::new();
    }
    let side_px = ((side / SIDE_STEP_PX).ceil() * SIDE_STEP_PX) as u32;
    let turned = |degrees| View {
        map: Similarity::around(first.bounds.centre(), FACE_PX / short, degrees, side_px),
        side_px,
        upright: degrees == 0.0,
    };
    [0.0, -TURN_DEGREES, TURN_DEGREES].map(turned).to_vec()
}

impl View {
    /// Cuts the view out of the frame; what lies outside is black.
    pub fn cut(&self, frame: &RgbImage) -> RgbImage {
        self.map.cut(frame, self.side_px)
    }

    /// The face that was looked for, among those found in the view: the one at its place.
    pub fn find(&self, first: &Detection, found: &[Detection]) -> Option<Seen> {
        let seen = found.iter().map(|face| {
            let centre = self.map.back(face.bounds.centre());
            let [w, h] = [face.bounds.w, face.bounds.h].map(|v| v / self.map.scale() as f32);
            Seen {
                score: face.score,
                // A box has no direction: it is taken as if the view were not turned.
                bounds: Rect { x: centre.x - w / 2.0, y: centre.y - h / 2.0, w, h },
                landmarks: face.landmarks.map(|p| self.map.back(p)),
                upright: self.upright,
            }
        });
        seen.filter(|seen| seen.bounds.iou(first.bounds) >= SAME_FACE_IOU)
            .max_by(|a, b| a.bounds.iou(first.bounds).total_cmp(&b.bounds.iou(first.bounds)))
    }
}

/// Judges the first look by what was seen in the views.
pub fn verdict(first: &Detection, seen: &[Seen]) -> Verdict {
    let Some(surest) = seen.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else {
        return Verdict::Disputed;
    };
    let [left, right, ..] = surest.landmarks;
    let most_px = left.distance(right) * if surest.upright { OFF_LEVEL } else { OFF_TILTED };
    // What is no number is not at most anything, and so a contradiction.
    let alike = first.landmarks.iter().zip(surest.landmarks).all(|(a, b)| a.distance(b) <= most_px);
    let level = seen.iter().all(|other| other.upright || other.score + LEVEL_LEAD <= surest.score);
    match (alike, level) {
        (true, true) => Verdict::Stands,
        (true, false) => Verdict::Corrected(surest.landmarks),
        (false, _) => Verdict::Disputed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::align::ARCFACE_112;
    use crate::face::manifest::Manifest;

    fn rules() -> manifest::SecondLook {
        Manifest::shipped().remove(0).second_look.unwrap()
    }

    /// A face of the template's shape, `width` pixels wide, whose landmarks are tilted by so many degrees.
    fn face(width: f32, aspect: f32, tilt_degrees: f32) -> Detection {
        let (centre, scale) = (Point { x: 500.0, y: 400.0 }, width / 80.0);
        let (sin, cos) = tilt_degrees.to_radians().sin_cos();
        let landmarks = ARCFACE_112.map(|p| {
            let (x, y) = ((p.x - 56.0) * scale, (p.y - 72.0) * scale);
            Point { x: centre.x + cos * x - sin * y, y: centre.y + sin * x + cos * y }
        });
        let h = width / aspect;
        let bounds = Rect { x: centre.x - width / 2.0, y: centre.y - h / 2.0, w: width, h };
        Detection { bounds, score: 0.93, landmarks }
    }

    fn seen(face: &Detection, score: f32, upright: bool) -> Seen {
        Seen { score, bounds: face.bounds, landmarks: face.landmarks, upright }
    }

    #[test]
    fn a_large_level_face_of_an_upright_heads_shape_needs_no_second_look() {
        for (width, aspect, tilt, expected) in [
            (150.0, 0.72, 0.0, false),
            (150.0, 0.72, -2.5, false),
            (150.0, 0.72, 3.5, true),
            (150.0, 0.72, -3.5, true),
            (150.0, 0.80, 0.0, true),
            (99.0, 0.72, 0.0, true),
            (f32::NAN, 0.72, 0.0, true),
            (150.0, f32::NAN, 0.0, true),
            (150.0, 0.72, f32::NAN, true),
        ] {
            assert_eq!(is_needed(&face(width, aspect, tilt), &rules()), expected, "{width} {aspect} {tilt}");
        }
    }

    #[test]
    fn every_view_shows_the_face_in_its_middle_and_finds_it_again() {
        let first = face(64.0, 0.75, 0.0);
        let all = views(&first);
        assert_eq!(all.len(), 3);
        for view in all {
            let middle = f64::from(view.side_px - 1) / 2.0;
            let centre = view.map.back(Point { x: middle as f32, y: middle as f32 });
            assert!(centre.distance(first.bounds.centre()) < 0.01, "{centre:?}");
            let (w, h) = (160.0, 160.0 / 0.75);
            let bounds = Rect { x: middle as f32 - w / 2.0, y: middle as f32 - h / 2.0, w, h };
            let there = Detection { bounds, score: 0.9, landmarks: [Point { x: 1.0, y: 1.0 }; 5] };
            let elsewhere = Detection { bounds: Rect { x: 0.0, y: 0.0, ..bounds }, score: 0.99, ..there };
            let found = view.find(&first, &[elsewhere, there]).unwrap();
            assert!(found.score == 0.9 && found.bounds.iou(first.bounds) > 0.99, "{found:?}");
            assert_eq!(view.find(&first, &[elsewhere]), None, "somebody else in the same view");
        }
    }

    #[test]
    fn a_level_head_stands_a_tilted_one_is_put_right_and_a_contradiction_is_no_look() {
        let first = face(80.0, 0.8, 0.0);
        let [same, near, other, tilted, far] = [0.0, 5.0, 40.0, 25.0, 80.0].map(|tilt| face(80.0, 0.8, tilt));
        let nothing = Detection { landmarks: [Point { x: 0.0, y: 0.0 }; 5], ..first };
        let no_number = Detection { landmarks: [Point { x: f32::NAN, y: 0.0 }; 5], ..first };
        let mut one_missing = same;
        one_missing.landmarks[4].x = -f32::NAN;
        for (what, all, expected) in [
            ("level", vec![seen(&same, 0.94, true), seen(&tilted, 0.90, false)], Verdict::Stands),
            (
                "tilted",
                vec![seen(&same, 0.91, true), seen(&tilted, 0.94, false)],
                Verdict::Corrected(tilted.landmarks),
            ),
            (
                "hardly level",
                vec![seen(&near, 0.94, true), seen(&tilted, 0.936, false)],
                Verdict::Corrected(near.landmarks),
            ),
            ("upright, and yet elsewhere", vec![seen(&other, 0.94, true)], Verdict::Disputed),
            ("tilted too far", vec![seen(&far, 0.94, false)], Verdict::Disputed),
            ("all in one point", vec![seen(&nothing, 0.94, false)], Verdict::Disputed),
            ("no numbers", vec![seen(&no_number, 0.94, false)], Verdict::Disputed),
            ("one of them no number", vec![seen(&one_missing, 0.94, true)], Verdict::Disputed),
            ("not found again", vec![], Verdict::Disputed),
        ] {
            assert_eq!(verdict(&first, &all), expected, "{what}");
        }
        assert_eq!(verdict(&no_number, &[seen(&same, 0.94, true)]), Verdict::Disputed);
    }

    #[test]
    fn no_geometry_makes_it_panic() {
        let numbers = [f32::NAN, f32::INFINITY, -f32::INFINITY, -1e30, -5.0, 0.0, 0.5, 80.0, 1e30];
        let frames = [RgbImage::new(1, 1), RgbImage::new(3, 200)];
        for (x, w) in numbers.into_iter().flat_map(|x| numbers.map(|w| (x, w))) {
            for h in [w, w * 1.3, 80.0, f32::NAN] {
                let first = Detection {
                    bounds: Rect { x, y: -x, w, h },
                    score: x,
                    landmarks: [
                        Point { x, y: w },
                        Point { x: w, y: h },
                        Point { x, y: x },
                        Point { x: h, y: w },
                        Point { x, y: h },
                    ],
                };
                is_needed(&first, &rules());
                for view in views(&first) {
                    assert!(f64::from(view.side_px) < SIDE_PX_MAX + SIDE_STEP_PX);
                    for frame in &frames {
                        assert_eq!(view.cut(frame).width(), view.side_px);
                    }
                    let again = view.find(&first, &[first]);
                    verdict(&first, again.as_slice());
                }
            }
        }
    }
}
