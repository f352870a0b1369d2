//! What an edge told, and when.

use anyhow::{Result, bail};
use edge::Notice;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{
        Notify,
        broadcast::{Receiver, error::RecvError},
    },
    time::timeout_at,
};

/// The notices of one run of an edge, with their times.
#[derive(Clone, Default)]
pub struct Log(Arc<Kept>);

#[derive(Default)]
struct Kept {
    notices: Mutex<Vec<(Instant, Notice)>>,
    /// There is one more.
    more: Notify,
}

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
                    Ok(notice) => into.add(notice),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        });
        log
    }

    fn add(&self, notice: Notice) {
        self.lock().push((Instant::now(), notice));
        self.0.more.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Notice)>> {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the first notice came that `wanted` says yes to; waits for it.
    ///
    /// # Errors
    /// When it has not come within a minute.
    pub async fn when(&self, what: &str, wanted: impl Fn(&Notice) -> bool) -> Result<Instant> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            // Before the look, so that what comes between look and wait is not missed.
            let more = self.0.more.notified();
            if let Some((at, _)) = self.lock().iter().find(|(_, notice)| wanted(notice)) {
                return Ok(*at);
            }
            if timeout_at(end, more).await.is_err() {
                bail!("{what} did not happen within {} s", PATIENCE.as_secs());
            }
        }
    }
}
