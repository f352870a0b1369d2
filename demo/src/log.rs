//! What an edge told, and when.

use anyhow::{Result, bail};
use edge::Notice;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// The notices of one run of an edge, with their times.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Instant, Notice)>>>);

/// How long anything may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(60);

impl Log {
    /// Writes down what `notices` brings until the edge ends.
    pub fn follow(mut notices: Receiver<Notice>) -> Self {
        let log = Self::default();
        let into = log.clone();
        tokio::spawn(async move {
            loop {
                match notices.recv().await {
                    Ok(notice) => into.lock().push((Instant::now(), notice)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        });
        log
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Notice)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the first notice came that `wanted` says yes to; waits for it.
    ///
    /// # Errors
    /// When it has not come within a minute.
    pub async fn when(&self, what: &str, wanted: impl Fn(&Notice) -> bool) -> Result<Instant> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some((at, _)) = self.lock().iter().find(|(_, notice)| wanted(notice)) {
                return Ok(*at);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("{what} did not happen within {} s", PATIENCE.as_secs())
    }
}
