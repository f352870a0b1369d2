//! What a model set is, written down in TOML: its files, how to feed them, what their numbers mean, and a vector that
//! proves all of it at start.
//!
//! The shipped manifests are in `edge/models/`; the format is explained in the first of them.

use crate::face::model_file::{Conversion, ModelFile};
use crate::face::vector::FaceVector;
use anyhow::{Context, Result, ensure};
use protocol::{Embedding, SpaceId};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What a shipped set is called on the command line, and its manifest; the default set first.
const SHIPPED: [(&str, &str); 2] = [
    ("yunet_s_mobileface_v2", include_str!("../../models/yunet_s_mobileface_v2.toml")),
    ("yunet_2023mar_sface", include_str!("../../models/yunet_2023mar_sface.toml")),
];

/// A model set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What people call the set.
    pub name: String,
    /// What it is good for, in a sentence.
    #[serde(default)]
    pub about: String,
    /// Finds faces.
    pub detector: Detector,
    /// Turns an aligned face into a vector.
    pub embedder: Embedder,
    /// What a cosine means.
    pub thresholds: Thresholds,
    /// How well a face must be seen.
    pub gates: Gates,
    /// Which faces are looked at again; without it, none.
    pub second_look: Option<SecondLook>,
    /// What proves the set at start.
    pub self_test: SelfTest,
}

/// The detector's file and rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// The file.
    pub file: ModelFile,
    /// How its outputs are read.
    pub kind: DetectorKind,
    /// What size of picture it takes.
    pub input: DetectorInput,
    /// Faces below this score are not reported, 0 to 1.
    pub score_min: f32,
    /// Of two boxes that overlap more than this the better one stays, 0 to 1.
    pub nms_iou: f32,
    /// A frame whose longer side exceeds this is scaled down to it, in pixels.
    pub side_max: u32,
}

/// How a detector's outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Twelve outputs `cls|obj|bbox|kps` at strides 8, 16, 32; input BGR, 0 to 255.
    Yunet,
}

/// What size of picture a detector takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorInput {
    /// Any multiple of 32: the frame lies at the top left of a canvas just large enough.
    Dynamic,
    /// 640x640: the frame lies at the top left, made smaller when it does not fit.
    Fixed640,
}

/// The embedder's file and rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedder {
    /// The file.
    pub file: ModelFile,
    /// What the file is made from, when it is not published itself.
    #[serde(default)]
    pub conversion: Option<Conversion>,
    /// Components of its vectors.
    pub dimension: usize,
    /// Order of the colour planes it was trained with.
    pub colours: Colours,
    /// What is subtracted from each value of 0 to 255.
    pub mean: f32,
    /// What the difference is multiplied with.
    pub scale: f32,
    /// Where landmarks belong in its 112x112 input.
    pub template: Template,
    /// Whether its output has length one already. Whoever says so is held to it by the self-test.
    pub output: Output,
}

/// Order of colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Alignment templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// [`crate::face::align::ARCFACE_112`].
    Arcface112,
}

/// What an embedder's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Of length one.
    Normalised,
    /// Of any length: the edge normalises.
    Raw,
}

/// What a cosine means, for this embedder.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From here on it is the same person.
    #[serde(rename = "match")]
    pub matches: f32,
    /// Below it is somebody else; between the two nobody knows.
    pub new: f32,
    /// A good frame less like its track than this is another person who came to stand there.
    pub same_track: f32,
}

/// How well a face must be seen, for what.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// To be recognised.
    #[serde(rename = "match")]
    pub matches: Gate,
    /// To become somebody new.
    pub new: Gate,
    /// In view for this long before somebody new is made, in milliseconds. A still is exempt.
    pub in_view_ms: u64,
    /// In this many frames good enough before somebody new is made. A still is exempt.
    pub frames: usize,
}

/// The least (or, of yaw and roll, the most) that passes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Detector's score, 0 to 1.
    pub score: f32,
    /// Width of the face, in pixels.
    pub width_px: f32,
    /// Nose offset over inter-eye distance.
    pub yaw: f32,
    /// Tilt, in degrees.
    pub roll_degrees: f32,
    /// Sharpness over the camera's running median.
    pub sharpness: f32,
}

/// Which faces the detector may see wrongly: those that are small, tilted or wide.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondLook {
    /// Those less wide than this, in pixels.
    pub below_px: f32,
    /// Those whose landmarks are tilted by more than this, in degrees.
    pub roll_degrees: f32,
    /// Those whose box is wider than so many times its height.
    pub wide: f32,
}

