//! Everything of Regulars in one process: a website on embedded SQLite with its broker inside, two stores, five
//! edges, and visitors who come and go. The visitors are simulated, and the program says so.

mod life;
mod log;
mod pace;
mod people;
mod report;
mod script;
mod stage;

use anyhow::Result;
use clap::Parser;
use edge::face::{EyesConfig, Unproven};
use stage::{Eyesight, Stage};
use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Regulars in one process: a website, its broker, two stores, five edges, simulated visitors.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// Where the pages are served; port 0 takes a free one.
    #[arg(long, env = "REGULARS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// Where the broker listens, for MQTT tools.
    #[arg(long, env = "REGULARS_MQTT_LISTEN", default_value = "127.0.0.1:1883", value_name = "ADDR")]
    mqtt_listen: SocketAddr,
    /// Let the edges look at the pictures of this folder instead of simulated visitors.
    #[arg(
        long,
        env = "REGULARS_FACES",
        requires = "models",
        conflicts_with = "scripted",
        value_name = "DIR"
    )]
    faces: Option<PathBuf>,
    /// The folder of face models that looking at pictures needs.
    #[arg(long, env = "REGULARS_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// libonnxruntime, or the folder that holds it, where it is not found by itself.
    #[arg(long, env = "REGULARS_ONNXRUNTIME", value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Play a script without a person, print what was measured, and end; exit code 1 when anything differs.
    #[arg(long)]
    scripted: bool,
    /// Print what was measured as JSON.
    #[arg(long, requires = "scripted")]
    json: bool,
    /// The seed of the simulated visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn eyesight(&self) -> Eyesight {
        match (&self.faces, &self.models) {
            (Some(folder), Some(models)) => Eyesight::Pictures {
                folder: folder.clone(),
                eyes: EyesConfig {
                    models: models.clone(),
                    onnxruntime: self.onnxruntime.clone(),
                    threads: 1,
                    unproven: Unproven::Refuse,
                },
            },
            _ => Eyesight::Simulated,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_env("REGULARS_LOG").unwrap_or_else(|_| EnvFilter::new("warn,rumqttd=off"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let (listen, mqtt_listen) = match arguments.scripted {
        true => (SocketAddr::from(([127, 0, 0, 1], 0)), SocketAddr::from(([127, 0, 0, 1], 0))),
        false => (arguments.listen, arguments.mqtt_listen),
    };
    let stage = Stage::set(listen, mqtt_listen, arguments.eyesight(), stop.clone()).await?;
    if !arguments.scripted {
        return life::live(stage, arguments.seed, stop).await.map(|()| ExitCode::SUCCESS);
    }
    let report = script::play(stage, arguments.seed).await?;
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(if report.right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
