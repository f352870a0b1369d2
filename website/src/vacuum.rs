//! SQLite's file is written anew after faces were erased.
//!
//! `secure_delete` overwrites what is deleted, where it last stood. When SQLite joins or splits pages it copies rows, and
//! leaves what they were copied from in the unused part of the page: a face that was moved before it was deleted stays
//! there until chance fills that part again. Only a file that is written anew holds nothing but its rows.

use crate::{app::App, changes};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Removals that follow one another share one VACUUM.
const GATHER: Duration = Duration::from_secs(5);
/// The writer is taken for one part in so many of the time at most.
const SHARE: u32 = 20;
/// After a failure, for example on a full disk.
const AGAIN: Duration = Duration::from_secs(60);

/// Does it at the start, because the website may have been killed before it could, and after removals, until `stop`; what
/// is due then is done at once.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let (mut rest, mut goes_on) = (Duration::ZERO, true);
    while goes_on {
        goes_on = stop.run_until_cancelled(sleep(rest)).await.is_some();
        let begun = Instant::now();
        let done = app.db.vacuum().await;
        rest = GATHER.max(begun.elapsed() * SHARE);
        match done {
            Ok(()) => {
                changes::scrub(&app).await;
                if stop.run_until_cancelled(app.erased.notified()).await.is_none() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the database file could not be written anew after a removal; it is tried again");
                let _ = timeout(AGAIN, stop.cancelled()).await;
            }
        }
    }
}
