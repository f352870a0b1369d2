//! Between the camera and whoever looks: room for one frame.

use crate::camera::{format::Layout, moment::Moment};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A frame as the camera gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// Its bytes, and perhaps some behind them: a buffer may be longer than the frame in it.
    pub bytes: Vec<u8>,
    /// What they mean.
    pub layout: Layout,
    /// When it was taken.
    pub taken: Moment,
}

/// Room for the newest frame. Whoever looks takes the newest there is; one that nobody has taken when the next comes is
/// dropped and counted, never queued: a frame that is seconds old says nothing of who is there.
#[derive(Debug, Default)]
pub struct Slot {
    held: Mutex<Held>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    newest: Option<Shot>,
    dropped: u64,
}

impl Slot {
    /// Puts the newest frame in.
    pub fn put(&self, shot: Shot) {
        let mut held = self.lock();
        if held.newest.replace(shot).is_some() {
            held.dropped += 1;
        }
        drop(held);
        self.filled.notify_one();
    }

    /// Takes the newest frame, and waits for it at most so long.
    pub fn take(&self, wait: Duration) -> Option<Shot> {
        let waited = self.filled.wait_timeout_while(self.lock(), wait, |held| held.newest.is_none());
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        held.newest.take()
    }

    /// How many frames nobody has taken.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::format::Pixels;
    use std::thread;

    fn shot(number: u8) -> Shot {
        let layout = Layout { width: 1, height: 1, pixels: Pixels::Rgb, stride: 3 };
        Shot { bytes: vec![number; 3], layout, taken: Moment::now() }
    }

    #[test]
    fn the_newest_frame_is_taken_and_the_older_ones_are_counted() {
        let slot = Slot::default();
        assert_eq!(slot.take(Duration::ZERO), None);
        (1..=5).for_each(|number| slot.put(shot(number)));
        assert_eq!(slot.take(Duration::ZERO).map(|shot| shot.bytes), Some(vec![5; 3]));
        assert_eq!((slot.take(Duration::ZERO), slot.dropped()), (None, 4));
        slot.put(shot(6));
        assert_eq!((slot.take(Duration::ZERO).is_some(), slot.dropped()), (true, 4));
    }

    #[test]
    fn whoever_waits_gets_the_frame_when_it_comes() {
        let slot = Slot::default();
        thread::scope(|scope| {
            let taken = scope.spawn(|| slot.take(Duration::from_secs(60)));
            slot.put(shot(1));
            assert!(taken.join().unwrap().is_some());
        });
    }
}
