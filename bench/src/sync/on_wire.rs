//! What one change takes on an edge's wire, and a first start.

use super::{edge_box::EdgeBox, metered::Metered, stage::Stage};
use crate::arena::Name;
use crate::row::{Row, Want};
use anyhow::Result;
use protocol::message::Flag;

const CUSTOMERS: usize = 10_000;
const KB: f64 = 1024.0;

/// Bytes there and back, from the beginning to the last acknowledgement: the change, the head behind it, and the
/// signed report that the edge has both; with a removal its receipt too.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let row = |figure| Row::new(figure, "KB", Want::Stated);
    let mut first = row("first start with 10,000 customers, on the wire");
    let mut flagged = row("a flag changed, on an edge's wire");
    let mut removed = row("a removal, on an edge's wire");
    let stage = Stage::set().await?;
    let location = stage.location("on-wire").await?;
    // Joined first, because it tells the model.
    stage.join(&location, "unused").await?;
    let mut seq = stage.enrol(&location, 0..CUSTOMERS + samples).await?;
    stage.published(&location).await?;
    for sample in 0..samples {
        let state = stage.join(&location, &format!("door-{sample}")).await?;
        let wire = Metered::lay(stage.website.mqtt, &state)?;
        let mut edge = EdgeBox::start(&state)?;
        edge.verified(seq).await?;
        let filled = wire.quiet().await?;
        first.add(Name::Ours, filled as f64 / KB);
        edge.verified(stage.flag(&location, sample, Flag::Green).await?).await?;
        let after_flag = wire.quiet().await?;
        flagged.add(Name::Ours, (after_flag - filled) as f64 / KB);
        seq = stage.remove(&location, CUSTOMERS + sample).await?;
        edge.verified(seq).await?;
        removed.add(Name::Ours, (wire.quiet().await? - after_flag) as f64 / KB);
        edge.stop().await?;
    }
    stage.website.stop().await;
    Ok(vec![flagged, removed, first])
}
