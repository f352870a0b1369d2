//! Alignment: the five landmarks of a face are laid on the template that the embedder was trained with.

use crate::face::geometry::Point;
use image::RgbImage;

/// Width and height of an aligned crop, in pixels.
pub const CROP_PX: u32 = 112;

/// Where ArcFace-trained embedders expect the eye at the image's left, the eye at its right, the nose, and the
/// mouth's corners, left and right, in a 112x112 crop.
pub const ARCFACE_112: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

/// Turns, scales and moves, and never mirrors: frame -> crop, `(x, y) -> (a x - b y + tx, b x + a y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The similarity that brings `from` nearest to `to`, in least squares: Umeyama's estimate (IEEE PAMI 13(4),
    /// 1991), which in the plane has this closed form. `None` when all points are one.
    pub fn between(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let [(fx, fy), (gx, gy)] = [mean(from), mean(to)];
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (f, g) in from.iter().zip(to) {
            let (x, y) = (f64::from(f.x) - fx, f64::from(f.y) - fy);
            let (u, v) = (f64::from(g.x) - gx, f64::from(g.y) - gy);
            dot += x * u + y * v;
            cross += x * v - y * u;
            spread += x * x + y * y;
        }
        if !spread.is_finite() || spread < 1e-9 || dot.hypot(cross) < 1e-9 {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        Some(Self { a, b, tx: gx - (a * fx - b * fy), ty: gy - (b * fx + a * fy) })
    }

    /// The 2x3 matrix, row by row.
    pub fn matrix(&self) -> [f64; 6] {
        [self.a, -self.b, self.tx, self.b, self.a, self.ty]
    }

    /// Where in the frame a place of the crop comes from.
    fn back(&self, x: f64, y: f64) -> (f64, f64) {
        let (u, v) = (x - self.tx, y - self.ty);
        let scale = self.a * self.a + self.b * self.b;
        ((self.a * u + self.b * v) / scale, (self.a * v - self.b * u) / scale)
    }

    /// Cuts the crop out of a frame: every pixel is blended from the four nearest; what lies outside is black.
    pub fn warp(&self, frame: &RgbImage) -> RgbImage {
        RgbImage::from_fn(CROP_PX, CROP_PX, |x, y| {
            let (fx, fy) = self.back(f64::from(x), f64::from(y));
            image::Rgb(blend(frame, fx, fy))
        })
    }
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let sum = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
    (sum.0 / 5.0, sum.1 / 5.0)
}

fn blend(frame: &RgbImage, x: f64, y: f64) -> [u8; 3] {
    let (width, height) = (i64::from(frame.width()), i64::from(frame.height()));
    let (left, top) = (x.floor(), y.floor());
    let (right_share, low_share) = (x - left, y - top);
    let mut sum = [0.0_f64; 3];
    for (dx, dy, share) in [
        (0, 0, (1.0 - right_share) * (1.0 - low_share)),
        (1, 0, right_share * (1.0 - low_share)),
        (0, 1, (1.0 - right_share) * low_share),
        (1, 1, right_share * low_share),
    ] {
        let (px, py) = ((left as i64).saturating_add(dx), (top as i64).saturating_add(dy));
        if (0..width).contains(&px) && (0..height).contains(&py) {
            let pixel = frame.get_pixel(px as u32, py as u32).0;
            sum.iter_mut().zip(pixel).for_each(|(total, v)| *total += share * f64::from(v));
        }
    }
    sum.map(|v| v.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_similarity_is_found_again() {
        let known = Similarity { a: 0.5, b: -0.2, tx: 7.0, ty: -3.0 };
        let frame_points = ARCFACE_112.map(|p| {
            let (x, y) = known.back(f64::from(p.x), f64::from(p.y));
            Point { x: x as f32, y: y as f32 }
        });
        let found = Similarity::between(&frame_points, &ARCFACE_112).unwrap();
        for (f, k) in found.matrix().iter().zip(known.matrix()) {
            assert!((f - k).abs() < 1e-4, "{found:?}");
        }
    }

    #[test]
    fn landmarks_in_one_point_cannot_be_aligned() {
        assert_eq!(Similarity::between(&[Point { x: 5.0, y: 5.0 }; 5], &ARCFACE_112), None);
        assert_eq!(Similarity::between(&[Point { x: f32::NAN, y: 5.0 }; 5], &ARCFACE_112), None);
    }

    #[test]
    fn landmarks_far_beyond_any_frame_give_a_black_crop() {
        let far = ARCFACE_112.map(|p| Point { x: p.x * 1e30, y: p.y * 1e30 });
        if let Some(map) = Similarity::between(&far, &ARCFACE_112) {
            assert!(
                map.warp(&RgbImage::from_pixel(8, 8, image::Rgb([255; 3])))
                    .pixels()
                    .skip(1)
                    .all(|p| p.0 == [0; 3])
            );
        }
    }

    #[test]
    fn a_face_on_the_template_already_is_cut_as_it_is() {
        let frame = RgbImage::from_fn(CROP_PX, CROP_PX, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let still = Similarity::between(&ARCFACE_112, &ARCFACE_112).unwrap();
        assert!(still.warp(&frame) == frame, "the identity changed a pixel");
    }
}
