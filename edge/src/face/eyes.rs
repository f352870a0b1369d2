//! Eyes: a frame in, its faces out, measured and embedded.

use crate::face::align::{self, Similarity};
use crate::face::detect::{Detection, Detector};
use crate::face::embed::Embedder;
use crate::face::frame::Frame;
use crate::face::geometry::{Point, Rect};
use crate::face::manifest::{Manifest, Template};
use crate::face::model_set::{ModelSet, Unproven};
use crate::face::onnx::Runtime;
use crate::face::quality::{Grade, Quality, Shortfall};
use crate::face::runtime::Surroundings;
use crate::face::second_look::{self, Verdict};
use crate::face::self_test;
use crate::face::vector::FaceVector;
use anyhow::Result;
use image::RgbImage;
use std::path::PathBuf;

/// What eyes are made of.
#[derive(Debug, Clone)]
pub struct EyesConfig {
    /// The folder of the model set (`--models`).
    pub models: PathBuf,
    /// libonnxruntime, or the folder that holds it (`--onnxruntime`); without it, it is looked for.
    pub onnxruntime: Option<PathBuf>,
    /// Threads a network computes on; 1 leaves a small machine room for everything else.
    pub threads: usize,
    /// What to do with a set that cannot prove itself.
    pub unproven: Unproven,
}

/// A detector and an embedder that have passed their self-test.
pub struct Eyes {
    detector: Detector,
    embedder: Embedder,
    manifest: Manifest,
    looks: Looks,
}

/// How many faces were looked at, since the eyes were opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// Faces that were found.
    pub found: u64,
    /// Of these, those good enough to be recognised by the first look.
    pub usable: u64,
    /// Of these, those that were looked at a second time.
    pub second: u64,
    /// Of those, the ones whose landmarks are those of the second look.
    pub corrected: u64,
    /// Of those, the ones that are not used, because the two looks contradict each other.
    pub disputed: u64,
}

/// One face of a frame.
#[derive(Debug, Clone)]
pub struct Face {
    /// Where it is, in pixels of the frame.
    pub bounds: Rect,
    /// Eye at the image's left, eye at its right, nose, mouth's left and right corner, in pixels of the frame.
    pub landmarks: [Point; 5],
    /// How well it is seen.
    pub quality: Quality,
    /// What it is good enough for by itself, sharpness aside (that depends on the camera's past).
    pub grade: Grade,
    /// Its embedding; only a face good enough to be recognised has one.
    pub vector: Option<FaceVector>,
}

impl Eyes {
    /// Finds the model set and the runtime, checks every file, reads the networks and runs the self-test.
    ///
    /// # Errors
    /// One sentence that says what is missing or wrong and what to do.
    pub fn open(config: &EyesConfig) -> Result<Self> {
        let set = ModelSet::find(&config.models, config.unproven)?;
        let library = Surroundings::of_this_process(config.onnxruntime.clone(), &config.models).find()?;
        let runtime = Runtime::load(&library)?;
        let detector = Detector::open(&runtime, &set.detector, &set.manifest.detector, config.threads)?;
        let mut embedder = Embedder::open(&runtime, &set.embedder, &set.manifest.embedder, config.threads)?;
        self_test::run(&mut embedder, &set.manifest)?;
        Ok(Self { detector, embedder, manifest: set.manifest, looks: Looks::default() })
    }

    /// The model set's manifest: thresholds, gates and the `space_id` that travels with every vector.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many faces were looked at so far.
    pub fn looks(&self) -> Looks {
        self.looks
    }

    /// The faces of a frame, the surest first.
    ///
    /// # Errors
    /// When a network does not run: nothing that a picture can bring about.
    pub fn look(&mut self, frame: &Frame) -> Result<Vec<Face>> {
        let found = self.detector.detect(&frame.picture)?;
        found.into_iter().map(|detection| self.face(&frame.picture, detection)).collect()
    }

    /// The embedding of a face with these landmarks, whatever its quality; `None` when they cannot be aligned or the
    /// embedder gives no direction.
    ///
    /// # Errors
    /// When the embedder does not run.
    pub fn embed(&mut self, picture: &RgbImage, landmarks: &[Point; 5]) -> Result<Option<FaceVector>> {
        let Some(crop) = self.crop(picture, landmarks) else { return Ok(None) };
        self.embed_crop(&crop)
    }

    /// The embedding of an aligned 112x112 crop.
    ///
    /// # Errors
    /// When the embedder does not run.
    pub fn embed_crop(&mut self, crop: &RgbImage) -> Result<Option<FaceVector>> {
        Ok(FaceVector::from_output(&self.embedder.output(crop)?))
    }

    fn crop(&self, picture: &RgbImage, landmarks: &[Point; 5]) -> Option<RgbImage> {
        let Template::Arcface112 = self.manifest.embedder.template;
        Some(Similarity::between(landmarks, &align::ARCFACE_112)?.warp(picture))
    }

    fn face(&mut self, picture: &RgbImage, first: Detection) -> Result<Face> {
        let verdict = self.look_again(picture, &first)?;
        let landmarks = if let Verdict::Corrected(better) = verdict { better } else { first.landmarks };
        let crop = self.crop(picture, &landmarks);
        let Detection { bounds, score, .. } = first;
        let quality = Quality::measure(score, bounds, &landmarks, crop.as_ref(), picture.dimensions());
        let mut grade = match verdict {
            Verdict::Disputed => Grade::Poor(Shortfall::Disputed),
            Verdict::Stands | Verdict::Corrected(_) => quality.grade(&self.manifest.gates, None),
        };
        let vector = match (&crop, grade) {
            (Some(crop), Grade::Enrol | Grade::Match(_)) => self.embed_crop(crop)?,
            _ => None,
        };
        if vector.is_none() && !matches!(grade, Grade::Poor(_)) {
            grade = Grade::Poor(Shortfall::Unusable);
        }
        Ok(Face { bounds, landmarks, quality, grade, vector })
    }

    /// Looks a second time where the first look may be wrong and the face would be used. Sharpness is no matter here, so the
    /// first look is graded without a crop.
    fn look_again(&mut self, picture: &RgbImage, first: &Detection) -> Result<Verdict> {
        self.looks.found += 1;
        let Detection { bounds, score, landmarks } = first;
        let quality = Quality::measure(*score, *bounds, landmarks, None, picture.dimensions());
        if matches!(quality.grade(&self.manifest.gates, None), Grade::Poor(_)) {
            return Ok(Verdict::Stands);
        }
        self.looks.usable += 1;
        if !self.manifest.second_look.is_some_and(|rules| second_look::is_needed(first, &rules)) {
            return Ok(Verdict::Stands);
        }
        let mut seen = Vec::new();
        for view in second_look::views(first) {
            let found = self.detector.detect(&view.cut(picture))?;
            seen.extend(view.find(first, &found));
        }
        let verdict = second_look::verdict(first, &seen);
        self.looks.second += 1;
        self.looks.corrected += u64::from(matches!(verdict, Verdict::Corrected(_)));
        self.looks.disputed += u64::from(verdict == Verdict::Disputed);
        Ok(verdict)
    }
}
