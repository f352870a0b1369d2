//! A frame of MJPEG: a JPEG picture in a buffer that may be longer, as a rule without the tables everybody has.

use image::{ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;

const START: [u8; 2] = [0xff, 0xd8];
const END: u8 = 0xd9;
const HUFFMAN_TABLES: u8 = 0xc4;
/// An application segment by which AVI files say that their frames use the standard's own Huffman tables; the decoder
/// knows it. Cameras leave the tables out and say nothing.
const STANDARD_TABLES: [u8; 9] = [0xff, 0xe0, 0x00, 0x07, b'A', b'V', b'I', b'1', 0];

/// The picture of a buffer, which must be of the size that was agreed with the camera.
///
/// # Errors
/// Why there is none. A picture that is cut off counts as none: what decoders make of it is grey where a face may be.
pub fn decode(buffer: &[u8], width: u32, height: u32) -> Result<RgbImage, String> {
    let Extent { end, has_tables } = extent(buffer).ok_or("it is cut off, or no JPEG picture")?;
    let whole = match has_tables {
        true => buffer[..end].to_vec(),
        false => [&START[..], &STANDARD_TABLES, &buffer[START.len()..end]].concat(),
    };
    let mut reader = ImageReader::with_format(Cursor::new(whole), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(width);
    limits.max_image_height = Some(height);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| error.to_string())?.into_rgb8();
    match picture.dimensions() {
        size if size == (width, height) => Ok(picture),
        (w, h) => Err(format!("it is {w}x{h}, not {width}x{height}")),
    }
}

struct Extent {
    end: usize,
    has_tables: bool,
}

/// Follows the segments to the scan, and the scan to the end marker. In a scan 0xff is followed by a zero or by a restart
/// marker; anything else is a segment between two scans.
fn extent(buffer: &[u8]) -> Option<Extent> {
    if buffer.get(..2)? != START {
        return None;
    }
    let (mut at, mut has_tables) = (2, false);
    loop {
        at += buffer.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *buffer.get(at + 1)? {
            END => return Some(Extent { end: at + 2, has_tables }),
            // A stuffed zero, a restart, a fill byte.
            0x00 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            0xd8 => return None,
            marker => {
                has_tables |= marker == HUFFMAN_TABLES;
                let length = u16::from_be_bytes([*buffer.get(at + 2)?, *buffer.get(at + 3)?]);
                at += 2 + usize::from(length.max(2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    fn jpeg() -> Vec<u8> {
        let picture = RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 4, y as u8 * 5, 90]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
        bytes
    }

    /// The same picture as cameras send it: without its Huffman tables.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != HUFFMAN_TABLES {
                out.extend_from_slice(&jpeg[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&jpeg[at..]);
        out
    }

    #[test]
    fn a_frame_is_decoded_in_a_buffer_that_is_longer_with_and_without_its_tables() {
        let whole = jpeg();
        let picture = decode(&whole, 64, 48).unwrap();
        let bare = without_tables(&whole);
        assert!(bare.len() + 100 < whole.len(), "the tables were there");
        for frame in [whole.clone(), bare] {
            // The rest of a longer frame that was in the buffer before.
            let buffer = [&frame[..], &whole[whole.len() / 2..], &[0; 100]].concat();
            assert_eq!(decode(&buffer, 64, 48).unwrap(), picture);
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_of_another_size_or_no_picture_is_refused() {
        let whole = jpeg();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], 64, 48).is_err(), "{length} of {} bytes", whole.len());
        }
        // The next frame begins before this one has ended.
        assert!(decode(&[&whole[..whole.len() - 9], &whole[..]].concat(), 64, 48).is_err());
        assert!(decode(&whole, 640, 480).unwrap_err().contains("64x48"));
        assert!(decode(&whole, 32, 32).is_err());
        assert!(decode(b"no picture", 64, 48).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(damage in proptest::collection::vec((0usize..2_000, any::<u8>()), 1..40)) {
            let mut bytes = jpeg();
            for (at, byte) in damage {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            let picture = std::panic::catch_unwind(|| decode(&bytes, 64, 48));
            prop_assert!(picture.is_ok_and(|picture| picture.is_err() || picture.is_ok_and(|p| p.width() == 64)));
        }
    }
}
