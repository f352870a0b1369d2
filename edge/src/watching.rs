//! Playing a source: frames to faces to tracks to sightings, on a thread of its own.

use crate::{
    clock,
    face::{Decision, Eyes, EyesConfig, Source, SourceSpec, Tracker},
    input::Sighting,
    live::{Answer, Verdict},
    start::Eyepiece,
};
use anyhow::Result;
use tokio_util::sync::CancellationToken;

/// What was played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// Pictures that were looked at.
    pub frames: usize,
    /// Files that were no pictures.
    pub unreadable: usize,
}

/// Plays a source once, as fast as the eyes can look. Blocks; opens the eyes on the calling thread.
///
/// # Errors
/// When the source or the models cannot be opened, or the edge has stopped.
pub fn play(
    spec: &SourceSpec,
    eyes: &EyesConfig,
    eyepiece: &Eyepiece,
    stop: &CancellationToken,
) -> Result<Played> {
    let source = Source::open(spec)?;
    let mut eyes = Eyes::open(eyes)?;
    let mut tracker = Tracker::new(eyes.manifest());
    let mut played = Played::default();
    for frame in source {
        if stop.is_cancelled() {
            break;
        }
        let frame = match frame {
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
            let sighting = Sighting { vector: seen.vector, grade: seen.grade, at: clock::system() };
            let answer = eyepiece.show(sighting)?;
            if let Answer::Decided(Verdict { decision: Decision::Known | Decision::New, .. }) = answer {
                tracker.settle(seen.track);
            }
        }
    }
    Ok(played)
}
