//! What a box that polls says it has deleted. It has no key and signs nothing: this is its word, and no proof.

use crate::{
    app::App,
    clock,
    db::Tx,
    tables::{
        confirmations::{self, Confirmation},
        customers, edges, erasures, merges, polling_boxes,
    },
};
use protocol::{EdgeId, FaceId, LocationId};

/// What came of a box's word.
#[derive(Debug, Default)]
pub struct Word {
    /// Removed faces, or ones that turned out to be others', which the box has deleted.
    pub confirmed: Vec<FaceId>,
    /// Nobody has removed these.
    pub not_removed: Vec<FaceId>,
}

/// Why a box's word was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// It was shut out while it said it.
    #[error("this box has been revoked: its word is not taken any more")]
    ShutOut,
    /// The database did not do it.
    #[error("the database did not store it: {0}")]
    Database(#[from] sqlx::Error),
}

/// Stores a box's word that it has deleted `faces`, each once. Only what has really been removed can be confirmed.
///
/// # Errors
/// When the box is shut out, or the database did not do it: then nothing is stored, and all can be said again.
pub async fn confirm(
    app: &App,
    edge: &EdgeId,
    location: &LocationId,
    faces: &[FaceId],
) -> Result<Word, ConfirmError> {
    let (mut tx, now) = (app.db.write().await?, clock::now());
    let active = edges::get(&mut tx, edge).await?.filter(|edge| edge.revoked_at.is_none());
    let sender = polling_boxes::get(&mut tx, edge).await?.filter(|_| active.is_some());
    let sender = sender.ok_or(ConfirmError::ShutOut)?;
    let mut word = Word::default();
    for face_id in faces {
        let erased = erasures::get(&mut tx, location, face_id).await?;
        if let Some(erased) = &erased {
            let said = Confirmation { edge: edge.clone(), joined_at: sender.joined_at, at: now };
            confirmations::insert(&mut tx, &erased.erasure, &said).await?;
        }
        let gone = erased.is_some() || is_merged(&mut tx, location, face_id).await?;
        let list = if gone { &mut word.confirmed } else { &mut word.not_removed };
        list.push(face_id.clone());
    }
    tx.commit().await?;
    Ok(word)
}

/// Whether a face turned out to be another one's: boxes delete it too, and no certificate asks for it.
async fn is_merged(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<bool> {
    let row = customers::get(tx, location, face_id).await?;
    let dead = row.is_none_or(|row| row.live().is_none());
    Ok(dead && merges::winner(tx, location, face_id).await?.is_some())
}
