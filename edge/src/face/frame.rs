//! One picture of a camera, a clip or a folder.

use image::RgbImage;
use std::fmt;

/// Whether a frame stands alone or is one of a running sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A picture of its own: its faces are tracks of one frame, and the rule "in view for a while" cannot apply.
    Still,
    /// One of a sequence of the same camera.
    Moving,
}

/// A decoded picture and when it was taken.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// The pixels, RGB.
    pub picture: RgbImage,
    /// Milliseconds since the source began, never going back.
    pub at_ms: u64,
    /// What to call it in a message to people: the file's name, with the frame's number for a clip.
    pub name: String,
    /// Still or moving.
    pub kind: FrameKind,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.picture.dimensions();
        write!(f, "Frame({width}x{height} at {} ms, {:?})", self.at_ms, self.kind)
    }
}
