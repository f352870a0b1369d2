//! The proof, at every start, that file, colours, scaling and normalisation belong together. An embedder fed with red
//! and blue exchanged still gives plausible vectors (cosine 0.93 to the right ones), so nothing else would tell.

use crate::face::align::CROP_PX;
use crate::face::embed::Embedder;
use crate::face::manifest::{Manifest, Output, SelfTest};
use crate::face::vector::FaceVector;
use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage};

/// The least cosine between what the embedder gives and what its manifest says.
pub const COSINE_MIN: f32 = 0.99;

/// The test crop: drawn, of nobody. Upright stripes of red across lying stripes of blue, on a slope of green: whichever
/// two planes are exchanged, the picture is another one.
pub fn pattern() -> RgbImage {
    let stripe = |v: u32| if (v / 8).is_multiple_of(2) { 240 } else { 10 };
    RgbImage::from_fn(CROP_PX, CROP_PX, |x, y| Rgb([stripe(x), (40 + x + y / 2) as u8, stripe(y)]))
}

/// Runs the test. Afterwards the set is either proven, or its manifest says that it cannot be and the caller accepted
/// that; then only what needs no known answer is checked.
///
/// # Errors
/// One sentence, when the embedder's answer is not the expected one.
pub fn run(embedder: &mut Embedder, manifest: &Manifest) -> Result<()> {
    let output = embedder
        .output(&pattern())
        .with_context(|| format!("the model set {} does not run", manifest.name))?;
    let length = output.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    ensure!(
        manifest.embedder.output == Output::Raw || (length - 1.0).abs() < 0.01,
        "the embedder of {} gives vectors of length {length:.3}, and its manifest calls them normalised",
        manifest.name
    );
    let vector = FaceVector::from_output(&output)
        .with_context(|| format!("the embedder of {} gives vectors without a direction", manifest.name))?;
    match &manifest.self_test {
        SelfTest::Vector(text) => {
            let cosine = vector.cosine(&manifest.expected(text)?);
            ensure!(
                cosine >= COSINE_MIN,
                "the model set {} fails its self-test (cosine {cosine:.3}, at least {COSINE_MIN} is needed): its manifest does not describe its embedder (order of colours? scaling?), or the runtime computes wrongly",
                manifest.name
            );
        }
        SelfTest::Unproven(reason) => {
            tracing::warn!(
                set = manifest.name,
                reason,
                "the model set has no self-test vector and was accepted unproven"
            );
        }
    }
    Ok(())
}
