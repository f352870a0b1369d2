//! What is looked at: a portrait on a grey picture of 640x480, as a JPEG file. It is made anew each time, never kept.

use anyhow::{Context as _, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A portrait of the face data, upright.
const PORTRAIT: &str = "images/Family3-Man1.jpg";
const SIZE: (u32, u32) = (640, 480);
const QUALITY: u8 = 90;

/// How large the face is.
#[derive(Debug, Clone, Copy)]
pub enum Picture {
    /// The portrait fills the picture's height: 242 pixels wide.
    Large,
    /// A third of it: 81 pixels wide.
    Small,
}

impl Picture {
    /// Makes it from the face data and writes it to a folder.
    pub fn write(self, data: &Path, folder: &Path) -> Result<PathBuf> {
        let portrait = edge::face::source::still(&data.join(PORTRAIT))?.picture;
        let height = match self {
            Picture::Large => SIZE.1,
            Picture::Small => SIZE.1 / 3,
        };
        let width = portrait.width() * height / portrait.height();
        let portrait = imageops::resize(&portrait, width, height, FilterType::Triangle);
        let mut picture = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([127; 3]));
        let (x, y) = ((SIZE.0 - width) / 2, (SIZE.1 - height) / 2);
        imageops::replace(&mut picture, &portrait, x.into(), y.into());
        let file = folder.join(format!("{self:?}.jpg"));
        let out = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        JpegEncoder::new_with_quality(BufWriter::new(out), QUALITY).encode_image(&picture)?;
        Ok(file)
    }
}
