//! YuNet: where the faces of a frame are. The decoding is that of the network's authors (Wu, Peng, Yu: "YuNet: a tiny
//! millisecond-level face detector", 2023): three grids of cells, each cell one candidate.

use crate::face::geometry::{Point, Rect};
use crate::face::manifest::{self, DetectorInput, DetectorKind};
use crate::face::onnx::{Layout, Network, Output, Runtime};
use anyhow::{Context, Result, ensure};
use image::RgbImage;
use image::imageops::{self, FilterType};
use std::path::Path;

const STRIDES: [usize; 3] = [8, 16, 32];
const FIXED_PX: u32 = 640;
/// A frame of a crowd has fewer faces than this; a frame with more is noise.
const FACES_MAX: usize = 256;

/// A found face, in pixels of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its box; it may reach beyond the frame.
    pub bounds: Rect,
    /// Certainty, 0 to 1.
    pub score: f32,
    /// Eye at the image's left, eye at its right, nose, mouth's left and right corner.
    pub landmarks: [Point; 5],
}

/// The detector, ready to run.
pub struct Detector {
    network: Network,
    rules: manifest::Detector,
}

/// A frame as the network takes it.
struct Canvas {
    width: usize,
    height: usize,
    /// Planes blue, green, red.
    values: Vec<f32>,
    /// Pixels of the canvas for a pixel of the frame.
    scale: f32,
}

impl Detector {
    /// Reads the network.
    ///
    /// # Errors
    /// When the file is no network.
    pub fn open(runtime: &Runtime, file: &Path, rules: &manifest::Detector, threads: usize) -> Result<Self> {
        // In planes it took 19 ms for a frame of 640x480, in blocks 8.
        let network = Network::open(runtime, file, Layout::Blocks, threads)?;
        Ok(Self { network, rules: rules.clone() })
    }

    /// The faces of a frame, the surest first.
    ///
    /// # Errors
    /// When the network does not take the frame or does not answer as a detector of its kind does.
    pub fn detect(&mut self, frame: &RgbImage) -> Result<Vec<Detection>> {
        let DetectorKind::Yunet = self.rules.kind;
        if frame.width() == 0 || frame.height() == 0 {
            return Ok(Vec::new());
        }
        let canvas = match self.rules.input {
            DetectorInput::Dynamic => dynamic(frame, self.rules.side_max),
            DetectorInput::Fixed640 => fixed(frame),
        };
        let outputs = self.network.run([1, 3, canvas.height, canvas.width], &canvas.values)?;
        let mut found = Vec::new();
        for stride in STRIDES {
            Grid::of(&outputs, stride, &canvas)?.read_into(&mut found, self.rules.score_min);
        }
        let back = |v: f32| v / canvas.scale;
        let mut best = suppress(found, self.rules.nms_iou);
        for face in &mut best {
            let b = face.bounds;
            face.bounds = Rect { x: back(b.x), y: back(b.y), w: back(b.w), h: back(b.h) };
            face.landmarks = face.landmarks.map(|p| Point { x: back(p.x), y: back(p.y) });
        }
        Ok(best)
    }
}

/// The frame at the top left of a canvas of the next multiples of 32, black to the right and below. It is made smaller
/// only when its longer side exceeds `side_max`.
fn dynamic(frame: &RgbImage, side_max: u32) -> Canvas {
    let scale = shrink(frame, side_max);
    let multiple = |v: u32| ((v as f32 * scale).round().max(1.0) as u32).div_ceil(32) * 32;
    lay(frame, multiple(frame.width()), multiple(frame.height()), scale)
}

/// The frame at the top left of a canvas of 640x640, made smaller when it does not fit.
fn fixed(frame: &RgbImage) -> Canvas {
    lay(frame, FIXED_PX, FIXED_PX, shrink(frame, FIXED_PX))
}

/// The scale that brings the longer side down to `side_max`. Never above 1: enlarged pictures make YuNet worse.
fn shrink(frame: &RgbImage, side_max: u32) -> f32 {
    (side_max as f32 / frame.width().max(frame.height()) as f32).min(1.0)
}

