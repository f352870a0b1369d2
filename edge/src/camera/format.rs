//! What cameras offer: sizes, pixels and rates.

use serde::Serialize;
use std::fmt;

/// How the bytes of a frame become pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// A JPEG picture, with or without its Huffman tables.
    Mjpeg,
    /// Two pixels in four bytes: Y, Cb, Y, Cr.
    Yuyv,
    /// A plane of Y, then one of Cb and Cr in turns for every four pixels.
    Nv12,
    /// Three bytes a pixel.
    Rgb,
    /// Three bytes a pixel, blue first.
    Bgr,
}

impl Pixels {
    /// All that can be decoded.
    pub const ALL: [Self; 5] = [Self::Yuyv, Self::Nv12, Self::Rgb, Self::Bgr, Self::Mjpeg];

    /// Video4Linux's name.
    pub fn fourcc(self) -> &'static str {
        match self {
            Self::Mjpeg => "MJPG",
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Rgb => "RGB3",
            Self::Bgr => "BGR3",
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mjpeg => "MJPEG",
            other => other.fourcc(),
        }
    }

    /// The pixels of Video4Linux's name, where they can be decoded.
    pub fn named(fourcc: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pixels| pixels.fourcc() == fourcc)
    }
}

/// How the frames of an open camera lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// What they are made of.
    pub pixels: Pixels,
    /// Bytes from one row to the next, where rows are bytes; of NV12, of the plane of Y.
    pub stride: usize,
}

/// One of the ways in which a device can be asked to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Video4Linux's name of the pixels.
    pub fourcc: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Seconds from one frame to the next, as a fraction.
    pub interval_s: (u32, u32),
}

impl Offer {
    /// Its rate.
    pub fn frames_per_s(&self) -> f64 {
        let (numerator, denominator) = self.interval_s;
        f64::from(denominator) / f64::from(numerator.max(1))
    }

    /// Its rate where that is a whole number: nokhwa takes no other.
    pub fn whole_frames_per_s(&self) -> Option<u32> {
        let (numerator, denominator) = self.interval_s;
        (denominator.checked_rem(numerator) == Some(0) && denominator > 0).then(|| denominator / numerator)
    }

    /// Its pixels, when it can be used.
    pub fn usable(&self) -> Option<Pixels> {
        self.whole_frames_per_s()?;
        Pixels::named(&self.fourcc)
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fourcc, width, height, interval_s: _ } = self;
        let rate = (self.frames_per_s() * 10.0).round() / 10.0;
        write!(f, "{width}x{height} {fourcc} at {rate} frames/s")
    }
}
