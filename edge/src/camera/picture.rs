//! From a camera's bytes to a picture. Small enough to be our own: the limits are then ours too, and nothing has to be
//! compiled from C for it.

use crate::camera::{
    format::{Layout, Pixels},
    jpeg,
    slot::Shot,
};
use image::RgbImage;
use std::panic;

/// The picture of a frame.
///
/// # Errors
/// Why there is none, in words: cut off, of another size than agreed, or no picture at all.
pub fn of(shot: &Shot) -> Result<RgbImage, String> {
    // The bytes are whatever a cable made of them. Whatever a decoder makes of those, the next frame is looked at.
    panic::catch_unwind(|| decoded(&shot.bytes, &shot.layout))
        .unwrap_or_else(|_| Err("the decoder failed".to_owned()))
}

fn decoded(bytes: &[u8], layout: &Layout) -> Result<RgbImage, String> {
    let Layout { width, height, pixels, stride } = *layout;
    let (columns, rows) = (width as usize, height as usize);
    let size = match pixels {
        Pixels::Mjpeg => return jpeg::decode(bytes, width, height),
        Pixels::Yuyv | Pixels::Rgb | Pixels::Bgr => plane(stride, rows, row_bytes(pixels, columns))?,
        Pixels::Nv12 => stride * rows + plane(stride, rows.div_ceil(2), row_bytes(pixels, columns))?,
    };
    if bytes.len() < size {
        return Err(format!("it is cut off: {} bytes of {size}", bytes.len()));
    }
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    for (y, row) in bytes.chunks(stride).take(rows).enumerate() {
        match pixels {
            Pixels::Rgb => rgb.extend_from_slice(&row[..columns * 3]),
            Pixels::Bgr => rgb.extend(row[..columns * 3].chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]])),
            Pixels::Yuyv => rgb.extend((0..columns).flat_map(|x| {
                let pair = &row[x / 2 * 4..];
                colour(row[x * 2], pair[1], pair[3])
            })),
            Pixels::Nv12 => {
                let chroma = &bytes[stride * rows + y / 2 * stride..];
                rgb.extend((0..columns).flat_map(|x| {
                    let pair = &chroma[x / 2 * 2..];
                    colour(row[x], pair[0], pair[1])
                }));
            }
            Pixels::Mjpeg => {}
        }
    }
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| "it has no size".to_owned())
}

/// Bytes of a row that hold pixels. Two pixels of YUYV and NV12 share their colour, so an odd row has the colour of one
/// more.
pub fn row_bytes(pixels: Pixels, columns: usize) -> usize {
    match pixels {
        Pixels::Mjpeg => 0,
        Pixels::Yuyv => columns.div_ceil(2) * 4,
        Pixels::Nv12 => columns.div_ceil(2) * 2,
        Pixels::Rgb | Pixels::Bgr => columns * 3,
    }
}

/// Bytes of so many rows: the last need not be as long as the stride.
fn plane(stride: usize, rows: usize, row: usize) -> Result<usize, String> {
    if row == 0 || rows == 0 || stride < row {
        return Err(format!("{stride} bytes a row are too few"));
    }
    Ok(stride * (rows - 1) + row)
}

/// RGB of Y, Cb, Cr as video has them (ITU-R BT.601, Y from 16 to 235), in 256ths.
fn colour(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (298 * (i32::from(y) - 16), i32::from(cb) - 128, i32::from(cr) - 128);
    let byte = |value: i32| ((value + 128) >> 8).clamp(0, 255) as u8;
    [byte(y + 409 * cr), byte(y - 100 * cb - 208 * cr), byte(y + 516 * cb)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(
        pixels: Pixels,
        (width, height): (u32, u32),
        stride: usize,
        bytes: &[u8],
    ) -> Result<Vec<u8>, String> {
        decoded(bytes, &Layout { width, height, pixels, stride }).map(RgbImage::into_raw)
    }

    #[test]
    fn the_colours_of_video_are_those_of_the_standard() {
        for ([y, cb, cr], rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 0]),
            ([41, 240, 110], [0, 0, 255]),
            ([0, 0, 0], [0, 135, 0]),
            ([255, 255, 255], [255, 125, 255]),
        ] {
            let near = colour(y, cb, cr).iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 1);
            assert!(near, "{:?} of {:?}", colour(y, cb, cr), [y, cb, cr]);
        }
    }

    #[test]
    fn every_pixel_comes_from_its_own_bytes() {
        // Red and blue side by side, above black and white; rows are two bytes longer than they need.
        let (red, blue, black, white) = ([255, 0, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255]);
        let expected = [red, blue, black, white].concat();
        let rgb = [&red[..], &blue, &[9, 9], &black, &white].concat();
        assert_eq!(picture(Pixels::Rgb, (2, 2), 8, &rgb), Ok(expected.clone()));
        let bgr = [&blue[..], &red, &[9, 9], &black, &white, &[9, 9]].concat();
        assert_eq!(picture(Pixels::Bgr, (2, 2), 8, &bgr), Ok(expected));
        // Pairs share their colour: dark and light red, black and white.
        let yuyv = [81, 90, 120, 240, 9, 9, 16, 128, 235, 128, 9, 9];
        let (dark, light) = (colour(81, 90, 240), colour(120, 90, 240));
        assert_eq!(picture(Pixels::Yuyv, (2, 2), 6, &yuyv), Ok([dark, light, black, white].concat()));
        // Three by three: every chroma value belongs to four pixels, fewer at the edges.
        let luma = [[81, 81, 16, 0], [81, 81, 16, 0], [235, 235, 16, 0]].concat();
        let nv12 = [luma, [[90, 240, 128, 128], [128, 128, 128, 128]].concat()].concat();
        let rows = [[dark, dark, black], [dark, dark, black], [white, white, black]].concat().concat();
        assert_eq!(picture(Pixels::Nv12, (3, 3), 4, &nv12), Ok(rows));
    }

    #[test]
    fn a_frame_that_is_cut_off_or_cannot_be_is_refused() {
        for (pixels, size, stride, whole) in [
            (Pixels::Yuyv, (4, 2), 8, 16),
            (Pixels::Nv12, (4, 2), 4, 12),
            (Pixels::Rgb, (4, 2), 12, 24),
            (Pixels::Bgr, (4, 2), 16, 28),
        ] {
            assert!(picture(pixels, size, stride, &vec![0; whole]).is_ok(), "{pixels:?}");
            assert!(picture(pixels, size, stride, &vec![0; whole - 1]).unwrap_err().contains("cut off"));
            assert!(picture(pixels, size, stride, &[]).is_err());
            assert!(picture(pixels, size, 3, &vec![0; whole]).is_err(), "rows overlap");
            assert!(picture(pixels, (0, 2), stride, &vec![0; whole]).is_err());
            assert!(picture(pixels, (4, 0), stride, &vec![0; whole]).is_err());
        }
    }
}
