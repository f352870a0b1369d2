//! The embedder: an aligned crop in, a vector out. How it is fed stands in the manifest.

use crate::face::align::CROP_PX;
use crate::face::manifest::{self, Colours};
use crate::face::onnx::{Layout, Network, Runtime};
use anyhow::{Result, ensure};
use image::RgbImage;
use std::path::Path;

/// The embedder, ready to run.
pub struct Embedder {
    network: Network,
    rules: manifest::Embedder,
}

impl Embedder {
    /// Reads the network.
    ///
    /// # Errors
    /// When the file is no network, or does not take a 112x112 crop.
    pub fn open(runtime: &Runtime, file: &Path, rules: &manifest::Embedder, threads: usize) -> Result<Self> {
        // In blocks it took 9 ms for a crop, in planes 6.
        let network = Network::open(runtime, file, Layout::Planes, threads)?;
        let shape = network.input_shape();
        let side = i64::from(CROP_PX);
        let fits = shape.len() == 4
            && shape.iter().zip([1, 3, side, side]).all(|(has, wants)| *has < 0 || *has == wants);
        ensure!(fits, "{} takes {shape:?}, and not one 3x112x112 crop: it is no embedder", file.display());
        Ok(Self { network, rules: rules.clone() })
    }

    /// What the network answers to a 112x112 crop, as it comes: `dimension` values of any length.
    ///
    /// # Errors
    /// When the network does not run, or its answer has another dimension than its manifest says.
    pub fn output(&mut self, crop: &RgbImage) -> Result<Vec<f32>> {
        let side = CROP_PX as usize;
        let mut outputs = self.network.run([1, 3, side, side], &planes(crop, &self.rules))?;
        ensure!(outputs.len() == 1, "the embedder has {} outputs, one is expected", outputs.len());
        let values = outputs.remove(0).values;
        ensure!(
            values.len() == self.rules.dimension,
            "the embedder gave {} values, and its manifest says {}",
            values.len(),
            self.rules.dimension
        );
        Ok(values)
    }
}

/// The crop as three planes, in the order and on the scale the network was trained with.
fn planes(crop: &RgbImage, rules: &manifest::Embedder) -> Vec<f32> {
    let order = match rules.colours {
        Colours::Rgb => [0, 1, 2],
        Colours::Bgr => [2, 1, 0],
    };
    let value = |v: u8| (f32::from(v) - rules.mean) * rules.scale;
    let mut planes = Vec::with_capacity(crop.as_raw().len());
    for channel in order {
        planes.extend(crop.pixels().map(|pixel| value(pixel[channel])));
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::manifest::Manifest;

    #[test]
    fn planes_follow_the_manifest() {
        let crop = RgbImage::from_pixel(2, 1, image::Rgb([10, 20, 30]));
        let rgb = Manifest::shipped().remove(0).embedder;
        assert_eq!(planes(&crop, &rgb), [10.0, 10.0, 20.0, 20.0, 30.0, 30.0]);
        let scaled = manifest::Embedder { colours: Colours::Bgr, mean: 10.0, scale: 0.5, ..rgb };
        assert_eq!(planes(&crop, &scaled), [10.0, 10.0, 5.0, 5.0, 0.0, 0.0]);
    }
}
