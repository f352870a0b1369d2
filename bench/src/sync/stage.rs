//! A website with its broker inside, in a folder of its own, and what stands in its tables.

use super::people;
use anyhow::{Context as _, Result, bail};
use edge::join::{Join, Plaintext, join};
use protocol::{
    LocationId, Seq,
    message::{EnrolPolicy, Flag},
};
use std::{
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use website::{
    Settings, Website,
    changes::{Actor, Edit, Held, Newcomer, edit, remove},
    edges, locations,
    points::Points,
    tables::customers::Tally,
};

/// Longer than anything takes that is measured here.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often a table is asked for what nobody is told of; nothing is measured meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// Rows of one transaction when a location is filled.
const FILLING: usize = 10_000;

/// What runs.
pub struct Stage {
    /// The website, its broker inside.
    pub website: Website,
    // Goes last: the website keeps its files in here.
    folder: TempDir,
}

impl Stage {
    /// Starts a website on SQLite.
    pub async fn set() -> Result<Stage> {
        let folder = tempfile::tempdir().context("there is no room for temporary files")?;
        let settings = Settings::new(folder.path().join("website")).on_free_ports();
        let website = website::start(settings, CancellationToken::new()).await?;
        Ok(Stage { website, folder })
    }

    /// Adds a location without customers.
    pub async fn location(&self, id: &str) -> Result<LocationId> {
        let new = locations::NewLocation {
            id: id.parse()?,
            name: id.to_owned(),
            time_zone: "Europe/Oslo".to_owned(),
            enrol: EnrolPolicy::Auto,
            points_per_visit: Points::default(),
        };
        Ok(locations::add(&self.website.app, new, &by()).await?.id)
    }

    /// Joins an edge and answers with its state folder; it does not run.
    pub async fn join(&self, at: &LocationId, name: &str) -> Result<PathBuf> {
        let code = edges::add(&self.website.app, at, name, "", &by()).await?.code;
        let state = self.folder.path().join(format!("{at}-{name}"));
        let how = Join {
            url: format!("http://{}", self.website.http),
            code,
            state: state.clone(),
            space: people::space()?,
            plaintext: Plaintext::LoopbackOnly,
            ca_fingerprint: None,
        };
        tokio::task::spawn_blocking(move || join(&how)).await??;
        Ok(state)
    }

    /// Enrols customers by number and answers with the seq of the last. An edge must have joined, because it tells
    /// the model.
    pub async fn enrol(&self, at: &LocationId, numbers: Range<usize>) -> Result<Seq> {
        let (mut seq, by) = (Seq(0), by());
        let numbers: Vec<usize> = numbers.collect();
        for chunk in numbers.chunks(FILLING) {
            let mut held = Held::begin(&self.website.app.db, at).await?;
            for n in chunk {
                let content = people::customer(*n)?;
                let newcomer = Newcomer {
                    face_id: &people::face(*n)?,
                    content,
                    seen: Tally::default(),
                    duplicate_of: None,
                };
                seq = held.enrol(newcomer, &by).await?;
            }
            held.commit().await?;
            self.website.app.changed.notify_one();
        }
        Ok(seq)
    }

    /// Flags a customer, or takes the flag away, and answers with the seq once it is committed.
    pub async fn flag(&self, at: &LocationId, number: usize, flag: Flag) -> Result<Seq> {
        let flagged = Edit { flag: Some(flag), ..Edit::default() };
        let changed = edit(&self.website.app, at, &people::face(number)?, flagged, &by()).await?;
        Ok(changed.context("the customer had that flag")?.seq)
    }

    /// Removes a customer, and answers with the seq once it is committed and in the ledger.
    pub async fn remove(&self, at: &LocationId, number: usize) -> Result<Seq> {
        Ok(remove(&self.website.app, at, &people::face(number)?, &by()).await?.seq)
    }

    /// Waits until the broker has acknowledged everything of a location.
    pub async fn published(&self, at: &LocationId) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let location = locations::get(&self.website.app, at).await?.context("no location")?;
            if location.published == location.totals.seq {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("the broker has not acknowledged every customer of {at}")
    }
}

/// Who does everything here.
pub fn by() -> Actor {
    Actor::command_line()
}
