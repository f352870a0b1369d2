//! SQLite's file is written anew once a day after somebody was removed.
//!
//! Faces need none of this: each stands in a slot that never moves, where it is overwritten at once ([`crate::tables::faces`]).
//! Of other rows `secure_delete` overwrites what is deleted, where it last stood. When SQLite joins or splits pages it copies
//! them, and leaves what they were copied from in the unused part of the page: a name that was moved before it was deleted
//! stays there until chance fills that part again. Only a file that is written anew holds nothing but its rows.

use crate::{app::App, changes};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// For so long after one VACUUM there is no other: it takes the writer for as long as the file is long.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// After a failure, for example on a full disk.
const AGAIN: Duration = Duration::from_secs(60);

/// Does it at the start, because the website may have been killed before it could, and after removals, until `stop`; what
/// is due then is done at once.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let (mut rest, mut goes_on) = (Duration::ZERO, true);
    while goes_on {
        goes_on = stop.run_until_cancelled(sleep(rest)).await.is_some();
        match app.db.vacuum().await {
            Ok(()) => {
                rest = DAY;
                changes::scrub(&app).await;
                if stop.run_until_cancelled(app.erased.notified()).await.is_none() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the database file could not be written anew after a removal; it is tried again");
                rest = AGAIN;
            }
        }
    }
}
