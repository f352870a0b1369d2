//! Where frames come from: a folder of stills, or a clip. Each plays once.

use crate::face::frame::{Frame, FrameKind};
use anyhow::{Context, Result, bail, ensure};
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageReader, Limits};
use std::fmt;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "gif"];
/// A picture with a longer side than this, in pixels, is refused before it is decoded.
const SIDE_MAX: u32 = 16_384;
const DECODED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Browsers show frames that ask for no delay this long, and clips are made for browsers.
const DELAY_UNSET_MS: u64 = 100;

/// A source as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `images:DIR`: the pictures of a folder, by name, as stills.
    Images(PathBuf),
    /// `clip:FILE.gif`: the frames of a clip, with their times.
    Clip(PathBuf),
}

impl FromStr for SourceSpec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("images", path)) if !path.is_empty() => Ok(Self::Images(path.into())),
            Some(("clip", path)) if !path.is_empty() => Ok(Self::Clip(path.into())),
            _ => bail!(
                "{text:?} is no source: it is camera:0, images:DIR (a folder of pictures) or clip:FILE.gif"
            ),
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images(folder) => write!(f, "images:{}", folder.display()),
            Self::Clip(file) => write!(f, "clip:{}", file.display()),
        }
    }
}

/// A file, or a frame of a clip, that is no picture. A folder goes on after it, a clip ends.
#[derive(Debug, thiserror::Error)]
#[error("{name} is no picture that can be read: {reason}")]
pub struct Unreadable {
    /// The file's name.
    pub name: String,
    /// What the decoder says.
    pub reason: String,
}

/// An opened source. It stays on the thread that opened it; opening is cheap, so a program may open one to see that it
/// can, and open it again where it is played.
pub struct Source(Kind);

enum Kind {
    Images { files: std::vec::IntoIter<PathBuf>, next_ms: u64 },
    Clip { name: String, frames: Option<Frames<'static>>, number: usize, next_ms: u64 },
}

impl Source {
    /// Opens a source.
    ///
    /// # Errors
    /// One sentence, when there is no such folder or file, a folder holds no picture, or a file is no clip.
    pub fn open(spec: &SourceSpec) -> Result<Self> {
        match spec {
            SourceSpec::Images(folder) => {
                Ok(Self(Kind::Images { files: pictures_of(folder)?.into_iter(), next_ms: 0 }))
            }
            SourceSpec::Clip(file) => {
                let opened = File::open(file)
                    .with_context(|| format!("the clip {} cannot be opened", file.display()))?;
                let mut decoder = GifDecoder::new(BufReader::new(opened))
                    .with_context(|| format!("{} is no clip: a GIF file is needed", file.display()))?;
                decoder
                    .set_limits(limits())
                    .with_context(|| format!("the clip {} is too large", file.display()))?;
                let frames = Some(decoder.into_frames());
                Ok(Self(Kind::Clip { name: name_of(file), frames, number: 0, next_ms: 0 }))
            }
        }
    }
}

impl Iterator for Source {
    type Item = Result<Frame, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Images { files, next_ms } => {
                let file = files.next()?;
                let at_ms = *next_ms;
                *next_ms += 1000;
                Some(still(&file).map(|frame| Frame { at_ms, ..frame }))
            }
            Kind::Clip { name, frames, number, next_ms } => {
                let frame = frames.as_mut()?.next()?;
                *number += 1;
                let name = format!("{name}, frame {number}");
                Some(match frame {
                    Err(error) => {
                        // Nothing after a broken frame can be trusted, and the decoder would repeat it for ever.
                        *frames = None;
                        Err(Unreadable { name, reason: error.to_string() })
                    }
                    Ok(frame) => {
                        let at_ms = *next_ms;
                        let (numerator, denominator) = frame.delay().numer_denom_ms();
                        let delay_ms = u64::from(numerator / denominator.max(1));
                        *next_ms += if delay_ms == 0 { DELAY_UNSET_MS } else { delay_ms };
                        let picture = DynamicImage::ImageRgba8(frame.into_buffer()).into_rgb8();
                        Ok(Frame { picture, at_ms, name, kind: FrameKind::Moving })
                    }
                })
            }
        }
    }
}

/// Reads one picture file as a still at time 0, turned upright as its metadata says.
///
/// # Errors
/// When it is no JPEG, PNG or GIF, or too large.
pub fn still(file: &Path) -> Result<Frame, Unreadable> {
    let unreadable = |reason: String| Unreadable { name: file.display().to_string(), reason };
    let decode = || -> image::ImageResult<DynamicImage> {
        let mut reader = ImageReader::open(file)?.with_guessed_format()?;
        reader.limits(limits());
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    let picture = decode().map_err(|error| unreadable(error.to_string()))?.into_rgb8();
    Ok(Frame { picture, at_ms: 0, name: name_of(file), kind: FrameKind::Still })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    limits
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// The picture files of a folder, by name. Files of other kinds are not looked at.
fn pictures_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("the folder {} cannot be read", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.is_file()
                && path.extension().is_some_and(|e| PICTURES.contains(&&*e.to_string_lossy().to_lowercase()))
        })
        .collect();
    ensure!(!files.is_empty(), "{} holds no picture: put .jpg, .png or .gif files there", folder.display());
    files.sort();
    Ok(files)
}
