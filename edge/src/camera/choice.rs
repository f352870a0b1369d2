//! Which of a camera's offers is taken. Pure.

use crate::camera::format::{Offer, Pixels};
use std::cmp::Reverse;

/// Faces at the far end of a room need this many pixels,
const SMALLEST: (u32, u32) = (640, 480);
/// and more than this cost the detector more time than they show it faces.
const LARGEST: (u32, u32) = (1_280, 720);
/// Below it somebody who walks by is seen too few times.
const FRAMES_PER_S_MIN: u32 = 10;
/// More are not looked at.
const FRAMES_PER_S_ENOUGH: u32 = 30;
/// A picture with more pixels than this is no offer.
const PIXELS_MAX: u64 = 16_000_000;

/// The offers that can be used, the best first: those of at least ten frames a second before those of fewer; then sizes
/// from 640x480 to 1280x720, the largest first, before larger ones, the smallest first, before smaller ones, the largest
/// first; then the rate nearest to 30 frames a second; then pixels as they are before MJPEG, which costs a decoder.
pub fn ranked(offers: &[Offer]) -> Vec<(Offer, Pixels)> {
    let fits = |offer: &&Offer| (1..=PIXELS_MAX).contains(&area(offer.width, offer.height));
    let mut usable: Vec<_> =
        offers.iter().filter(fits).filter_map(|offer| Some((offer.clone(), offer.usable()?))).collect();
    usable.sort_by_key(|(offer, pixels)| {
        let rate = offer.whole_frames_per_s().unwrap_or(0);
        let order = Pixels::ALL.iter().position(|p| p == pixels);
        (rate < FRAMES_PER_S_MIN, by_size(offer), rate.abs_diff(FRAMES_PER_S_ENOUGH), Reverse(rate), order)
    });
    usable
}

/// Its class, and its place in it.
fn by_size(offer: &Offer) -> (u8, i64) {
    let Offer { width, height, .. } = *offer;
    let size = i64::try_from(area(width, height)).unwrap_or(i64::MAX);
    let at_least = width >= SMALLEST.0 && height >= SMALLEST.1;
    let at_most = width <= LARGEST.0 && height <= LARGEST.1;
    match (at_least, at_most) {
        (true, true) => (0, -size),
        (true, false) => (1, size),
        (false, _) => (2, -size),
    }
}

fn area(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(text: &str) -> Offer {
        let parts: Vec<_> = text.split(' ').collect();
        let [size, fourcc, rate] = parts[..] else { panic!("{text}") };
        let (width, height) = size.split_once('x').unwrap();
        let (denominator, numerator) = rate.split_once('/').unwrap_or((rate, "1"));
        Offer {
            fourcc: fourcc.to_owned(),
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            interval_s: (numerator.parse().unwrap(), denominator.parse().unwrap()),
        }
    }

    #[test]
    fn the_best_offer_is_taken() {
        let cases: [(&str, &[&str], Option<&str>); 11] = [
            (
                "a usual webcam: pixels are slow where they are many",
                &["640x480 YUYV 30", "1280x720 YUYV 5", "1280x720 MJPG 30", "1920x1080 MJPG 30"],
                Some("1280x720 MJPG 30"),
            ),
            (
                "pixels as they are, where they are as fast",
                &["640x480 MJPG 30", "640x480 YUYV 30"],
                Some("640x480 YUYV 30"),
            ),
            (
                "the nearest to 30",
                &["640x480 YUYV 60", "640x480 YUYV 15", "640x480 YUYV 25"],
                Some("640x480 YUYV 25"),
            ),
            (
                "only large ones: the smallest",
                &["3840x2160 MJPG 30", "1920x1080 MJPG 30"],
                Some("1920x1080 MJPG 30"),
            ),
            (
                "only small ones: the largest",
                &["160x120 YUYV 30", "320x240 YUYV 30"],
                Some("320x240 YUYV 30"),
            ),
            ("large before small", &["320x240 YUYV 30", "1920x1080 YUYV 30"], Some("1920x1080 YUYV 30")),
            (
                "small and fast before large and slow",
                &["1280x720 YUYV 5", "320x240 YUYV 15"],
                Some("320x240 YUYV 15"),
            ),
            (
                "slow, where there is nothing else",
                &["1280x720 YUYV 5", "640x480 YUYV 1"],
                Some("1280x720 YUYV 5"),
            ),
            (
                "what cannot be decoded is not taken",
                &["1280x720 H264 30", "640x480 GREY 30", "320x240 NV12 30"],
                Some("320x240 NV12 30"),
            ),
            (
                "whole frames a second",
                &["640x480 YUYV 30000/1001", "640x480 YUYV 15/2", "320x240 YUYV 60/2"],
                Some("320x240 YUYV 60/2"),
            ),
            (
                "nothing",
                &[
                    "1280x720 H264 30",
                    "0x0 YUYV 30",
                    "100000x100000 YUYV 30",
                    "640x480 YUYV 0",
                    "640x480 YUYV 1/0",
                ],
                None,
            ),
        ];
        for (what, offers, expected) in cases {
            let offers: Vec<_> = offers.iter().map(|text| offer(text)).collect();
            let best = ranked(&offers).first().map(|(offer, _)| offer.clone());
            assert_eq!(best, expected.map(offer), "{what}");
        }
    }
}
