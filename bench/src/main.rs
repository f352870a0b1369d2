//! Figures that must be reached, measured: `make bench`.

mod arena;
mod figure;
mod mosquitto;
mod mqtt;
mod ours;
mod paper;
mod report;
mod row;

use anyhow::{Context as _, Result};
use arena::Arena;
use clap::{Parser, Subcommand};
use figure::Figure;
use report::Conditions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime;
use tokio::task::LocalSet;

/// The broker beside Mosquitto: processes of their own, the same load, in turn.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Measurements of each broker; the median counts.
    #[arg(long, global = true, default_value_t = 5)]
    samples: usize,
    /// Where to write everything as JSON too.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Every figure of the broker.
    Broker,
    #[command(flatten)]
    One(Figure),
    /// Be the broker that is measured.
    #[command(hide = true)]
    Serve {
        /// The certificate, PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    allow_open_files().context("cannot raise the limit of open files")?;
    let figures = match cli.command {
        // As the website runs it.
        Command::Serve { certificate, key } => {
            return runtime::Runtime::new()?.block_on(ours::serve(certificate, key));
        }
        Command::Broker => Figure::ALL.to_vec(),
        Command::One(figure) => vec![figure],
    };
    // One thread: the load costs both brokers the same, and leaves them the other processors.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(&figures, cli.samples, cli.json.as_deref()))
}

async fn measure(figures: &[Figure], samples: usize, json: Option<&Path>) -> Result<()> {
    let arena = Arena::open(samples)?;
    let conditions = Conditions::now(&arena);
    conditions.print();
    let mut rows = Vec::new();
    for figure in figures {
        let measured =
            figure.measure(&arena).await.with_context(|| format!("{figure:?} was not measured"))?;
        measured.iter().for_each(report::print);
        rows.extend(measured);
    }
    json.map_or(Ok(()), |path| report::write(path, &conditions, &rows))
}

/// Ten thousand connections are ten thousand files, here and in the broker's process.
fn allow_open_files() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
