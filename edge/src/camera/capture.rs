//! Frames from a device. The only file that names nokhwa.
//!
//! Its raw buffers are taken and decoded here: its own decoder would bring a JPEG library in C that has to be assembled,
//! and neither limits nor frames that are cut off are its concern.

use crate::camera::{
    choice, device,
    format::{Offer, Pixels},
    id::{CameraId, Node},
    moment::Moment,
    slot::Shot,
    supervision::Opened,
    trouble::Trouble,
};
use nokhwa::{
    Camera, NokhwaError,
    utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution},
};

/// What is asked for by name, the best first; a device may refuse what it offers.
const EXACT_MAX: usize = 4;
const DECODABLE: [FrameFormat; 5] =
    [FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::RAWRGB, FrameFormat::RAWBGR, FrameFormat::MJPEG];

/// Opens a camera in the best format it takes.
///
/// # Errors
/// When it is not there, in use, not for this user, or offers nothing that can be decoded.
pub fn open(id: &CameraId) -> Result<Opened, Trouble> {
    let node = id.node()?;
    let mut camera = agreed(node)?;
    camera.open_stream().map_err(said)?;
    let layout = device::layout(node)?;
    let next = move || {
        let frame = camera.frame().map_err(said)?;
        let taken = Moment::now().taken(frame.capture_timestamp());
        let bytes = frame.buffer_bytes();
        drop(frame);
        // The only owner gives its memory away: nothing is copied.
        Ok(Shot { bytes: Vec::from(bytes), layout, taken })
    };
    Ok(Opened { layout, next: Box::new(next) })
}

/// The camera, in a format that it and we agree on: by name, the best first; where it takes none of them, whatever it
/// gives by itself.
fn agreed(node: Node) -> Result<Camera, Trouble> {
    let offers = device::inspect(node)?.offers;
    let ranked = choice::ranked(&offers);
    let mut refused = Trouble::undecodable(&offers);
    if ranked.is_empty() {
        return Err(refused);
    }
    let exact = ranked.iter().take(EXACT_MAX).map(|(offer, pixels)| (Some(offer), exact(offer, *pixels)));
    let any = [
        RequestedFormatType::AbsoluteHighestFrameRate,
        RequestedFormatType::AbsoluteHighestResolution,
        RequestedFormatType::None,
    ];
    for (offer, request) in exact.chain(any.map(|request| (None, request))) {
        let prepared = offer.map_or(Ok(()), |offer| device::prepare(node, offer));
        let asked = RequestedFormat::with_formats(request, &DECODABLE);
        match prepared.and_then(|()| Camera::new(CameraIndex::Index(node.0), asked).map_err(said)) {
            Ok(camera) => return Ok(camera),
            // Another format would not help.
            Err(why @ (Trouble::Gone | Trouble::Busy | Trouble::Denied)) => return Err(why),
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

fn exact(offer: &Offer, pixels: Pixels) -> RequestedFormatType {
    let format = match pixels {
        Pixels::Mjpeg => FrameFormat::MJPEG,
        Pixels::Yuyv => FrameFormat::YUYV,
        Pixels::Nv12 => FrameFormat::NV12,
        Pixels::Rgb => FrameFormat::RAWRGB,
        Pixels::Bgr => FrameFormat::RAWBGR,
    };
    let rate = offer.whole_frames_per_s().unwrap_or(0);
    RequestedFormatType::Exact(CameraFormat::new(Resolution::new(offer.width, offer.height), format, rate))
}

fn said(error: NokhwaError) -> Trouble {
    Trouble::said(&error.to_string())
}
