//! A picture's way to its faces' embeddings on the edge, beside the same models in Python, one thread each, in turn.

mod picture;
pub mod reference;

use crate::row::{Row, Want, percentile};
use anyhow::{Context as _, Result, ensure};
use edge::face::source::still;
use edge::face::{Eyes, EyesConfig, Face, FaceVector, Unproven};
use picture::Picture;
use reference::{Found, Reference};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The edge may take so many times the reference's processor time, when the first look is enough. The clock also counts what the
/// machine does for others meanwhile.
const TIMES: f64 = 0.85;
/// Looks of each in a measurement.
const LOOKS: usize = 20;
/// A box or landmark of both may be so far apart, in pixels.
const APART_PX: f32 = 2.0;
/// Embeddings of both are at least so much alike: decoders of JPEG differ by a level or two.
const COSINE_MIN: f32 = 0.985;

/// The folder of real faces, which is not part of the project; or why nothing is measured.
pub fn data() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder =
        std::env::var_os("REGULARS_FACE_DATA").map_or_else(|| root.join("../shared/face"), PathBuf::from);
    if folder.join("golden.json").exists() {
        return Ok(folder);
    }
    let folder = folder.display();
    Err(format!("skipped, because {folder} has no real faces (REGULARS_FACE_DATA names another folder)"))
}

/// Decoding, detection, alignment and embedding of a JPEG of 640x480 with one face: a large upright one, and a small one that
/// the edge looks at twice. Without a `python` for the reference, the edge alone.
pub fn measure(samples: usize, folder: &Path, python: Option<&Path>) -> Result<Vec<Row>> {
    let models = folder.join("models");
    let mut eyes = eyes(&models)?;
    let mut reference = python.map(|python| Reference::start(python, &models, &eyes)).transpose()?;
    let scratch = tempfile::tempdir().context("cannot make a folder for pictures")?;
    let mut rows = Vec::new();
    for (what, picture, second, want) in [
        ("a large face, one look", Picture::Large, 0, Want::TimesAtMost(TIMES)),
        ("a small face, two looks", Picture::Small, 1, Want::Stated),
    ] {
        let file = picture.write(folder, scratch.path())?;
        let before = eyes.looks();
        let faces = eyes.look(&still(&file)?)?;
        ensure!(eyes.looks().second - before.second == second, "{what}: the edge looked otherwise");
        if let Some(reference) = &mut reference {
            compare(&faces, &reference.look(&file)?).with_context(|| what.to_owned())?;
        }
        let mut processor = Row::new(format!("{what}, processor time, p50"), "ms", want);
        let mut clock = Row::new("  by the clock", "ms", Want::Stated);
        for _ in 0..samples {
            let (mut ours, mut theirs) = (Times::default(), Times::default());
            for _ in 0..LOOKS {
                ours.add(time(&mut eyes, &file)?);
                if let Some(reference) = &mut reference {
                    theirs.add(reference.time(&file)?);
                }
            }
            for (n, row) in [&mut clock, &mut processor].into_iter().enumerate() {
                row.ours.extend(percentile(&ours.0[n], 0.5));
                row.beside.extend(percentile(&theirs.0[n], 0.5));
            }
        }
        rows.extend([processor, clock]);
    }
    Ok(rows)
}

/// Milliseconds by the clock, and of the processor.
#[derive(Default)]
struct Times([Vec<f64>; 2]);

impl Times {
    fn add(&mut self, once: [f64; 2]) {
        self.0.iter_mut().zip(once).for_each(|(values, value)| values.push(value));
    }
}

fn eyes(models: &Path) -> Result<Eyes> {
    let config =
        EyesConfig { models: models.to_owned(), onnxruntime: None, threads: 1, unproven: Unproven::Refuse };
    Eyes::open(&config)
}

fn time(eyes: &mut Eyes, file: &Path) -> Result<[f64; 2]> {
    let (began, worked) = (Instant::now(), processor_ms()?);
    let faces = eyes.look(&still(file)?)?;
    let took = [began.elapsed().as_secs_f64() * 1e3, processor_ms()? - worked];
    ensure!(faces.iter().any(|face| face.vector.is_some()), "the edge lost the face");
    Ok(took)
}

/// How long the processor has worked for this thread. The machine's other work does not count.
fn processor_ms() -> Result<f64> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let worked_ns: f64 =
        text.split(' ').next().unwrap_or_default().parse().context("no time in schedstat")?;
    Ok(worked_ns / 1e6)
}

/// Makes sure that both do the same work.
fn compare(ours: &[Face], theirs: &[Found]) -> Result<()> {
    ensure!(ours.len() == 1 && theirs.len() == 1, "{} and {} faces are found", ours.len(), theirs.len());
    let (Some(face), Some(found)) = (ours.first(), theirs.first()) else { return Ok(()) };
    let there = face.landmarks.iter().flat_map(|p| [p.x, p.y]).chain([face.bounds.x, face.bounds.y]);
    let expected = found.landmarks.iter().flatten().chain(&found.bounds[..2]);
    let apart = there.zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    ensure!(apart <= APART_PX, "the edge and the reference see the face {apart} px apart");
    let vector = FaceVector::from_output(&found.embedding).context("the reference gives no embedding")?;
    let cosine = face.vector.as_ref().map_or(-1.0, |ours| ours.cosine(&vector));
    ensure!(cosine >= COSINE_MIN, "the embeddings of the edge and of the reference are only {cosine} alike");
    Ok(())
}
