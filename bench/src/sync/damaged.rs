//! 10 rows of 100,000 whose content has changed on the edge's disk.

use super::{edge_box::EdgeBox, metered::Metered, people, stage::Stage};
use crate::arena::Name;
use crate::row::{Row, Want};
use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;

const CUSTOMERS: usize = 100_000;
const DAMAGED: usize = 10;

/// From the edge's question until its rows were found right, and everything on the wire from the question to the
/// last acknowledgement. Before it the edge waits until its session has brought nothing for two seconds.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let mut took = Row::new("10 of 100,000 rows repaired, question to verified", "ms", Want::AtMost(1_000.0));
    let mut wire = Row::new("their repair on the wire, there and back", "KB", Want::AtMost(64.0));
    let stage = Stage::set().await?;
    let location = stage.location("damaged").await?;
    let state = stage.join(&location, "door").await?;
    let metered = Metered::lay(stage.website.mqtt, &state)?;
    let seq = stage.enrol(&location, 0..CUSTOMERS).await?;
    stage.published(&location).await?;
    let mut edge = EdgeBox::start(&state)?;
    edge.verified(seq).await?;
    edge.stop().await?;
    for sample in 0..samples {
        damage(&state, sample * DAMAGED).await?;
        let mut edge = EdgeBox::start(&state)?;
        edge.says("connected").await?;
        let before = metered.quiet().await?;
        let (asked, _) = edge.says("repairs").await?;
        let (_, rows) = edge.says("wants").await?;
        ensure!(rows == DAMAGED.to_string(), "{rows} rows were asked for, not {DAMAGED}");
        let (verified, _) = edge.says("right").await?;
        took.add(Name::Ours, (verified - asked).as_secs_f64() * 1e3);
        let bytes = metered.quiet().await? - before;
        wire.add(Name::Ours, bytes as f64 / 1024.0);
        edge.stop().await?;
    }
    stage.website.stop().await;
    Ok(vec![took, wire])
}

/// Gives rows another name, as no program of ours would.
async fn damage(state: &Path, from: usize) -> Result<()> {
    let file = state.join("cache.db");
    let url = format!("sqlite:{}", file.display());
    let mut cache = SqliteConnection::connect(&url).await.context("the edge's cache cannot be opened")?;
    for n in from..from + DAMAGED {
        let changed = sqlx::query("UPDATE customers SET name = 'Somebody else' WHERE face_id = $1")
            .bind(people::face(n)?.as_str().to_owned())
            .execute(&mut cache)
            .await?;
        ensure!(changed.rows_affected() == 1, "the edge does not have customer {n}");
    }
    Ok(cache.close().await?)
}
