//! Watching a source: frames to faces to tracks to sightings, on a thread of its own.

use crate::{
    camera::{self, AtStart, CameraId, Feed},
    clock,
    face::{Decision, Eyes, EyesConfig, Frame, Source, SourceSpec, Tracker, Unreadable},
    input::Sighting,
    live::{Answer, Verdict},
    start::{Edge, Eyepiece},
};
use anyhow::Result;
use protocol::UnixMs;
use std::{fmt, str::FromStr, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What is watched, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// `camera:0`, `camera:/dev/video2`: what happens now, for as long as the edge runs.
    Camera(CameraId),
    /// Something that is played once.
    Recording(SourceSpec),
}

impl FromStr for Watched {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("camera", id)) => id.parse().map(Self::Camera),
            _ => text.parse().map(Self::Recording),
        }
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(id) => write!(f, "camera:{id}"),
            Self::Recording(spec) => write!(f, "{spec}"),
        }
    }
}

impl Watched {
    /// Says what cannot be watched before anything is started.
    ///
    /// # Errors
    /// One sentence that says why not.
    pub fn check(&self, at_start: AtStart) -> Result<()> {
        match self {
            Self::Camera(id) => camera::check(id, at_start),
            Self::Recording(spec) => Source::open(spec).map(drop),
        }
    }

    /// Starts what has to be started before it can be watched: a camera, of which the edge's status tells from now on.
    ///
    /// # Errors
    /// Why the camera cannot be had.
    pub async fn begin(self, edge: &Edge, at_start: AtStart, stop: &CancellationToken) -> Result<Begun> {
        let id = match self {
            Self::Recording(spec) => return Ok(Begun::Recording(spec)),
            Self::Camera(id) => id,
        };
        let feed = Arc::new(Feed::new(id));
        edge.looks_through(feed.clone());
        let (started, stop) = (feed.clone(), stop.clone());
        tokio::task::spawn_blocking(move || camera::start(&started, at_start, &stop)).await??;
        Ok(Begun::Camera(feed))
    }
}

/// Something that can be watched now.
#[derive(Debug)]
pub enum Begun {
    /// A camera.
    Camera(Arc<Feed>),
    /// Something that is played once.
    Recording(SourceSpec),
}

impl Begun {
    /// Watches until it ends, which a camera does not, or until `stop`. Blocks; opens the eyes on the calling thread.
    ///
    /// # Errors
    /// When the source or the models cannot be opened, or the edge has stopped.
    pub fn watch(&self, eyes: &EyesConfig, eyepiece: &Eyepiece, stop: &CancellationToken) -> Result<Played> {
        match self {
            Self::Camera(feed) => look(feed.frames(stop).map(Ok), eyes, eyepiece, stop),
            Self::Recording(spec) => play(spec, eyes, eyepiece, stop),
        }
    }
}

/// What was played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// Pictures that were looked at.
    pub frames: usize,
    /// Files that were no pictures.
    pub unreadable: usize,
}

/// Plays a recording once, as fast as the eyes can look. Blocks; opens the eyes on the calling thread.
///
/// # Errors
/// When the source or the models cannot be opened, or the edge has stopped.
pub fn play(
    spec: &SourceSpec,
    eyes: &EyesConfig,
    eyepiece: &Eyepiece,
    stop: &CancellationToken,
) -> Result<Played> {
    // When a picture was taken nobody knows: whoever is on it is seen when it is shown.
    let source = Source::open(spec)?.map(|frame| Ok((frame?, clock::system())));
    look(source, eyes, eyepiece, stop)
}

/// Looks at frames. Who is on one was there when it was taken, however long the looking takes.
fn look(
    frames: impl Iterator<Item = Result<(Frame, UnixMs), Unreadable>>,
    eyes: &EyesConfig,
    eyepiece: &Eyepiece,
    stop: &CancellationToken,
) -> Result<Played> {
    let mut eyes = Eyes::open(eyes)?;
    let mut tracker = Tracker::new(eyes.manifest());
    let mut played = Played::default();
    for frame in frames {
        if stop.is_cancelled() {
            break;
        }
        let (frame, at) = match frame {
            Ok(frame) => frame,
            Err(unreadable) => {
                tracing::warn!(%unreadable, "a picture was left out");
                played.unreadable += 1;
                continue;
            }
        };
        played.frames += 1;
        let faces = eyes.look(&frame)?;
        for seen in tracker.observe(frame.at_ms, frame.kind, faces) {
            let sighting = Sighting { vector: seen.vector, grade: seen.grade, at };
            let answer = eyepiece.show(sighting)?;
            if let Answer::Decided(Verdict { decision: Decision::Known | Decision::New, .. }) = answer {
                tracker.settle(seen.track);
            }
        }
    }
    Ok(played)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_read_as_it_is_written() {
        for text in ["camera:0", "camera:/dev/v4l/by-id/usb-Webcam", "images:pictures", "clip:a.gif"] {
            assert_eq!(text.parse::<Watched>().unwrap().to_string(), text);
        }
        for (text, part) in [
            ("camera:", "names no camera"),
            ("camera:front", "is no camera"),
            ("camera", "camera:0"),
            ("rtsp://camera", "camera:0"),
        ] {
            let refused = text.parse::<Watched>().unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
