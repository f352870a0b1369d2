//! Which edges hold a change, and how long it took.

use crate::tables::{change_log::Entry, edge_reports::Report, edges::Edge};
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
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Held {
    /// Its newest report says so.
    Applied {
        /// When the first report that said so was stored.
        at: UnixMs,
        /// Milliseconds from the commit to that.
        after_ms: i64,
    },
    /// It has not said so, in its current start.
    Outstanding,
}

/// Each edge that takes part (joined and not revoked), in the order given. `since` says for each edge when it was
/// first known to hold the change.
pub fn of_change(
    change: &Entry,
    epoch: Epoch,
    edges: &[Edge],
    reports: &[(EdgeId, Report)],
    since: &[(EdgeId, UnixMs)],
) -> Vec<EdgeProgress> {
    let holds = |edge: &Edge| {
        let report = reports.iter().find(|(id, _)| *id == edge.id).map(|(_, report)| report);
        report.is_some_and(|report| {
            report.epoch == epoch && change.epoch == epoch && report.applied >= change.seq
        })
    };
    edges
        .iter()
        .filter(|edge| edge.joined.is_some() && edge.revoked_at.is_none())
        .map(|edge| {
            let at = since.iter().find(|(id, _)| *id == edge.id).map(|(_, at)| *at);
            let held = match at {
                Some(at) if holds(edge) => Held::Applied { at, after_ms: at.since(change.at).max(0) },
                _ => Held::Outstanding,
            };
            EdgeProgress { edge: edge.id.clone(), name: edge.name.clone(), held }
        })
        .collect()
}
