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

    /// The similarity that brings a place of the frame to the middle of a square of `side_px`, enlarged by `scale` and turned
    /// by so many degrees, clockwise.
    pub fn around(middle: Point, scale: f64, degrees: f64, side_px: u32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        let (x, y) = (f64::from(middle.x), f64::from(middle.y));
        let half = (f64::from(side_px) - 1.0) / 2.0;
        Self { a, b, tx: half - (a * x - b * y), ty: half - (b * x + a * y) }
    }

    /// Pixels of the crop for a pixel of the frame.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// Where in the frame a place of the crop comes from.
    pub fn back(&self, place: Point) -> Point {
        let (x, y) = self.inverse().at(f64::from(place.x), f64::from(place.y));
        Point { x: x as f32, y: y as f32 }
    }

    /// Cuts the 112x112 crop out of a frame.
    pub fn warp(&self, frame: &RgbImage) -> RgbImage {
        self.cut(frame, CROP_PX)
    }

    /// Cuts a square out of a frame: every pixel is blended from the four nearest; what lies outside is black.
    pub fn cut(&self, frame: &RgbImage, side_px: u32) -> RgbImage {
        let back = self.inverse();
        let mut square = RgbImage::new(side_px, side_px);
        for (y, row) in square.rows_mut().enumerate() {
            for (x, pixel) in row.enumerate() {
                let (fx, fy) = back.at(x as f64, y as f64);
                pixel.0 = blend(frame, fx, fy);
            }
        }
        square
    }

    fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let sum = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
    (sum.0 / 5.0, sum.1 / 5.0)
}

fn blend(frame: &RgbImage, x: f64, y: f64) -> [u8; 3] {
    let (left, top) = (floor(x), floor(y));
    let (across, down) = ((x - left as f64) as f32, (y - top as f64) as f32);
    let [a, b, c, d] = neighbours(frame, left, top);
    std::array::from_fn(|channel| {
        let mix = |one: u8, other: u8| f32::from(one) + across * (f32::from(other) - f32::from(one));
        let (upper, lower) = (mix(a[channel], b[channel]), mix(c[channel], d[channel]));
        (upper + down * (lower - upper) + 0.5) as u8
    })
}

/// The next whole number below, without a call: the standard library's is one on the oldest processors that a build is for.
fn floor(value: f64) -> i64 {
    let whole = value as i64;
    whole.saturating_sub(i64::from(whole as f64 > value))
}

/// The four pixels to the right of and below a place, row by row; black outside of the frame.
fn neighbours(frame: &RgbImage, left: i64, top: i64) -> [[u8; 3]; 4] {
    let (width, height) = (i64::from(frame.width()), i64::from(frame.height()));
    if (0..width - 1).contains(&left) && (0..height - 1).contains(&top) {
        let upper = 3 * (top * width + left) as usize;
        let lower = upper + 3 * width as usize;
        if let (Some([a, b, c, d, e, f]), Some([g, h, i, j, k, l])) =
            (frame.as_raw()[upper..].first_chunk(), frame.as_raw()[lower..].first_chunk())
        {
            return [[*a, *b, *c], [*d, *e, *f], [*g, *h, *i], [*j, *k, *l]];
        }
    }
    [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| {
        let (x, y) = (left.saturating_add(dx), top.saturating_add(dy));
        let inside = (0..width).contains(&x) && (0..height).contains(&y);
        if inside { frame.get_pixel(x as u32, y as u32).0 } else { [0; 3] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_similarity_is_found_again() {
        let known = Similarity { a: 0.5, b: -0.2, tx: 7.0, ty: -3.0 };
        let frame_points = ARCFACE_112.map(|p| known.back(p));
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
