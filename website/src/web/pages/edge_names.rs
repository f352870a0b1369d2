//! How a store's edges are called.

use crate::{db::Tx, tables::edges};
use protocol::{EdgeId, LocationId};
use std::collections::HashMap;

/// The names of one store's edges, revoked ones too.
pub struct EdgeNames(HashMap<EdgeId, String>);

impl EdgeNames {
    /// Those of the store `id`.
    pub async fn of(tx: &mut Tx, id: &LocationId) -> sqlx::Result<EdgeNames> {
        let edges = edges::of_location(tx, id).await?;
        Ok(EdgeNames(edges.into_iter().map(|edge| (edge.id, edge.name)).collect()))
    }

    /// The name of `edge`; the id of one that is not known.
    pub fn name(&self, edge: &EdgeId) -> String {
        self.0.get(edge).cloned().unwrap_or_else(|| edge.to_string())
    }
}
