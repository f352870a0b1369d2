//! 10,000 new customers, with vectors, that an edge has missed while it was off.

use super::{edge_box::EdgeBox, stage::Stage};
use crate::arena::Name;
use crate::row::{Row, Want};
use anyhow::Result;

const BEFORE: usize = 1_000;
const MISSED: usize = 10_000;

/// From the moment the session is back until a head was found right with all of them.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let mut caught_up = Row::new("10,000 changes missed, reconnect to verified", "ms", Want::AtMost(1_000.0));
    let stage = Stage::set().await?;
    for sample in 0..samples {
        let location = stage.location(&format!("missed-{sample}")).await?;
        let state = stage.join(&location, "door").await?;
        let seq = stage.enrol(&location, 0..BEFORE).await?;
        let mut edge = EdgeBox::start(&state)?;
        edge.verified(seq).await?;
        edge.stop().await?;
        let seq = stage.enrol(&location, BEFORE..BEFORE + MISSED).await?;
        stage.published(&location).await?;
        let mut edge = EdgeBox::start(&state)?;
        let (began, _) = edge.says("connected").await?;
        let verified = edge.verified(seq).await?;
        caught_up.add(Name::Ours, (verified - began).as_secs_f64() * 1e3);
        edge.stop().await?;
    }
    stage.website.stop().await;
    Ok(vec![caught_up])
}
