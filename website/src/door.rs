//! Keeps the broker inside the website: whoever may no longer come in is disconnected, and when the broker itself has
//! died the website says so and ends.

use crate::{
    app::App,
    clock,
    tables::{edges, mqtt_users},
};
use anyhow::bail;
use broker::{Broker, Principal, Scope};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the tables are asked who may come in: the command line changes them without a nudge.
const LOOK: Duration = Duration::from_secs(1);
/// A login that was being checked when its edge was revoked may be let in just after the first kick.
const KICK_AGAIN_MS: i64 = 30_000;

/// People with the stored hashes of their passwords.
pub(crate) type People = HashSet<(String, String)>;

/// The people who may come in now.
pub(crate) async fn people(app: &App) -> sqlx::Result<People> {
    Ok(mqtt_users::all(&mut app.db.read().await?).await?.into_iter().collect())
}

/// Keeps `broker`, which has let in `people` at the most, until `stop`.
pub(crate) async fn run(
    app: Arc<App>,
    broker: Broker,
    mut people: People,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            failure = broker.failed() => bail!(failure),
            () = app.revoked.notified() => {}
            () = sleep(LOOK) => {}
        }
        if let Err(error) = look(&app, &broker, &mut people).await {
            tracing::error!(%error, "who may no longer come in could not be read; it is tried again");
        }
    }
    // The publisher's last words need the broker a moment longer than itself.
    broker.stop().await;
    Ok(())
}

/// Disconnects edges that are revoked or shut out, and people whose login is gone or has another password.
async fn look(app: &App, broker: &Broker, people: &mut People) -> sqlx::Result<()> {
    let since = clock::now().plus_ms(-KICK_AGAIN_MS);
    let barred = edges::barred(&mut app.db.read().await?, since).await?;
    barred.into_iter().for_each(|(location, edge)| broker.kick(&Principal::Edge { location, edge }));
    let now = self::people(app).await?;
    for (name, _) in people.difference(&now) {
        broker.kick(&Principal::Ops { name: name.clone(), scope: Scope::All });
    }
    *people = now;
    Ok(())
}
