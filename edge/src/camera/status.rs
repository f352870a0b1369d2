//! How a camera is, in numbers and in words.

use crate::status::span;
use protocol::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything people and programs may want to know of a camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraStatus {
    /// The camera, as it was named.
    pub camera: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: CameraState,
    /// Since when.
    pub since: UnixMs,
    /// Frames it gave since the start.
    pub frames: u64,
    /// Frames that were looked at.
    pub looked_at: u64,
    /// Frames that nobody had time for.
    pub dropped: u64,
    /// Frames that were no pictures.
    pub undecodable: u64,
    /// How often it was lost.
    pub losses: u64,
}

/// Where a camera stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CameraState {
    /// It is tried for the first time.
    Connecting,
    /// It gives frames.
    Playing {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// MJPEG, YUYV, NV12, RGB3 or BGR3.
        pixels: String,
        /// Of the last ten seconds, to a tenth.
        frames_per_s: f64,
    },
    /// It is open and gives none.
    Silent,
    /// It is gone, or cannot be opened; it is tried again until it can.
    Lost {
        /// In words.
        why: String,
    },
}

impl CameraStatus {
    /// In one line, at this time.
    pub fn line(&self, now: UnixMs) -> impl fmt::Display {
        Line { status: self, now }
    }
}

struct Line<'a> {
    status: &'a CameraStatus,
    now: UnixMs,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CameraStatus { camera, state, since, dropped, undecodable, losses, frames: _, looked_at: _ } =
            self.status;
        write!(f, "camera {camera}: ")?;
        let since = format!("{}, {} ago", time_of_day(*since), span(self.now.since(*since).max(0) / 1000));
        match state {
            CameraState::Connecting => write!(f, "connecting")?,
            CameraState::Playing { width, height, pixels, frames_per_s } => {
                write!(
                    f,
                    "playing, {width}x{height} {pixels}, {frames_per_s:.1} frames/s, {dropped} dropped"
                )?;
            }
            CameraState::Silent => {
                write!(f, "gives no frames since {since}: unplug it, and plug it in again")?;
            }
            CameraState::Lost { why } => write!(f, "lost since {since} ({why}), trying again")?,
        }
        if *undecodable > 0 {
            write!(f, "; {undecodable} frames could not be decoded")?;
        }
        match losses {
            0 => Ok(()),
            _ => write!(f, "; lost {losses} times since the start"),
        }
    }
}

/// Hours and minutes. The edge knows no time zone.
fn time_of_day(at: UnixMs) -> String {
    let minutes = at.0.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_told_in_one_line_and_in_json() {
        let ten_past = UnixMs(((20_000 * 24 + 10) * 60 + 2) * 60_000);
        let playing =
            CameraState::Playing { width: 640, height: 480, pixels: "MJPEG".to_owned(), frames_per_s: 14.8 };
        let gone = CameraState::Lost { why: "the device is gone".to_owned() };
        for (state, undecodable, losses, line) in [
            (CameraState::Connecting, 0, 0, "camera 0: connecting"),
            (playing.clone(), 0, 0, "camera 0: playing, 640x480 MJPEG, 14.8 frames/s, 312 dropped"),
            (
                playing,
                3,
                2,
                "camera 0: playing, 640x480 MJPEG, 14.8 frames/s, 312 dropped; 3 frames could not be decoded; lost 2 times since the start",
            ),
            (gone, 0, 0, "camera 0: lost since 10:02 UTC, 3 minutes ago (the device is gone), trying again"),
            (
                CameraState::Silent,
                0,
                0,
                "camera 0: gives no frames since 10:02 UTC, 3 minutes ago: unplug it, and plug it in again",
            ),
        ] {
            let status = CameraStatus {
                camera: "0".to_owned(),
                state,
                since: ten_past,
                frames: 400,
                looked_at: 80,
                dropped: 312,
                undecodable,
                losses,
            };
            assert_eq!(status.line(ten_past.plus_ms(200_000)).to_string(), line);
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(serde_json::from_str::<CameraStatus>(&json).unwrap(), status, "{json}");
        }
    }
}
