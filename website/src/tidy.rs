//! What has had its time goes: old entries of the change log and of edges' progress, expired join codes, dead letters,
//! faces that nobody reviewed, and what one edge has too many receipts of. Customers, visits and the audit stay.

use crate::{
    app::App,
    changes::{self, Actor},
    clock, ledger, marks,
    soundness::{Reached, Walk},
    tables::{
        change_log, dead_letters, edge_progress, edges, join_codes, locations, receipt_pages, receipts,
        review_queue,
    },
};
use protocol::UnixMs;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How long a change can be followed to its edges, and a dead letter be read: 90 days.
const KEPT_MS: i64 = 90 * 24 * 3600 * 1000;
/// How long a face waits for a manager, 30 days: the vector of somebody who never agreed is not kept for longer.
const WAITS_MS: i64 = 30 * 24 * 3600 * 1000;
/// Receipts kept of one edge.
const RECEIPTS_OF_ONE: u32 = 100_000;
const MINUTE: Duration = Duration::from_secs(60);
const MINUTES_OF_AN_HOUR: u32 = 60;

/// Tidies at the start and every hour, and does every minute what could not be done at once, until `stop`. It looks at every
/// customer at the start, and then at a page of them a minute.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut minute = interval(MINUTE);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut minutes = 0;
    let mut walk = Walk::default();
    stop.run_until_cancelled(async { while walk.page(&app).await == Reached::More {} }).await;
    while stop.run_until_cancelled(minute.tick()).await.is_some() {
        ledger::catch_up(&app).await;
        changes::scrub_again(&app).await;
        marks::write(&app).await;
        walk.page(&app).await;
        if minutes % MINUTES_OF_AN_HOUR == 0
            && let Err(error) = tidy(&app).await
        {
            tracing::error!("old entries could not be removed; it is tried again in an hour: {error:#}");
        }
        minutes += 1;
    }
    marks::write(&app).await;
}

async fn tidy(app: &App) -> anyhow::Result<()> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    change_log::prune(&mut tx, now.plus_ms(-KEPT_MS)).await?;
    edge_progress::prune(&mut tx, now.plus_ms(-KEPT_MS)).await?;
    dead_letters::prune(&mut tx, now.plus_ms(-KEPT_MS)).await?;
    // An expired code is refused with its reason for a day.
    join_codes::prune(&mut tx, now.plus_ms(-24 * 3600 * 1000)).await?;
    for edge in edges::all_ids(&mut tx).await? {
        let dropped = receipts::prune(&mut tx, &edge, RECEIPTS_OF_ONE).await?;
        if dropped > 0 {
            tracing::warn!(%edge, dropped, "an edge has sent more receipts than are kept: its oldest are dropped");
        }
    }
    receipt_pages::prune(&mut tx).await?;
    tx.commit().await?;
    withdraw_unreviewed(app, now.plus_ms(-WAITS_MS)).await
}

/// Refuses every face that came in before `before` and that nobody has reviewed.
async fn withdraw_unreviewed(app: &App, before: UnixMs) -> anyhow::Result<()> {
    let known = locations::all(&mut app.db.read().await?).await?;
    for location in known {
        while let Some(face_id) = review_queue::older(&mut app.db.read().await?, &location.id, before).await?
        {
            changes::refuse(app, &location.id, &face_id, &Actor::website()).await?;
        }
    }
    Ok(())
}
