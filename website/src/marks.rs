//! Where each location stands, written down beside the database now and then: a database that stands behind its
//! mark at the next start was restored by hand. A mark that is missing or damaged says nothing.

use crate::{app::App, decide::epoch::Mark, tables::locations};
use protocol::{Epoch, LocationId, Seq};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

#[derive(Serialize, Deserialize)]
struct Line {
    epoch: String,
    seq: Seq,
}

/// The marks in `data`.
pub(crate) fn read(data: &Path) -> HashMap<LocationId, Mark> {
    let text = fs::read(data.join("marks.json")).unwrap_or_default();
    let lines: HashMap<LocationId, Line> = serde_json::from_slice(&text).unwrap_or_default();
    let mark = |(id, line): (LocationId, Line)| {
        let epoch = Epoch(u64::from_str_radix(&line.epoch, 16).ok()?);
        Some((id, Mark { epoch, seq: line.seq }))
    };
    lines.into_iter().filter_map(mark).collect()
}

/// Writes the marks of the committed state. Only a help against restores by hand: a failure is logged.
pub(crate) async fn write(app: &App) {
    if let Err(error) = try_write(app).await {
        tracing::warn!("where the locations stand could not be written down: {error:#}");
    }
}

async fn try_write(app: &App) -> anyhow::Result<()> {
    let known = locations::all(&mut app.db.read().await?).await?;
    let line = |location: locations::Location| {
        let line = Line { epoch: location.totals.epoch.to_string(), seq: location.totals.seq };
        (location.id.to_string(), line)
    };
    let text = serde_json::to_vec(&known.into_iter().map(line).collect::<BTreeMap<_, _>>())?;
    let (part, path) = (app.settings.data.join("marks.json.part"), app.settings.data.join("marks.json"));
    fs::write(&part, text)?;
    Ok(fs::rename(part, path)?)
}
