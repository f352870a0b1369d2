//! Figures that must be reached, measured: `make bench`.

mod arena;
mod face;
mod figure;
mod mosquitto;
mod mqtt;
mod ours;
mod paper;
mod report;
mod row;
mod sync;

use anyhow::{Context as _, Result};
use arena::Arena;
use clap::{Parser, Subcommand};
use figure::Figure;
use report::Conditions;
use row::Row;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime;
use tokio::task::LocalSet;

/// The broker beside Mosquitto, website, broker and edges together, and recognition beside Python.
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
    /// Every figure of website, broker and edges together.
    Sync,
    #[command(flatten)]
    OneOfSync(sync::Figure),
    /// The way of a picture to its faces' embeddings, beside the same models in Python.
    Face,
    /// Be an edge that is measured.
    #[command(hide = true)]
    Edge {
        /// Its state folder.
        state: PathBuf,
    },
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
    let json = cli.json.as_deref();
    match cli.command {
        // As the website runs it.
        Command::Serve { certificate, key } => {
            runtime::Runtime::new()?.block_on(ours::serve(certificate, key))
        }
        Command::Edge { state } => runtime::Runtime::new()?.block_on(sync::be_edge(state)),
        Command::Broker => brokers(&Figure::ALL, cli.samples, json),
        Command::One(figure) => brokers(&[figure], cli.samples, json),
        Command::Sync => runtime::Runtime::new()?.block_on(together(&sync::Figure::ALL, cli.samples, json)),
        Command::OneOfSync(figure) => {
            runtime::Runtime::new()?.block_on(together(&[figure], cli.samples, json))
        }
        Command::Face => recognition(cli.samples, json),
    }
}

/// In one thread, as the reference.
fn recognition(samples: usize, json: Option<&Path>) -> Result<()> {
    let data = match face::data() {
        Ok(data) => data,
        Err(skipped) => {
            println!("face: {skipped}");
            return Ok(());
        }
    };
    let python = face::reference::environment();
    let conditions = Conditions::of_face(samples, python.as_ref().err());
    let measured = async { face::measure(samples, &data, python.as_deref().ok()) };
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(tell(&conditions, [("Face".to_owned(), measured)].into_iter(), json))
}

fn brokers(figures: &[Figure], samples: usize, json: Option<&Path>) -> Result<()> {
    // One thread: the load costs both brokers the same, and leaves them the other processors.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(figures, samples, json))
}

async fn measure(figures: &[Figure], samples: usize, json: Option<&Path>) -> Result<()> {
    let arena = Arena::open(samples)?;
    let measured = figures.iter().map(|figure| (format!("{figure:?}"), figure.measure(&arena)));
    tell(&Conditions::of_broker(samples), measured, json).await
}

async fn together(figures: &[sync::Figure], samples: usize, json: Option<&Path>) -> Result<()> {
    let measured = figures.iter().map(|figure| (format!("{figure:?}"), figure.measure(samples)));
    tell(&Conditions::of_sync(samples), measured, json).await
}

/// Measures one figure after the other, prints each when it is there, and writes all of them to `json`.
async fn tell<M>(
    conditions: &Conditions,
    figures: impl Iterator<Item = (String, M)>,
    json: Option<&Path>,
) -> Result<()>
where
    M: Future<Output = Result<Vec<Row>>>,
{
    conditions.print();
    let mut rows = Vec::new();
    for (name, measuring) in figures {
        let measured = measuring.await.with_context(|| format!("{name} was not measured"))?;
        measured.iter().for_each(report::print);
        rows.extend(measured);
    }
    json.map_or(Ok(()), |path| report::write(path, conditions, &rows))
}

/// Ten thousand connections are ten thousand files, here and in the broker's process.
fn allow_open_files() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
