//! One change on its way to the edges.

use crate::{
    app::App,
    decide::progress::Held,
    edges,
    tables::{change_log::Verb, receipts},
    web::{extract::Path, refusal::Refusal},
};
use axum::{Json as Answer, extract::State};
use protocol::{EdgeId, FaceId, LocationId, Seq, UnixMs, message::Probe};
use serde::Serialize;
use std::sync::Arc;

/// How far a change has come.
#[derive(Debug, Serialize)]
pub struct Change {
    seq: Seq,
    verb: Verb,
    face_id: FaceId,
    /// Who made it, for example `token:till`.
    actor: String,
    /// When it was committed.
    at: UnixMs,
    /// Whether every edge that takes part holds it, or, of a box that polls, has asked beyond it, which proves nothing.
    complete: bool,
    edges: Vec<EdgeProgress>,
}

/// One edge and this change.
#[derive(Debug, Serialize)]
pub struct EdgeProgress {
    edge: EdgeId,
    name: String,
    #[serde(flatten)]
    held: Held,
    /// What looking for the face found after it was removed there; only for removals, once the edge has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<Probe>,
}

pub async fn get(
    State(app): State<Arc<App>>,
    Path((location, seq)): Path<(LocationId, u64)>,
) -> Result<Answer<Change>, Refusal> {
    let progress = edges::change_progress(&app, &location, Seq(seq)).await?;
    let edges::ChangeProgress { change, edges } = progress.ok_or_else(|| unknown(&location, seq))?;
    let receipts = receipts::of_face(&mut app.db.read().await?, &location, &change.face_id).await?;
    let probe = |edge: &EdgeId| {
        let mine = receipts.iter().find(|stored| {
            let key = &stored.receipt.key;
            stored.edge == *edge && key.seq == change.seq && key.epoch == change.epoch
        });
        mine.map(|stored| stored.receipt.probe)
    };
    Ok(Answer(Change {
        seq: change.seq,
        verb: change.verb,
        actor: change.actor.clone(),
        at: change.at,
        complete: edges.iter().all(|edge| matches!(edge.held, Held::Applied { .. } | Held::Asked { .. })),
        edges: edges
            .into_iter()
            .map(|edge| EdgeProgress {
                probe: probe(&edge.edge),
                edge: edge.edge,
                name: edge.name,
                held: edge.held,
            })
            .collect(),
        face_id: change.face_id.clone(),
    }))
}

/// The refusal for a seq that the location has not had.
pub(in crate::web) fn unknown(location: &LocationId, seq: u64) -> Refusal {
    Refusal::not_found(format!("location {location} has had no change {seq}, or too long ago to follow"))
}
