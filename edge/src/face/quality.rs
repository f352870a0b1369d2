//! How well a face is seen, and what may be done with it. Measured once, judged by pure functions.

use crate::face::geometry::{Point, Rect};
use crate::face::manifest::{Gate, Gates};
use image::RgbImage;
use serde::Serialize;

/// What was measured on one face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// The detector's certainty, 0 to 1.
    pub score: f32,
    /// The face's width, in pixels.
    pub width_px: f32,
    /// How far the nose is off the middle of the eyes, along the line of the eyes and over their distance: 0 is
    /// frontal, negative is a head turned to the image's left.
    pub yaw: f32,
    /// How far the line of the eyes is off the horizontal, in degrees, clockwise.
    pub roll_degrees: f32,
    /// Variance of the Laplacian of the aligned crop's brightness: comparable within one camera only.
    pub sharpness: f32,
    /// Whether the whole face lies inside the frame.
    pub whole: bool,
}

/// What a face is good enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Good enough to become somebody new.
    Enrol,
    /// Good enough to recognise somebody, not to enrol: this is what is missing.
    Match(Shortfall),
    /// Good for nothing: this is what is missing.
    Poor(Shortfall),
}

/// The first thing that keeps a face from a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortfall {
    /// The detector is not sure that it is a face.
    Unsure,
    /// Too few pixels.
    Small,
    /// The frame's edge cuts it.
    CutOff,
    /// Turned to the side.
    Turned,
    /// Tilted.
    Tilted,
    /// Blurred, for this camera.
    Blurred,
    /// A second look at it contradicted the first.
    Disputed,
    /// Not in view for long enough, or in too few good frames.
    Brief,
    /// Its landmarks cannot be aligned, or the embedder gave no direction.
    Unusable,
}

impl Quality {
    /// Measures a face: its box and landmarks in a frame of `frame_size` (width, height), and its aligned crop, when it
    /// has one.
    pub fn measure(
        score: f32,
        bounds: Rect,
        landmarks: &[Point; 5],
        crop: Option<&RgbImage>,
        frame_size: (u32, u32),
    ) -> Self {
        let [left, right, nose, ..] = *landmarks;
        let apart = left.distance(right).max(f32::EPSILON);
        let (along_x, along_y) = (right.x - left.x, right.y - left.y);
        let (off_x, off_y) = (nose.x - (left.x + right.x) / 2.0, nose.y - (left.y + right.y) / 2.0);
        Self {
            score,
            width_px: bounds.w.min(bounds.h),
            yaw: (off_x * along_x + off_y * along_y) / (apart * apart),
            roll_degrees: along_y.atan2(along_x).to_degrees(),
            sharpness: crop.map_or(0.0, sharpness),
            whole: bounds.lies_within(frame_size.0, frame_size.1),
        }
    }

    /// What the face is good enough for. `usual_sharpness` is the camera's running median; without one (a still, or
    /// a camera just started) sharpness is not judged.
    pub fn grade(&self, gates: &Gates, usual_sharpness: Option<f32>) -> Grade {
        if let Some(missing) = self.shortfall(&gates.matches, usual_sharpness) {
            return Grade::Poor(missing);
        }
        self.shortfall(&gates.new, usual_sharpness).map_or(Grade::Enrol, Grade::Match)
    }

    /// What is missing for one gate. Written as "not at least", so that a measure that is no number fails.
    fn shortfall(&self, gate: &Gate, usual_sharpness: Option<f32>) -> Option<Shortfall> {
        let sharp = usual_sharpness.is_none_or(|usual| self.sharpness >= usual * gate.sharpness);
        [
            (self.score >= gate.score, Shortfall::Unsure),
            (self.width_px >= gate.width_px, Shortfall::Small),
            (self.whole, Shortfall::CutOff),
            (self.yaw.abs() <= gate.yaw, Shortfall::Turned),
            (self.roll_degrees.abs() <= gate.roll_degrees, Shortfall::Tilted),
            (sharp, Shortfall::Blurred),
        ]
        .into_iter()
        .find_map(|(enough, missing)| (!enough).then_some(missing))
    }
}

/// Variance of the 4-neighbour Laplacian over the inner pixels of the crop's brightness (ITU-R BT.601 weights).
fn sharpness(crop: &RgbImage) -> f32 {
    let (width, height) = (crop.width() as usize, crop.height() as usize);
    let grey: Vec<f32> = crop
        .pixels()
        .map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
        .collect();
    let (mut sum, mut squares, mut count) = (0.0_f64, 0.0_f64, 0.0_f64);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let i = y * width + x;
            let edge = grey[i - width] + grey[i + width] + grey[i - 1] + grey[i + 1] - 4.0 * grey[i];
            sum += f64::from(edge);
            squares += f64::from(edge).powi(2);
            count += 1.0;
        }
    }
    if count == 0.0 { 0.0 } else { (squares / count - (sum / count).powi(2)) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::manifest::Manifest;

    const GOOD: Quality =
        Quality { score: 0.93, width_px: 90.0, yaw: 0.05, roll_degrees: -2.0, sharpness: 50.0, whole: true };

    #[test]
    fn each_measure_alone_can_fail_each_gate() {
        let gates = Manifest::shipped().remove(0).gates;
        let usual = Some(50.0);
        for (quality, expected) in [
            (GOOD, Grade::Enrol),
            (Quality { score: 0.85, ..GOOD }, Grade::Match(Shortfall::Unsure)),
            (Quality { score: 0.79, ..GOOD }, Grade::Poor(Shortfall::Unsure)),
            (Quality { score: f32::NAN, ..GOOD }, Grade::Poor(Shortfall::Unsure)),
            (Quality { width_px: 63.9, ..GOOD }, Grade::Match(Shortfall::Small)),
            (Quality { width_px: 47.9, ..GOOD }, Grade::Poor(Shortfall::Small)),
            (Quality { yaw: -0.21, ..GOOD }, Grade::Match(Shortfall::Turned)),
            (Quality { yaw: 0.26, ..GOOD }, Grade::Poor(Shortfall::Turned)),
            (Quality { yaw: f32::NAN, ..GOOD }, Grade::Poor(Shortfall::Turned)),
            (Quality { roll_degrees: 35.1, ..GOOD }, Grade::Match(Shortfall::Tilted)),
            (Quality { roll_degrees: -40.1, ..GOOD }, Grade::Poor(Shortfall::Tilted)),
            (Quality { whole: false, ..GOOD }, Grade::Poor(Shortfall::CutOff)),
            (Quality { sharpness: 1.0, ..GOOD }, Grade::Poor(Shortfall::Blurred)),
        ] {
            assert_eq!(quality.grade(&gates, usual), expected, "{quality:?}");
        }
        let blurred = Quality { sharpness: 1.0, ..GOOD };
        assert_eq!(blurred.grade(&gates, None), Grade::Enrol, "a still has no camera to be compared with");
    }

    #[test]
    fn a_sharp_edge_measures_sharper_than_a_ramp() {
        let stripes =
            RgbImage::from_fn(112, 112, |x, _| image::Rgb([if x / 4 % 2 == 0 { 0 } else { 255 }; 3]));
        let ramp = RgbImage::from_fn(112, 112, |x, _| image::Rgb([2 * x as u8; 3]));
        assert!(sharpness(&stripes) > 1000.0 && sharpness(&ramp) < 1.0);
        assert_eq!(sharpness(&RgbImage::new(1, 1)), 0.0);
    }
}
