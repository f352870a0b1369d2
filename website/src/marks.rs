//! Where each location stands, written down beside the database now and then. A database that stands behind its mark at
//! the next start was restored by hand. And no head is published whose date lies far beyond the newest mark's: so a
//! restored database, which does not know the newest date, still dates its heads later than any that edges have seen,
//! even when the clock was ahead when those were published. A mark that is missing or damaged says nothing.

use crate::{app::App, decide::epoch::Mark, tables::locations};
use protocol::{Epoch, LocationId, Seq, UnixMs};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

/// How far beyond the newest mark heads may be dated. Marks are written every minute, so that in ordinary times nobody
/// waits for one.
const BEYOND_MS: i64 = 180_000;

#[derive(Serialize, Deserialize)]
struct Line {
    epoch: String,
    seq: Seq,
    /// Absent in files of earlier programs.
    #[serde(default)]
    issued_at: UnixMs,
}

/// What is written in one data folder.
#[derive(Debug, Default)]
pub(crate) struct Marks(HashMap<LocationId, Mark>);

/// The date of the newest mark that this process has written.
#[derive(Debug, Default)]
pub struct NewestMark(AtomicI64);

impl Marks {
    /// The marks in `data`.
    pub(crate) fn read(data: &Path) -> Marks {
        let text = fs::read(data.join("marks.json")).unwrap_or_default();
        let lines: HashMap<LocationId, Line> = serde_json::from_slice(&text).unwrap_or_default();
        let mark = |(id, line): (LocationId, Line)| {
            let epoch = Epoch(u64::from_str_radix(&line.epoch, 16).ok()?);
            Some((id, Mark { epoch, seq: line.seq, issued_at: line.issued_at }))
        };
        Marks(lines.into_iter().filter_map(mark).collect())
    }

    /// The mark of one location.
    pub(crate) fn of(&self, location: &LocationId) -> Option<Mark> {
        self.0.get(location).copied()
    }

    /// No head that was ever published is dated later than this.
    pub(crate) fn heads_until(&self) -> UnixMs {
        let newest = self.0.values().map(|mark| mark.issued_at).max();
        newest.filter(|newest| *newest > UnixMs(0)).map_or(UnixMs(0), |newest| newest.plus_ms(BEYOND_MS))
    }
}

/// To be awaited before a head of this date is published: writes the marks when the newest one does not cover it.
pub(crate) async fn cover(app: &App, issued_at: UnixMs) {
    if issued_at.0 > app.newest_mark.0.load(Ordering::Relaxed).saturating_add(BEYOND_MS) {
        write(app).await;
    }
}

/// Writes the marks of the committed state. A failure is logged and holds nothing up: removals come first.
pub(crate) async fn write(app: &App) {
    if let Err(error) = try_write(app).await {
        tracing::warn!("where the locations stand could not be written down: {error:#}");
    }
}

async fn try_write(app: &App) -> anyhow::Result<()> {
    let known = locations::all(&mut app.db.read().await?).await?;
    let newest = known.iter().map(|location| location.issued_at).max().unwrap_or_default();
    let line = |location: locations::Location| {
        let (totals, issued_at) = (location.totals, location.issued_at);
        let line = Line { epoch: totals.epoch.to_string(), seq: totals.seq, issued_at };
        (location.id.to_string(), line)
    };
    let text = serde_json::to_vec(&known.into_iter().map(line).collect::<BTreeMap<_, _>>())?;
    let data = app.settings.data.clone();
    tokio::task::spawn_blocking(move || replace(&data, &text)).await??;
    app.newest_mark.0.fetch_max(newest.0, Ordering::Relaxed);
    Ok(())
}

fn replace(data: &Path, text: &[u8]) -> std::io::Result<()> {
    let part = data.join("marks.json.part");
    let mut file = File::create(&part)?;
    file.write_all(text)?;
    // A power cut must not leave an empty file in the place of a good one.
    file.sync_all()?;
    fs::rename(part, data.join("marks.json"))
}
