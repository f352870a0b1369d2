//! Tombstones go when nobody needs them any more: the retained message is cleared first, the row is purged once the
//! broker has acknowledged that. What was removed, and that its id is never used again, stays recorded.

use crate::{
    app::App,
    changes::{ChangeError, Held},
    clock,
    db::Tx,
    decide::tombstone::{self, Tombstone, Verdict},
    session::Link,
    tables::{customers, edge_reports, edges, locations, locations::Location},
};
use protocol::{EdgeId, Epoch, FaceId, LocationId, Seq, Topic, UnixMs};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Tombstones of one location looked at in one go.
const BATCH: u32 = 500;
const LOOK: Duration = Duration::from_secs(5);
/// The broker acknowledges within this, or it is tried again.
const ACKNOWLEDGED: Duration = Duration::from_secs(20);

/// What would happen now to one location's tombstones.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Preview {
    /// Where.
    pub location: LocationId,
    /// How many there are.
    pub tombstones: usize,
    /// Those that would be cleared because every active edge has applied them.
    pub applied_everywhere: usize,
    /// Those that would be cleared because their retention is over.
    pub outlived: usize,
    /// Those that wait for an edge.
    pub needed: usize,
    /// Those whose removal the broker has not acknowledged.
    pub unpublished: usize,
    /// The edges that have not applied one of those that would be cleared: a repair puts them right.
    pub need_repair: Vec<EdgeId>,
}

struct Judged {
    face_id: FaceId,
    seq: Seq,
    verdict: Verdict,
}

/// What would be cleared now of every location, and which edges would need a repair.
///
/// # Errors
/// When the database cannot be read.
pub async fn preview(app: &App, retention: Duration) -> sqlx::Result<Vec<Preview>> {
    let (mut tx, now) = (app.db.read().await?, clock::now());
    let mut previews = Vec::new();
    for location in locations::all(&mut tx).await? {
        let applied = applied(&mut tx, &location.id).await?;
        let rows = customers::tombstones(&mut tx, &location.id, u32::MAX).await?;
        let mut preview = Preview {
            location: location.id.clone(),
            tombstones: rows.len(),
            applied_everywhere: 0,
            outlived: 0,
            needed: 0,
            unpublished: 0,
            need_repair: Vec::new(),
        };
        let mut behind = BTreeSet::new();
        for (_, seq, removed_at) in &rows {
            let of = tombstone(&location, *seq, *removed_at);
            match judge(&of, &applied, now, retention) {
                Verdict::AppliedEverywhere => preview.applied_everywhere += 1,
                Verdict::Needed => preview.needed += 1,
                Verdict::Unpublished => preview.unpublished += 1,
                Verdict::Outlived => {
                    preview.outlived += 1;
                    let without = applied.iter().filter(|(_, at)| !tombstone::has(*at, &of));
                    behind.extend(without.map(|(edge, _)| edge.clone()));
                }
            }
        }
        preview.need_repair = behind.into_iter().collect();
        previews.push(preview);
    }
    Ok(previews)
}

/// Clears what may go, now and then, until `stop`.
pub(crate) async fn run(app: Arc<App>, link: Link, stop: CancellationToken) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        if !*app.connected.borrow() {
            continue;
        }
        if let Some(Err(error)) = stop.run_until_cancelled(clear(&app, &link)).await {
            tracing::error!(%error, "tombstones could not be cleared; it is tried again");
        }
    }
}

async fn clear(app: &App, link: &Link) -> Result<(), ChangeError> {
    let known = locations::with_tombstones(&mut app.db.read().await?).await?;
    for location in known {
        let (mut tx, now) = (app.db.read().await?, clock::now());
        let applied = applied(&mut tx, &location.id).await?;
        let rows = customers::tombstones(&mut tx, &location.id, BATCH).await?;
        drop(tx);
        let judged = rows.into_iter().map(|(face_id, seq, removed_at)| {
            let verdict =
                judge(&tombstone(&location, seq, removed_at), &applied, now, app.settings.retention);
            Judged { face_id, seq, verdict }
        });
        let due: Vec<Judged> = judged.filter(|judged| judged.verdict.clears()).collect();
        if !due.is_empty() && cleared(link, &location.id, &due).await {
            purge(app, &location, &due).await?;
        }
    }
    Ok(())
}

/// Clears the retained messages; tells whether the broker has acknowledged every one.
async fn cleared(link: &Link, location: &LocationId, due: &[Judged]) -> bool {
    let mut notices = Vec::with_capacity(due.len());
    for judged in due {
        let topic = Topic::Customer(location.clone(), judged.face_id.clone());
        match link.publish(&topic, Vec::new()) {
            Ok(notice) => notices.push(notice),
            Err(_) => {
                link.give_up();
                return false;
            }
        }
    }
    let acknowledged = async {
        for notice in notices {
            if notice.wait_completion_async().await.is_err() {
                return false;
            }
        }
        true
    };
    timeout(ACKNOWLEDGED, acknowledged).await.unwrap_or(false)
}

/// Purges the rows, unless everything is being published again meanwhile: then the broker may have them again.
async fn purge(app: &App, location: &Location, due: &[Judged]) -> Result<(), ChangeError> {
    let mut held = Held::begin(&app.db, &location.id).await?;
    let same = held.location.publish_round == location.publish_round
        && held.location.totals.epoch == location.totals.epoch;
    if !same {
        return Ok(());
    }
    for judged in due {
        customers::purge(&mut held.tx, &location.id, &judged.face_id, judged.seq).await?;
    }
    held.commit().await?;
    app.counters.tombstones_cleared.more(due.len() as u64);
    Ok(())
}

fn tombstone(location: &Location, seq: Seq, removed_at: UnixMs) -> Tombstone {
    Tombstone { seq, removed_at, epoch: location.totals.epoch, published: location.published }
}

type Applied = Vec<(EdgeId, Option<(Epoch, Seq)>)>;

/// How far each active edge of a location is.
async fn applied(tx: &mut Tx, location: &LocationId) -> sqlx::Result<Applied> {
    let reports = edge_reports::of_location(tx, location).await?;
    let edges = edges::of_location(tx, location).await?;
    let active = edges.into_iter().filter(|edge| edge.joined.is_some() && edge.revoked_at.is_none());
    let at = |id: &EdgeId| {
        let report = reports.iter().find(|(edge, _)| edge == id);
        report.map(|(_, report)| (report.epoch, report.applied))
    };
    Ok(active.map(|edge| (edge.id.clone(), at(&edge.id))).collect())
}

fn judge(
    tombstone: &Tombstone,
    applied: &[(EdgeId, Option<(Epoch, Seq)>)],
    now: UnixMs,
    retention: Duration,
) -> Verdict {
    let positions: Vec<Option<(Epoch, Seq)>> = applied.iter().map(|(_, at)| *at).collect();
    let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    tombstone::judge(tombstone, &positions, now, retention_ms)
}