/// What proves, at every start, that file, colours, scaling and normalisation belong together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SelfTest {
    /// What the embedder must give for the test pattern of [`crate::face::self_test`]: the canonical f16 bytes, in hex.
    /// The pattern is drawn by the program and shows nobody: this is no biometric datum.
    Vector(String),
    /// Nobody has run the set with a known result yet, because of this. It is used only where that was asked for.
    Unproven(String),
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is no TOML, a field is missing or unknown, or a value makes no sense.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The sets this program knows by itself, the default first.
    pub fn shipped() -> Vec<Self> {
        Self::catalogue().into_iter().map(|(_, manifest)| manifest).collect()
    }

    /// The same, each with what it is called on the command line.
    pub fn catalogue() -> Vec<(&'static str, Self)> {
        let read = |text| Self::parse(text).expect("a test reads every shipped manifest");
        SHIPPED.iter().map(|(name, text)| (*name, read(text))).collect()
    }

    /// The detector's and the embedder's file.
    pub fn files(&self) -> [&ModelFile; 2] {
        [&self.detector.file, &self.embedder.file]
    }

    /// Each of these files, and what has to be fetched for it: itself, or what it is made from.
    pub fn origins(&self) -> [(&ModelFile, Vec<&ModelFile>); 2] {
        let embedder = match &self.embedder.conversion {
            Some(made) => vec![&made.graph, &made.parameters],
            None => vec![&self.embedder.file],
        };
        [(&self.detector.file, vec![&self.detector.file]), (&self.embedder.file, embedder)]
    }

    /// The id that travels with every vector: vectors of different ids are never compared. It changes with whatever
    /// changes a vector: the embedder's bytes, its colours and scaling, the template, the dimension.
    pub fn space_id(&self) -> SpaceId {
        let e = &self.embedder;
        let recipe = format!(
            "{} {} {:?} {} {} {:?}",
            e.file.sha256, e.dimension, e.colours, e.mean, e.scale, e.template
        );
        let stem = e.file.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".onnx");
        let word: String = stem
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
            .take(48)
            .collect();
        let id = format!("{word}-{}", &hex::encode(Sha256::digest(recipe))[..12]);
        id.parse().expect("at most 48 characters of the id alphabet, a dash and hex make an id")
    }

    /// Reads the vector of a self-test.
    ///
    /// # Errors
    /// When it is no vector of the embedder's dimension.
    pub fn expected(&self, text: &str) -> Result<FaceVector> {
        let digits: String = text.split_whitespace().collect();
        let embedding = Embedding::from_bytes(&hex::decode(digits).context("self_test.vector is not hex")?)
            .context("self_test.vector is no vector")?;
        ensure!(
            embedding.dimension() == self.embedder.dimension,
            "self_test.vector has {} components, the embedder {}",
            embedding.dimension(),
            self.embedder.dimension
        );
        Ok(FaceVector::from(&embedding))
    }

    fn check(&self) -> Result<()> {
        for (file, origins) in self.origins() {
            file.check()?;
            origins.into_iter().try_for_each(ModelFile::check)?;
        }
        ensure!(
            (1..=protocol::MAX_DIMENSION).contains(&self.embedder.dimension),
            "the dimension makes no sense"
        );
        ensure!(
            self.embedder.scale.is_finite() && self.embedder.scale != 0.0,
            "a scale of zero leaves no picture"
        );
        ensure!(self.detector.side_max >= 64, "side_max is at least 64 pixels");
        let t = &self.thresholds;
        ensure!(
            -1.0 <= t.same_track && t.same_track <= t.new && t.new <= t.matches && t.matches <= 1.0,
            "thresholds rise from same_track over new to match, and none exceeds 1"
        );
        ensure!(self.gates.frames > 0, "gates.frames is at least 1");
        if let Some(SecondLook { below_px, roll_degrees, wide }) = self.second_look {
            ensure!(
                [below_px, roll_degrees, wide].into_iter().all(|limit| limit.is_finite() && limit >= 0.0),
                "the limits of second_look are numbers from 0 on"
            );
        }
        if let SelfTest::Vector(text) = &self.self_test {
            self.expected(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_manifests_read_and_name_different_spaces() {
        let ids = SHIPPED.map(|(_, text)| Manifest::parse(text).unwrap().space_id());
        assert!(ids[0].as_str().starts_with("mobileface_v2_512-"), "{ids:?}");
        assert!(ids[1].as_str().starts_with("face_recognition_sface_2021dec-"), "{ids:?}");
    }

    #[test]
    fn whatever_changes_a_vector_changes_the_space() {
        let known = Manifest::shipped().remove(0);
        let changed = |change: fn(&mut Manifest)| {
            let mut other = known.clone();
            change(&mut other);
            other.space_id()
        };
        for other in [
            changed(|m| m.embedder.file.sha256 = "0".repeat(64)),
            changed(|m| m.embedder.colours = Colours::Bgr),
            changed(|m| m.embedder.scale = 0.5),
            changed(|m| m.embedder.mean = 127.5),
        ] {
            assert_ne!(other, known.space_id());
        }
        assert_eq!(changed(|m| m.thresholds.new = 0.4), known.space_id());
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let (_, good) = SHIPPED[0];
        for (from, to, reason) in [
            ("match = 0.55", "match = 0.35", "thresholds rise"),
            ("scale = 1.0", "scale = 0.0", "a scale of zero"),
            ("frames = 5", "frames = 0", "at least 1"),
            ("wide = 0.76", "wide = nan", "limits of second_look"),
            ("sha256 = \"da", "sha256 = \"zz", "not 64 hex digits"),
            ("dimension = 512", "dimension = 256", "512 components"),
            ("dimension = 512", "dimensions = 512", "unknown field"),
            ("colours = \"rgb\"", "colours = \"grb\"", "unknown variant"),
            ("url = \"https", "url = \"http", "does not begin with https"),
            ("kind = \"mxnet_mirrored\"", "kind = \"magic\"", "unknown variant"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = format!("{:#}", Manifest::parse(&good.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(reason), "{from} -> {to}: {error}");
        }
    }
}
