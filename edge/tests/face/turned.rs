//! A picture turned about its middle, on a canvas large enough for all of it.

use edge::face::Point;
use image::{Rgb, RgbImage};

/// Turns a picture clockwise by so many degrees and scales it, with grey outside, and tells where some
/// places of it have come to. Every pixel is blended from the four nearest of a picture that was made as small first.
pub fn turn(picture: &RgbImage, degrees: f32, scale: f32, places: &[Point; 5]) -> (RgbImage, [Point; 5]) {
    let small = |v: u32| ((v as f32 * scale).round() as u32).max(1);
    let (w, h) = (small(picture.width()), small(picture.height()));
    let scaled = image::imageops::resize(picture, w, h, image::imageops::FilterType::Triangle);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (wide, high) =
        (w as f32 * cos.abs() + h as f32 * sin.abs(), w as f32 * sin.abs() + h as f32 * cos.abs());
    // A quarter turn has a cosine a little above 0.
    let (wide, high) = ((wide - 0.01).ceil() as u32, (high - 0.01).ceil() as u32);
    let middle = |side: u32| (side as f32 - 1.0) / 2.0;
    let turned = RgbImage::from_fn(wide, high, |x, y| {
        let (dx, dy) = (x as f32 - middle(wide), y as f32 - middle(high));
        Rgb(blended(&scaled, cos * dx + sin * dy + middle(w), cos * dy - sin * dx + middle(h)))
    });
    let stretch = [w as f32 / picture.width() as f32, h as f32 / picture.height() as f32];
    let places = places.map(|p| {
        let (dx, dy) = (p.x * stretch[0] - middle(w), p.y * stretch[1] - middle(h));
        Point { x: cos * dx - sin * dy + middle(wide), y: sin * dx + cos * dy + middle(high) }
    });
    (turned, places)
}

fn blended(picture: &RgbImage, x: f32, y: f32) -> [u8; 3] {
    const OUTSIDE: [u8; 3] = [127; 3];
    let (left, top) = (x.floor(), y.floor());
    let pixel = |dx: f32, dy: f32| {
        let (x, y) = (left + dx, top + dy);
        let inside = x >= 0.0 && y >= 0.0 && x < picture.width() as f32 && y < picture.height() as f32;
        if inside { picture.get_pixel(x as u32, y as u32).0 } else { OUTSIDE }
    };
    let (across, down) = (x - left, y - top);
    std::array::from_fn(|channel| {
        let row = |dy: f32| {
            f32::from(pixel(0.0, dy)[channel]) * (1.0 - across) + f32::from(pixel(1.0, dy)[channel]) * across
        };
        (row(0.0) * (1.0 - down) + row(1.0) * down).round() as u8
    })
}

#[test]
fn a_quarter_turn_moves_every_pixel_and_place_to_where_it_belongs() {
    let picture = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 10, y as u8 * 10, 0]));
    let (turned, places) = turn(&picture, 90.0, 1.0, &[Point { x: 4.0, y: 1.0 }; 5]);
    let (x, y) = (places[0].x.round() as u32, places[0].y.round() as u32);
    assert_eq!(turned.get_pixel(x, y).0, [40, 10, 0], "{:?} {:?}", turned.dimensions(), places[0]);
}
