//! `edge models`: what can be asked of it.

use super::{Address, check, list, place::Places, pull};
use crate::face::{EyesConfig, Unproven};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

/// The order of places, for `--help`.
const PLACES: &str = "Without --models, a set is looked for in $XDG_DATA_HOME/regulars/models (or \
~/.local/share/regulars/models), /var/lib/regulars/models and /usr/share/regulars/models, in this order. `pull` puts it \
into the first of them; as root into /var/lib/regulars/models, unless XDG_DATA_HOME is set.";

/// Everything about the face models.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub struct ModelsCommand {
    #[command(subcommand)]
    asked: Asked,
}

#[derive(Debug, Subcommand)]
enum Asked {
    /// Say which model sets there are, under which licence, and whether they are here.
    #[command(after_help = PLACES)]
    List {
        /// The folder with the models, where it is not one of the places below.
        #[arg(long, env = "REGULARS_MODELS", value_name = "DIR")]
        models: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say, a line each, whether files, licences, libonnxruntime and self-test are right; exit code 1 when not.
    #[command(after_help = PLACES)]
    Check {
        /// The folder with the models, where it is not one of the places below.
        #[arg(long, env = "REGULARS_MODELS", value_name = "DIR")]
        models: Option<PathBuf>,
        /// libonnxruntime, or the folder that holds it, where it is not found by itself.
        #[arg(long, env = "REGULARS_ONNXRUNTIME", value_name = "PATH")]
        onnxruntime: Option<PathBuf>,
    },
    /// Fetch a model set and libonnxruntime, once their licences are agreed to.
    #[command(after_help = PLACES)]
    Pull(PullArgs),
}

#[derive(Debug, Args)]
struct PullArgs {
    /// A name that `edge models list` says.
    #[arg(default_value = "yunet_s_mobileface_v2")]
    name: String,
    /// Agree to the licences without being asked.
    #[arg(long)]
    yes: bool,
    /// Fetch from the folder at this address instead of where the files are published.
    #[arg(long, env = "REGULARS_MODELS_MIRROR", value_name = "URL")]
    mirror: Option<Address>,
    /// Give up on a server that says nothing for so long.
    #[arg(long, env = "REGULARS_MODELS_TIMEOUT_S", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout_s: u64,
    /// The folder that gets the models, where it is not the place below.
    #[arg(long, env = "REGULARS_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// libonnxruntime, or the folder that holds it, where it is not found by itself and not to be fetched.
    #[arg(long, env = "REGULARS_ONNXRUNTIME", value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl ModelsCommand {
    /// Does what was asked. Blocks.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn run(self) -> Result<()> {
        let places = Places::of_this_process();
        match self.asked {
            Asked::List { models, json } => {
                let folders = models.map_or_else(|| places.to_read(), |folder| vec![folder]);
                let sets = list::sets(&folders);
                match json {
                    true => println!("{}", serde_json::to_string_pretty(&sets)?),
                    false => sets.iter().for_each(|set| println!("{set}")),
                }
                Ok(())
            }
            Asked::Check { models, onnxruntime } => {
                let texts = if models.is_some() { check::Texts::Advised } else { check::Texts::Required };
                let folder = models.map_or_else(|| places.find(), Ok)?;
                check::run(
                    &EyesConfig { models: folder, onnxruntime, threads: 1, unproven: Unproven::Accept },
                    texts,
                )
            }
            Asked::Pull(PullArgs { name, yes, mirror, timeout_s, models, onnxruntime }) => {
                pull::run(&pull::Pull {
                    name,
                    folder: models.unwrap_or_else(|| places.to_write()),
                    mirror,
                    silence: Duration::from_secs(timeout_s),
                    consent: if yes { pull::Consent::Given } else { pull::Consent::Asked },
                    onnxruntime,
                })
            }
        }
    }
}