fn lay(frame: &RgbImage, width: u32, height: u32, scale: f32) -> Canvas {
    let resized;
    let picture = if scale == 1.0 {
        frame
    } else {
        let side = |v: u32, limit: u32| ((v as f32 * scale).round() as u32).clamp(1, limit);
        resized = imageops::resize(
            frame,
            side(frame.width(), width),
            side(frame.height(), height),
            FilterType::Triangle,
        );
        &resized
    };
    let (wide, high, row_px) = (width as usize, height as usize, picture.width() as usize);
    let mut values = vec![0.0; 3 * wide * high];
    for (y, row) in picture.as_raw().chunks_exact(3 * row_px).enumerate() {
        for (plane, channel) in [2, 1, 0].into_iter().enumerate() {
            let line = &mut values[(plane * high + y) * wide..][..row_px];
            for (value, pixel) in line.iter_mut().zip(row.chunks_exact(3)) {
                *value = f32::from(pixel[channel]);
            }
        }
    }
    Canvas { width: wide, height: high, values, scale }
}

/// The four outputs of one stride.
struct Grid<'a> {
    stride: f32,
    columns: usize,
    class: &'a [f32],
    object: &'a [f32],
    bounds: &'a [f32],
    points: &'a [f32],
}

impl<'a> Grid<'a> {
    fn of(outputs: &'a [Output], stride: usize, canvas: &Canvas) -> Result<Self> {
        let columns = canvas.width / stride;
        let cells = columns * (canvas.height / stride);
        let output = |kind: &str, each: usize| -> Result<&'a [f32]> {
            let name = format!("{kind}_{stride}");
            let found = outputs.iter().find(|o| o.name == name);
            let values =
                &found.with_context(|| format!("the detector has no output {name}: it is no YuNet"))?.values;
            ensure!(values.len() == cells * each, "the detector's output {name} has an unexpected size");
            Ok(values)
        };
        Ok(Self {
            stride: stride as f32,
            columns,
            class: output("cls", 1)?,
            object: output("obj", 1)?,
            bounds: output("bbox", 4)?,
            points: output("kps", 10)?,
        })
    }

    fn read_into(&self, found: &mut Vec<Detection>, score_min: f32) {
        for cell in 0..self.class.len() {
            let score = (self.class[cell].clamp(0.0, 1.0) * self.object[cell].clamp(0.0, 1.0)).sqrt();
            if score >= score_min {
                found.push(self.face(cell, score));
            }
        }
    }

    fn face(&self, cell: usize, score: f32) -> Detection {
        let (column, row) = ((cell % self.columns) as f32, (cell / self.columns) as f32);
        let b = &self.bounds[cell * 4..][..4];
        let k = &self.points[cell * 10..][..10];
        let (w, h) = (b[2].exp() * self.stride, b[3].exp() * self.stride);
        let (cx, cy) = ((column + b[0]) * self.stride, (row + b[1]) * self.stride);
        let landmarks = std::array::from_fn(|i| Point {
            x: (k[2 * i] + column) * self.stride,
            y: (k[2 * i + 1] + row) * self.stride,
        });
        Detection { bounds: Rect { x: cx - w / 2.0, y: cy - h / 2.0, w, h }, score, landmarks }
    }
}

/// Keeps, of boxes that overlap more than `iou`, the surest: non-maximum suppression.
fn suppress(mut found: Vec<Detection>, iou: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for face in found {
        if kept.len() < FACES_MAX && kept.iter().all(|better| better.bounds.iou(face.bounds) <= iou) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_never_enlarged_and_only_a_large_one_is_made_smaller() {
        for ((w, h), expected) in
            [((203, 241), (224, 256, 1.0)), ((1280, 720), (1280, 736, 1.0)), ((2560, 1440), (1280, 736, 0.5))]
        {
            let canvas = dynamic(&RgbImage::new(w, h), 1280);
            assert_eq!((canvas.width, canvas.height, canvas.scale), expected);
        }
        assert_eq!(fixed(&RgbImage::new(1000, 500)).scale, 0.64);
        assert_eq!(fixed(&RgbImage::new(100, 50)).scale, 1.0);
    }

    #[test]
    fn colours_lie_blue_first_and_the_rest_is_black() {
        let canvas = dynamic(&RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3])), 1280);
        let plane = 32 * 32;
        assert_eq!([canvas.values[0], canvas.values[plane], canvas.values[2 * plane]], [3.0, 2.0, 1.0]);
        assert_eq!(canvas.values.iter().sum::<f32>(), 6.0);
    }

    #[test]
    fn of_overlapping_boxes_the_surest_stays() {
        let face = |x: f32, score: f32| Detection {
            bounds: Rect { x, y: 0.0, w: 10.0, h: 10.0 },
            score,
            landmarks: [Point { x, y: 0.0 }; 5],
        };
        let kept = suppress(vec![face(1.0, 0.7), face(0.0, 0.9), face(30.0, 0.8)], 0.3);
        assert_eq!(kept.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.8]);
    }
}
