//! How it goes with a camera. Pure: every moment is an argument.

use crate::camera::{format::Layout, moment::Moment, status::CameraState, trouble::Trouble};
use protocol::UnixMs;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A camera that is open and gives nothing for so long is said to be silent. The system tells nobody why.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// The rate is that of so many frames at most,
const RECENT_MAX: usize = 64;
/// and of none that is older than this.
const RECENT: Duration = Duration::from_secs(10);

/// Where a camera stands, and what it has given.
#[derive(Debug)]
pub struct Progress {
    phase: Phase,
    /// When the phase began.
    since: UnixMs,
    /// The camera that is open now, and when it opened or last gave a frame.
    open: Option<(Layout, Moment)>,
    recent: VecDeque<Instant>,
    /// Frames it gave.
    pub frames: u64,
    /// Frames that were looked at.
    pub looked_at: u64,
    /// Frames that were no pictures.
    pub undecodable: u64,
    /// How often it was lost.
    pub losses: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Connecting,
    Playing(Layout),
    Lost(Trouble),
}

/// Whether something has just become different, which is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has.
    Now,
    /// It was so before.
    Before,
}

impl Progress {
    /// A camera that nobody has tried yet.
    pub fn begin(now: Moment) -> Self {
        Self {
            phase: Phase::Connecting,
            since: now.at,
            open: None,
            recent: VecDeque::new(),
            frames: 0,
            looked_at: 0,
            undecodable: 0,
            losses: 0,
        }
    }

    /// It opened. It plays when the first frame is there.
    pub fn opened(&mut self, layout: Layout, now: Moment) {
        self.open = Some((layout, now));
        self.recent.clear();
    }

    /// It gave a frame.
    pub fn took(&mut self, layout: Layout, now: Moment) -> Turn {
        self.frames += 1;
        self.open = Some((layout, now));
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(now.mono);
        if matches!(self.phase, Phase::Playing(_)) {
            return Turn::Before;
        }
        (self.phase, self.since) = (Phase::Playing(layout), now.at);
        Turn::Now
    }

    /// It ended, or could not be opened. It is lost since the first of the failures in a row, for the reason of the last.
    pub fn lost(&mut self, why: Trouble, now: Moment) -> Turn {
        self.open = None;
        let turn = if matches!(self.phase, Phase::Lost(_)) { Turn::Before } else { Turn::Now };
        if turn == Turn::Now {
            self.since = now.at;
            self.losses += u64::from(matches!(self.phase, Phase::Playing(_)));
        }
        self.phase = Phase::Lost(why);
        turn
    }

    /// Where it stands, and since when.
    pub fn state(&self, now: Moment) -> (CameraState, UnixMs) {
        if let Some((_, heard)) = self.open
            && now.mono.saturating_duration_since(heard.mono) >= SILENT_AFTER
        {
            return (CameraState::Silent, heard.at);
        }
        let state = match &self.phase {
            Phase::Connecting => CameraState::Connecting,
            Phase::Lost(why) => CameraState::Lost { why: why.to_string() },
            Phase::Playing(Layout { width, height, pixels, stride: _ }) => CameraState::Playing {
                width: *width,
                height: *height,
                pixels: pixels.name().to_owned(),
                frames_per_s: self.frames_per_s(now.mono),
            },
        };
        (state, self.since)
    }

    /// Frames a second, to a tenth.
    fn frames_per_s(&self, now: Instant) -> f64 {
        let fresh = |at: &&Instant| now.saturating_duration_since(**at) <= RECENT;
        let mut recent = self.recent.iter().filter(fresh);
        let (Some(first), Some(last)) = (recent.next(), recent.next_back()) else { return 0.0 };
        let between = recent.count() as f64 + 1.0;
        let span_s = last.duration_since(*first).as_secs_f64();
        if span_s > 0.0 { (between / span_s * 10.0).round() / 10.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::format::Pixels;

    const LAYOUT: Layout = Layout { width: 640, height: 480, pixels: Pixels::Mjpeg, stride: 0 };

    /// Moments at so many milliseconds.
    fn clock() -> impl Fn(u64) -> Moment {
        let start = Instant::now();
        move |ms| Moment { at: UnixMs(ms as i64), mono: start + Duration::from_millis(ms) }
    }

    fn playing(frames_per_s: f64) -> CameraState {
        CameraState::Playing { width: 640, height: 480, pixels: "MJPEG".to_owned(), frames_per_s }
    }

    fn lost(why: Trouble) -> CameraState {
        CameraState::Lost { why: why.to_string() }
    }

    #[test]
    fn a_camera_is_lost_since_the_first_failure_and_plays_since_the_first_frame() {
        let at = clock();
        let mut camera = Progress::begin(at(0));
        assert_eq!(camera.state(at(1)), (CameraState::Connecting, UnixMs(0)));
        camera.opened(LAYOUT, at(10));
        assert_eq!(camera.state(at(11)), (CameraState::Connecting, UnixMs(0)));
        assert_eq!(camera.took(LAYOUT, at(100)), Turn::Now);
        assert_eq!(camera.took(LAYOUT, at(200)), Turn::Before);
        assert_eq!(camera.state(at(250)), (playing(10.0), UnixMs(100)));
        assert_eq!(camera.lost(Trouble::Gone, at(300)), Turn::Now);
        assert_eq!(camera.lost(Trouble::Busy, at(900)), Turn::Before);
        assert_eq!(camera.state(at(950)), (lost(Trouble::Busy), UnixMs(300)));
        camera.opened(LAYOUT, at(1_000));
        assert_eq!(camera.state(at(1_001)).1, UnixMs(300), "open is not yet playing");
        assert_eq!(camera.took(LAYOUT, at(1_100)), Turn::Now);
        assert_eq!(camera.state(at(1_100)), (playing(0.0), UnixMs(1_100)));
        assert_eq!((camera.frames, camera.losses), (3, 1));
    }

    #[test]
    fn a_camera_that_never_played_was_not_lost() {
        let at = clock();
        let mut camera = Progress::begin(at(0));
        camera.lost(Trouble::Gone, at(5));
        assert_eq!((camera.state(at(6)), camera.losses), ((lost(Trouble::Gone), UnixMs(5)), 0));
    }

    #[test]
    fn an_open_camera_that_gives_nothing_is_silent_since_it_last_did() {
        let at = clock();
        let mut camera = Progress::begin(at(0));
        camera.opened(LAYOUT, at(100));
        assert_eq!(camera.state(at(5_100)), (CameraState::Silent, UnixMs(100)));
        camera.took(LAYOUT, at(6_000));
        assert_eq!(camera.state(at(6_001)), (playing(0.0), UnixMs(6_000)));
        assert_eq!(camera.state(at(11_000)), (CameraState::Silent, UnixMs(6_000)));
        camera.lost(Trouble::Gone, at(12_000));
        assert_eq!(camera.state(at(60_000)), (lost(Trouble::Gone), UnixMs(12_000)));
    }

    #[test]
    fn the_rate_is_that_of_the_newest_frames() {
        let at = clock();
        let mut camera = Progress::begin(at(0));
        let slow = (0..10).map(|n| n * 1_000);
        let fast = (0..200).map(|n| 10_000 + n * 67);
        for ms in slow.chain(fast) {
            camera.took(LAYOUT, at(ms));
        }
        assert_eq!(camera.state(at(23_400)).0, playing(14.9));
    }
}
