//! Which edges hold a change, and how long it took.

use crate::tables::{
    change_log::{Entry, Verb},
    edge_reports::Report,
    edges::Edge,
    polling_boxes::PollingBox,
};
use protocol::{EdgeId, Epoch, UnixMs};

/// One edge and one change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EdgeProgress {
    /// Who.
    pub edge: EdgeId,
    /// As people call it.
    pub name: String,
    /// Whether it holds the change now, and since when it was first known to.
    #[serde(flatten)]
    pub held: Held,
}

/// Whether an edge holds a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Held {
    /// Its newest report says so.
    Applied {
        /// When the first report that said so was stored.
        at: UnixMs,
        /// Milliseconds from the commit to that.
        after_ms: i64,
    },
    /// Its box polls, and has named an answer that told it. That proves nothing.
    Asked {
        /// When it first named one.
        at: UnixMs,
        /// Milliseconds from the commit to that.
        after_ms: i64,
    },
    /// It has not said so, in its current start.
    Outstanding,
    /// Its box polls, and has not named such an answer.
    NotAsked,
}

/// Each edge that takes part (joined and not revoked), in the order given. `since` says for each edge when it was
/// first known to hold the change.
pub fn of_change(
    change: &Entry,
    epoch: Epoch,
    edges: &[Edge],
    (reports, boxes): (&[(EdgeId, Report)], &[PollingBox]),
    since: &[(EdgeId, UnixMs)],
) -> Vec<EdgeProgress> {
    let held = |edge: &Edge| {
        let at = since.iter().find(|(id, _)| *id == edge.id).map(|(_, at)| *at);
        let after_ms = |at: UnixMs| at.since(change.at).max(0);
        match (boxes.iter().find(|polling| polling.edge == edge.id), at) {
            (Some(polling), Some(at)) if has_named(polling, change, epoch) => {
                Held::Asked { at, after_ms: after_ms(at) }
            }
            (Some(_), _) => Held::NotAsked,
            (None, Some(at)) if holds(edge, reports, change, epoch) => {
                Held::Applied { at, after_ms: after_ms(at) }
            }
            (None, _) => Held::Outstanding,
        }
    };
    let polls = |edge: &Edge| boxes.iter().any(|polling| polling.edge == edge.id);
    edges
        .iter()
        .filter(|edge| (edge.joined.is_some() || polls(edge)) && edge.revoked_at.is_none())
        .map(|edge| EdgeProgress { edge: edge.id.clone(), name: edge.name.clone(), held: held(edge) })
        .collect()
}

fn holds(edge: &Edge, reports: &[(EdgeId, Report)], change: &Entry, epoch: Epoch) -> bool {
    let report = reports.iter().find(|(id, _)| *id == edge.id).map(|(_, report)| report);
    report
        .is_some_and(|report| report.epoch == epoch && change.epoch == epoch && report.applied >= change.seq)
}

fn has_named(polling: &PollingBox, change: &Entry, epoch: Epoch) -> bool {
    let confirmed = &polling.confirmed;
    let told = match change.verb {
        Verb::Removed | Verb::Merged => confirmed.removed,
        Verb::Enrolled | Verb::Renamed | Verb::Flagged | Verb::Edited => confirmed.changed,
    };
    confirmed.epoch == epoch && change.epoch == epoch && told >= change.seq
}
