//! A camera is kept open for as long as the edge runs: it is opened, read, and after a pause opened again, whatever ended
//! it.

use crate::camera::{backoff::Backoff, feed::Feed, format::Layout, slot::Shot, trouble::Trouble};
use anyhow::{Context, Result, bail};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// So long the first frame is waited for before the program says that it runs. Some cameras take seconds to wake.
const FIRST_FRAME: Duration = Duration::from_secs(10);
const STOP_SEEN: Duration = Duration::from_millis(100);

/// Opens a camera: the real one, or that of a test.
pub type Open = Box<dyn FnMut() -> Result<Opened, Trouble> + Send>;

/// An open camera.
pub struct Opened {
    /// What it sends.
    pub layout: Layout,
    /// Waits for the next frame. A camera may take its time, and nothing can wake whoever waits.
    pub next: Box<dyn FnMut() -> Result<Shot, Trouble>>,
}

/// What becomes of a camera that cannot be had when the edge starts. One that is lost later is always tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtStart {
    /// The program says why, and ends.
    Refuse,
    /// The edge starts, stays in step, and tries again until it can.
    Wait,
}

/// Starts the thread that keeps a camera open until `stop`, and waits for its first frame, ten seconds at most. Blocks.
///
/// # Errors
/// Why the camera cannot be had, when that is to be refused.
pub fn start(feed: &Arc<Feed>, open: Open, at_start: AtStart, stop: &CancellationToken) -> Result<()> {
    let (first, told) = mpsc::sync_channel(0);
    let keeper = Keeper { feed: feed.clone(), open, at_start, first: Some(first), stop: stop.clone() };
    // Nobody waits for this thread: it may be waiting for a frame that never comes.
    thread::Builder::new()
        .name("camera".to_owned())
        .spawn(move || keeper.keep())
        .context("no thread can be started for the camera")?;
    let end = Instant::now() + FIRST_FRAME;
    while Instant::now() < end && !stop.is_cancelled() {
        match told.recv_timeout(STOP_SEEN) {
            Ok(Err(why)) if at_start == AtStart::Refuse => bail!("camera {}: {why}", feed.id()),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Ok(())
}

struct Keeper {
    feed: Arc<Feed>,
    open: Open,
    at_start: AtStart,
    /// Whoever starts the camera hears how the first attempt went, while they wait for it.
    first: Option<SyncSender<Result<(), Trouble>>>,
    stop: CancellationToken,
}

impl Keeper {
    fn keep(mut self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let Err(why) = self.attempt() else { return };
            let heard = self.first.take().is_some_and(|first| first.send(Err(why.clone())).is_ok());
            if heard && self.at_start == AtStart::Refuse {
                return;
            }
            self.feed.lost(why);
            self.rest(backoff.after(began.elapsed()));
        }
    }

    /// Reads the camera until it ends; `Ok` when the edge stops.
    fn attempt(&mut self) -> Result<(), Trouble> {
        let Self { feed, open, first, stop, at_start: _ } = self;
        let played = panic::catch_unwind(AssertUnwindSafe(|| {
            let Opened { layout, mut next } = open()?;
            feed.opened(layout);
            while !stop.is_cancelled() {
                feed.took(next()?);
                if let Some(first) = first.take() {
                    // Whoever started the camera may have stopped waiting.
                    let _ = first.send(Ok(()));
                }
            }
            Ok(())
        }));
        // The libraries panic where they do not expect what a driver says, and when a camera cannot be closed.
        played.unwrap_or_else(|panic| Err(Trouble::panicked(&*panic)))
    }

    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.stop.is_cancelled() && Instant::now() < end {
            thread::sleep(STOP_SEEN.min(end.saturating_duration_since(Instant::now())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{CameraId, format::Pixels, moment::Moment, status::CameraState};
    use test_kit::until;

    /// What a camera of a test does, one after the other; then it sends for good.
    #[derive(Clone, Copy)]
    enum Does {
        CannotOpen,
        EndsAfter(u64),
        PanicsAfter(u64),
    }

    fn camera(script: &[Does]) -> Open {
        let layout = Layout { width: 2, height: 1, pixels: Pixels::Rgb, stride: 6 };
        let mut script = Vec::from(script).into_iter();
        Box::new(move || {
            let does = script.next();
            if let Some(Does::CannotOpen) = does {
                return Err(Trouble::Gone);
            }
            let mut sent = 0;
            let next = move || {
                match does {
                    Some(Does::EndsAfter(frames)) if sent == frames => return Err(Trouble::NoRoom),
                    Some(Does::PanicsAfter(frames)) if sent == frames => panic!("what did the driver say?"),
                    _ => {}
                }
                sent += 1;
                thread::sleep(Duration::from_millis(5));
                Ok(Shot { bytes: vec![7; 6], layout, taken: Moment::now() })
            };
            Ok(Opened { layout, next: Box::new(next) })
        })
    }

    fn feed() -> Arc<Feed> {
        Arc::new(Feed::new(CameraId::Index(0)))
    }

    fn playing(feed: &Feed) -> bool {
        matches!(feed.status().state, CameraState::Playing { .. })
    }

    #[test]
    fn a_camera_that_ends_or_whose_library_panics_is_opened_again() {
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let script = [Does::EndsAfter(3), Does::CannotOpen, Does::PanicsAfter(2)];
        let feed = feed();
        start(&feed, camera(&script), AtStart::Refuse, &stop).unwrap();
        let lost_by = |word: &str| match feed.status().state {
            CameraState::Lost { why } => why.contains(word),
            _ => false,
        };
        until("the panic", 30, || lost_by("what did the driver say?"));
        until("it plays", 30, || playing(&feed));
        let status = feed.status();
        assert!(status.losses == 2 && status.frames > 5, "{status:?}");
        let (frame, at) = feed.frames(&stop).next().unwrap();
        assert_eq!((frame.picture.dimensions(), frame.picture.as_raw()[0]), ((2, 1), 7));
        assert!(at.since(status.since) > -1_000);
    }

    #[test]
    fn a_camera_that_cannot_be_had_at_the_start_is_refused_or_waited_for() {
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let script = [Does::CannotOpen, Does::PanicsAfter(0)];
        let refused = start(&feed(), camera(&script), AtStart::Refuse, &stop).unwrap_err().to_string();
        assert_eq!(refused, "camera 0: the device is gone: plug it in");
        let refused = start(&feed(), camera(&script[1..]), AtStart::Refuse, &stop).unwrap_err().to_string();
        assert!(refused.contains("what did the driver say?"), "{refused}");
        let feed = feed();
        start(&feed, camera(&script), AtStart::Wait, &stop).unwrap();
        until("it plays", 30, || playing(&feed));
        assert_eq!(feed.status().losses, 0);
    }

    #[test]
    fn whoever_looks_stops_at_once_although_the_camera_is_waited_for() {
        let (stop, (holds, held)) = (CancellationToken::new(), mpsc::channel::<()>());
        let layout = Layout { width: 2, height: 1, pixels: Pixels::Rgb, stride: 6 };
        let mut held = Some(held);
        let open: Open = Box::new(move || {
            let held = held.take().ok_or(Trouble::Gone)?;
            let mut sent = false;
            let next = move || {
                if std::mem::replace(&mut sent, true) {
                    let _ = held.recv();
                }
                Ok(Shot { bytes: vec![7; 6], layout, taken: Moment::now() })
            };
            Ok(Opened { layout, next: Box::new(next) })
        });
        let feed = feed();
        start(&feed, open, AtStart::Refuse, &stop).unwrap();
        let stops = stop.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            stops.cancel();
        });
        let began = Instant::now();
        assert_eq!(feed.frames(&stop).count(), 1);
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(holds);
    }
}
