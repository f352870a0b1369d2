//! What has had its time goes: old entries of the change log and of edges' progress, expired join codes. Customers,
//! visits, receipts and the audit stay.

use crate::{
    app::App,
    clock,
    tables::{change_log, edge_progress, join_codes},
};
use std::{sync::Arc, time::Duration};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How long a change can be followed to its edges: 90 days.
const KEPT_MS: i64 = 90 * 24 * 3600 * 1000;
const HOUR: Duration = Duration::from_secs(3600);

/// Tidies at the start and every hour, until `stop`.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut hour = interval(HOUR);
    while stop.run_until_cancelled(hour.tick()).await.is_some() {
        if let Err(error) = tidy(&app).await {
            tracing::error!(%error, "old entries could not be removed; it is tried again in an hour");
        }
    }
}

async fn tidy(app: &App) -> sqlx::Result<()> {
    let now = clock::now();
    let mut tx = app.db.write().await?;
    change_log::prune(&mut tx, now.plus_ms(-KEPT_MS)).await?;
    edge_progress::prune(&mut tx, now.plus_ms(-KEPT_MS)).await?;
    // An expired code is refused with its reason for a day.
    join_codes::prune(&mut tx, now.plus_ms(-24 * 3600 * 1000)).await?;
    tx.commit().await
}
