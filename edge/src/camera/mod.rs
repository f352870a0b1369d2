//! Cameras: from a device's bytes to frames with the time they were taken. Nothing of the store or the network is known
//! here.
//!
//! ```text
//! device (v4l) -> choice -> capture (nokhwa) -> Slot -> picture -> Frame
//!                 supervision (opens again) -> Progress -> CameraStatus
//! ```
//!
//! One thread waits for the camera, for as long as the edge runs; whoever looks takes the newest frame. Neither ever waits
//! for the other, and nothing that a camera or its library does ends either.
//!
//! Architecture invariant: only `capture.rs` and `device.rs` know that there are devices. Without the feature `camera`
//! they are left out, and `without.rs` refuses in their place.

pub mod backoff;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod capture;
pub mod choice;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod device;
pub mod feed;
pub mod format;
pub mod id;
mod jpeg;
pub mod listing;
pub mod moment;
pub mod picture;
pub mod progress;
pub mod slot;
pub mod status;
pub mod supervision;
pub mod trouble;
#[cfg(not(all(feature = "camera", target_os = "linux")))]
mod without;

#[cfg(not(all(feature = "camera", target_os = "linux")))]
use without::{built, inspect, open};
#[cfg(all(feature = "camera", target_os = "linux"))]
use {
    capture::open,
    device::{built, inspect},
};

pub use feed::Feed;
pub use id::CameraId;
pub use listing::Listed;
pub use status::{CameraState, CameraStatus};
pub use supervision::AtStart;
pub use trouble::Trouble;

use anyhow::Result;
use std::{path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Where the system has its devices.
const DEVICES: &str = "/dev";

/// The cameras of this machine.
///
/// # Errors
/// When this build has none.
pub fn list() -> Result<Vec<Listed>> {
    built()?;
    Ok(listing::list(Path::new(DEVICES), inspect))
}

/// Makes sure, before anything is started, that a camera can be used; one that is waited for need not be there.
///
/// # Errors
/// One sentence that says why not, and what to do.
pub fn check(id: &CameraId, at_start: AtStart) -> Result<()> {
    built()?;
    match at_start {
        AtStart::Refuse => listing::check(id, Path::new(DEVICES), inspect),
        AtStart::Wait => Ok(()),
    }
}

/// Starts the camera of a feed, and keeps it open until `stop`. Blocks until its first frame is there, ten seconds at most.
///
/// # Errors
/// Why the camera cannot be had, when that is to be refused.
pub fn start(feed: &Arc<Feed>, at_start: AtStart, stop: &CancellationToken) -> Result<()> {
    let wanted = feed.id().clone();
    supervision::start(feed, Box::new(move || open(&wanted)), at_start, stop)
}
