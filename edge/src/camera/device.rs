//! What a device is and offers, asked of Video4Linux itself: nokhwa leaves out what it does not know, and sets a device's
//! format in order to list it.

use crate::camera::{
    format::{Layout, Offer, Pixels},
    id::Node,
    listing::Inspected,
    picture,
    trouble::Trouble,
};
use std::panic::{self, AssertUnwindSafe};
use v4l::{
    Device, Format, FourCC, Fraction,
    capability::Flags,
    frameinterval::FrameIntervalEnum,
    framesize::FrameSizeEnum,
    video::{Capture, capture::Parameters},
};

/// Of a device that takes any size within limits, these are offered.
const SIZES: [(u32, u32); 5] = [(320, 240), (640, 480), (800, 600), (1_280, 720), (1_920, 1_080)];
/// Of one that takes any rate, these.
const RATES: [u32; 4] = [10, 15, 25, 30];
/// What is asked of a device that names no rates.
const RATE_UNNAMED: (u32, u32) = (1, 30);

/// Cameras can be seen through.
///
/// # Errors
/// Never, in this build.
pub fn built() -> Result<(), Trouble> {
    Ok(())
}

/// Looks at a device. Changes nothing about it, and another program may be using it.
///
/// # Errors
/// When it cannot be opened.
pub fn inspect(node: Node) -> Result<Inspected, Trouble> {
    guarded(|| {
        let device = Device::with_path(node.path())?;
        let about = device.query_caps()?;
        let is_camera = about.capabilities.contains(Flags::VIDEO_CAPTURE);
        let offers = if is_camera { offers(&device)? } else { Vec::new() };
        Ok(Inspected { name: about.card, bus: about.bus, driver: about.driver, offers })
    })
}

/// Puts a device into the format of an offer, so that nokhwa, which cannot open one whose present format it does not know,
/// finds one that it does.
///
/// # Errors
/// When another program uses it, or it refuses.
pub fn prepare(node: Node, offer: &Offer) -> Result<(), Trouble> {
    guarded(|| {
        let device = Device::with_path(node.path())?;
        device.set_format(&Format::new(offer.width, offer.height, fourcc(&offer.fourcc)?))?;
        let (numerator, denominator) = offer.interval_s;
        device.set_params(&Parameters::new(Fraction::new(numerator, denominator)))?;
        Ok(())
    })
}

/// How the frames of a device lie in memory, in the format that it has now.
///
/// # Errors
/// When it cannot be asked, or the format cannot be decoded.
pub fn layout(node: Node) -> Result<Layout, Trouble> {
    guarded(|| {
        let format = Device::with_path(node.path())?.format()?;
        let named = Pixels::named(&name(format.fourcc));
        let pixels = named.ok_or_else(|| Trouble::NoFormat(name(format.fourcc)))?;
        let least = picture::row_bytes(pixels, format.width as usize);
        let stride = (format.stride as usize).max(least);
        Ok(Layout { width: format.width, height: format.height, pixels, stride })
    })
}

fn offers(device: &Device) -> Result<Vec<Offer>, Trouble> {
    let mut offers = Vec::new();
    for description in device.enum_formats()? {
        let name = name(description.fourcc);
        for (width, height) in sizes(device, description.fourcc)? {
            let intervals = intervals(device, description.fourcc, (width, height));
            offers.extend(intervals.into_iter().map(|interval_s| Offer {
                fourcc: name.clone(),
                width,
                height,
                interval_s,
            }));
        }
    }
    // By size and then the fastest first, as they are listed.
    offers.sort_by(|a, b| {
        let by_size = (&a.fourcc, a.width, a.height).cmp(&(&b.fourcc, b.width, b.height));
        by_size.then(b.frames_per_s().total_cmp(&a.frames_per_s()))
    });
    offers.dedup();
    Ok(offers)
}

fn sizes(device: &Device, fourcc: FourCC) -> Result<Vec<(u32, u32)>, Trouble> {
    let Ok(listed) = device.enum_framesizes(fourcc) else {
        // It has one size, and no list.
        let now = device.format()?;
        return Ok(vec![(now.width, now.height)]);
    };
    let of = |size| match size {
        FrameSizeEnum::Discrete(size) => vec![(size.width, size.height)],
        FrameSizeEnum::Stepwise(s) => {
            let fits = |n: u32, min: u32, max: u32, step: u32| {
                (min..=max).contains(&n) && (n - min).is_multiple_of(step.max(1))
            };
            let usual = SIZES.into_iter().filter(|(w, h)| {
                fits(*w, s.min_width, s.max_width, s.step_width)
                    && fits(*h, s.min_height, s.max_height, s.step_height)
            });
            let usual: Vec<_> = usual.collect();
            if usual.is_empty() { vec![(s.max_width, s.max_height)] } else { usual }
        }
    };
    Ok(listed.into_iter().flat_map(|listed| of(listed.size)).collect())
}

fn intervals(device: &Device, fourcc: FourCC, (width, height): (u32, u32)) -> Vec<(u32, u32)> {
    let Ok(listed) = device.enum_frameintervals(fourcc, width, height) else {
        let now = device.params().map(|now| (now.interval.numerator, now.interval.denominator));
        return vec![now.ok().filter(|(n, d)| *n > 0 && *d > 0).unwrap_or(RATE_UNNAMED)];
    };
    let seconds = |f: &Fraction| f64::from(f.numerator) / f64::from(f.denominator.max(1));
    let of = |interval| match interval {
        FrameIntervalEnum::Discrete(f) => vec![(f.numerator, f.denominator)],
        FrameIntervalEnum::Stepwise(s) => {
            let fits = |rate: &u32| (seconds(&s.min)..=seconds(&s.max)).contains(&(1.0 / f64::from(*rate)));
            let usual: Vec<_> = RATES.into_iter().filter(fits).map(|rate| (1, rate)).collect();
            if usual.is_empty() { vec![(s.min.numerator, s.min.denominator)] } else { usual }
        }
    };
    listed.into_iter().flat_map(|listed| of(listed.interval)).collect()
}

/// Four characters, and whether pixels have their first byte last: the highest bit says so.
fn name(fourcc: FourCC) -> String {
    let [.., last] = fourcc.repr;
    let characters = String::from_utf8_lossy(&fourcc.repr.map(|byte| byte & 0x7f)).trim_end().to_owned();
    if last & 0x80 == 0 { characters } else { characters + "-BE" }
}

fn fourcc(name: &str) -> Result<FourCC, Trouble> {
    let repr = name.as_bytes().try_into().map_err(|_| Trouble::NoFormat(name.to_owned()))?;
    Ok(FourCC::new(repr))
}

/// The bindings expect of every driver that it keeps to the book, and panic where one does not.
fn guarded<T>(ask: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    panic::catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| Err(Trouble::panicked(&*panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_called_as_video4linux_calls_them() {
        for (repr, expected) in [(*b"YUYV", "YUYV"), (*b"Y10 ", "Y10"), ([b'Y', b'1', b'6', 0xa0], "Y16-BE")]
        {
            assert_eq!(name(FourCC::new(&repr)), expected);
        }
        for pixels in Pixels::ALL {
            assert_eq!(name(fourcc(pixels.fourcc()).unwrap()), pixels.fourcc());
        }
        assert_eq!(fourcc("Y10"), Err(Trouble::NoFormat("Y10".to_owned())));
    }

    #[test]
    fn a_driver_that_does_not_keep_to_the_book_ends_nothing() {
        let told = guarded::<()>(|| panic!("Invalid field order"));
        assert_eq!(told, Err(Trouble::Other("the camera's library failed: Invalid field order".to_owned())));
    }
}
