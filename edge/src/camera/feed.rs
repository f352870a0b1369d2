//! A camera's frames and how it goes with it: what the capturing thread, whoever looks, and whoever asks have in common.

use crate::{
    camera::{
        format::Layout,
        id::CameraId,
        moment::Moment,
        picture,
        progress::{Progress, Turn},
        slot::{Shot, Slot},
        status::CameraStatus,
        trouble::Trouble,
    },
    face::{Frame, FrameKind},
};
use protocol::UnixMs;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// So long a stop may go unseen.
const STOP_SEEN: Duration = Duration::from_millis(100);

/// A camera that is kept open by a thread of its own.
#[derive(Debug)]
pub struct Feed {
    id: CameraId,
    began: Instant,
    slot: Slot,
    progress: Mutex<Progress>,
}

impl Feed {
    /// Of a camera that nobody has tried yet.
    pub fn new(id: CameraId) -> Self {
        let now = Moment::now();
        Self { id, began: now.mono, slot: Slot::default(), progress: Mutex::new(Progress::begin(now)) }
    }

    /// Which camera.
    pub fn id(&self) -> &CameraId {
        &self.id
    }

    /// The camera opened.
    pub fn opened(&self, layout: Layout) {
        self.progress().opened(layout, Moment::now());
    }

    /// The camera gave a frame.
    pub fn took(&self, shot: Shot) {
        let Layout { width, height, pixels, stride: _ } = shot.layout;
        if self.progress().took(shot.layout, Moment::now()) == Turn::Now {
            tracing::info!(camera = %self.id, width, height, pixels = pixels.name(), "the camera plays");
        }
        self.slot.put(shot);
    }

    /// The camera ended, or could not be opened.
    pub fn lost(&self, why: Trouble) {
        if self.progress().lost(why.clone(), Moment::now()) == Turn::Now {
            tracing::warn!(camera = %self.id, %why, "the camera is lost, and tried again until it is back");
        }
    }

    /// How the camera is.
    pub fn status(&self) -> CameraStatus {
        let progress = self.progress();
        let (state, since) = progress.state(Moment::now());
        let Progress { frames, looked_at, undecodable, losses, .. } = *progress;
        let dropped = self.slot.dropped();
        CameraStatus {
            camera: self.id.to_string(),
            state,
            since,
            frames,
            looked_at,
            dropped,
            undecodable,
            losses,
        }
    }

    /// The newest frame each time, and when it was taken, until `stop`. Waits for the next one on the calling thread.
    pub fn frames(&self, stop: &CancellationToken) -> impl Iterator<Item = (Frame, UnixMs)> {
        let mut last_ms = 0;
        std::iter::from_fn(move || {
            while !stop.is_cancelled() {
                let Some(shot) = self.slot.take(STOP_SEEN) else { continue };
                let Some(picture) = self.decoded(&shot) else { continue };
                // Two frames whose age was told by different clocks could come in the wrong order.
                let at_ms = shot.taken.mono.saturating_duration_since(self.began).as_millis();
                last_ms = u64::try_from(at_ms).unwrap_or(u64::MAX).max(last_ms);
                let name = format!("camera {}", self.id);
                return Some((
                    Frame { picture, at_ms: last_ms, name, kind: FrameKind::Moving },
                    shot.taken.at,
                ));
            }
            None
        })
    }

    fn decoded(&self, shot: &Shot) -> Option<image::RgbImage> {
        let decoded = picture::of(shot);
        let mut progress = self.progress();
        match decoded {
            Ok(picture) => {
                progress.looked_at += 1;
                Some(picture)
            }
            Err(why) => {
                progress.undecodable += 1;
                // A camera may do so thirty times a second.
                if progress.undecodable.is_power_of_two() {
                    let so_far = progress.undecodable;
                    tracing::warn!(camera = %self.id, %why, so_far, "a frame could not be decoded");
                }
                None
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
