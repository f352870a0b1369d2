//! The commands that keep the proof: backups, new epochs, tombstones, certificates.

use crate::{
    App, Settings, backup,
    changes::Actor,
    cli::say,
    epochs::{self, Why},
    erasure, locations,
    tombstones::{self, Preview},
};
use anyhow::Context;
use clap::Subcommand;
use protocol::{LocationId, PublicKey};
use std::{fs, path::PathBuf, time::Duration};

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Upkeep {
    /// Write a backup of the database to one file, also while the website runs.
    Backup {
        /// The file; it must not be there yet. It holds customers' faces: keep it as safe as the database.
        file: PathBuf,
    },
    /// Put a backup in the place of the database. The website must be stopped. A new epoch begins, and whoever was
    /// removed since the backup stays removed.
    Restore {
        /// The file.
        file: PathBuf,
    },
    /// Begin a new epoch: every edge compares its rows anew and sends again what may have been lost. Do this after
    /// the database was put back by other means.
    NewEpoch {
        /// One location; without it all.
        location: Option<LocationId>,
    },
    /// Say which removals' traces would be cleared now, and which edges would then need a repair. Clears nothing.
    Tombstones {
        /// As `website serve --tombstone-days`.
        #[arg(long, env = "REGULARS_TOMBSTONE_DAYS", default_value_t = 30, value_name = "DAYS",
              value_parser = clap::value_parser!(u64).range(1..=3650))]
        tombstone_days: u64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Check the certificate of an erasure, without a website or a network. One sentence says what it proves; a file
    /// that was changed is refused.
    VerifyErasure {
        /// The certificate, as it was downloaded.
        file: PathBuf,
        /// The website's public key; without it the one in the file, which the sentence names.
        #[arg(long, value_name = "HEX")]
        key: Option<PublicKey>,
    },
}

impl Upkeep {
    /// Does it.
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Upkeep::Backup { file } => {
                let done = backup::write(&*App::open(settings).await?, &file).await?;
                say(&format!("wrote {} rows to {}", done.rows, file.display()))
            }
            Upkeep::Restore { file } => {
                let done = backup::restore(&settings, &file).await?;
                if done.newer.is_some() {
                    tracing::warn!(
                        "a newer backup than this one was made: what happened between the two is lost"
                    );
                }
                say(&format!("restored {} rows from {}; a new epoch has begun", done.rows, file.display()))
            }
            Upkeep::NewEpoch { location } => {
                let app = App::open(settings).await?;
                let all = locations::list(&app).await?.into_iter().map(|location| location.id);
                let chosen = location.map_or_else(|| all.collect(), |id| vec![id]);
                for id in chosen {
                    let epoch = epochs::begin(&app, &id, Why::Asked, &Actor::command_line()).await?;
                    say(&format!("location {id} is in epoch {epoch}"))?;
                }
                Ok(())
            }
            Upkeep::Tombstones { tombstone_days, json } => {
                let retention = Duration::from_secs(tombstone_days * 24 * 3600);
                let previews = tombstones::preview(&*App::open(settings).await?, retention).await?;
                if json {
                    return say(&serde_json::to_string(&previews)?);
                }
                previews.iter().try_for_each(|preview| say(&words(preview)))
            }
            Upkeep::VerifyErasure { file, key } => {
                let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
                let said = erasure::verify(&text, key.as_ref())
                    .with_context(|| format!("{} proves nothing", file.display()))?;
                say(&said)
            }
        }
    }
}

fn words(preview: &Preview) -> String {
    let Preview { location, tombstones, applied_everywhere, outlived, needed, unpublished, need_repair } =
        preview;
    let repair = match need_repair.as_slice() {
        [] => "no edge would need a repair".to_owned(),
        edges => {
            let edges: Vec<String> = edges.iter().map(ToString::to_string).collect();
            format!("a repair would be needed by {}", edges.join(", "))
        }
    };
    format!(
        "{location}\t{tombstones} tombstones\t{applied_everywhere} applied everywhere\t{outlived} outlived\t\
         {needed} wait for an edge\t{unpublished} not published\t{repair}"
    )
}
