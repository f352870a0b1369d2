//! The command line: what can be asked of the program, and what each command does.

use crate::{
    camera::{self, AtStart},
    daemon::rest::Rest,
    encryption::Fingerprint,
    face::{Eyes, EyesConfig, ModelSet, Unproven},
    join::{Join, Plaintext, join},
    live::Space,
    matching,
    models::{ModelsCommand, place::Places},
    socket::{self, Request},
    start::{Edge, Settings, start},
    status::Status,
    watching::{Begun, Watched},
};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Regulars' edge: the daemon in the store that recognises regular customers, and forgets whom it is told to forget.
#[derive(Debug, Parser)]
#[command(name = "edge", version)]
pub struct Cli {
    /// The folder with the edge's identity and databases.
    #[arg(long, global = true, env = "REGULARS_STATE", default_value = "edge-state", value_name = "DIR")]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Become an edge of a location, with the code a manager got on the website.
    Join(JoinArgs),
    /// Watch, recognise, count, and stay in step with the website.
    Run(RunArgs),
    /// Say how the edge is.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the cameras of this machine and what they offer; ends with 1 when there is none.
    Cameras {
        /// As JSON: an array with an object for every camera.
        #[arg(long)]
        json: bool,
    },
    /// Say who is on pictures, by the running edge's own gallery.
    Match(MatchArgs),
    /// List, check or fetch the face models.
    Models(ModelsCommand),
}

#[derive(Debug, Args)]
struct JoinArgs {
    /// The website's address, such as https://regulars.example.
    url: String,
    /// The code: 8 characters, good once and for 15 minutes.
    code: String,
    /// Trust the website whose authority has this fingerprint: 64 hexadecimal digits, beside the join code.
    #[arg(long, env = "REGULARS_CA_FINGERPRINT", value_name = "HEX")]
    ca_fingerprint: Option<Fingerprint>,
    /// Send the code and the login in the clear to another machine.
    #[arg(long, env = "REGULARS_ALLOW_PLAINTEXT")]
    allow_plaintext: bool,
    #[command(flatten)]
    models: ModelArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// camera:0 or camera:/dev/... (`edge cameras` lists them), images:DIR (a folder of pictures, played once) or
    /// clip:FILE.gif; without it the edge only stays in step.
    #[arg(long, env = "REGULARS_SOURCE", value_name = "SOURCE")]
    source: Option<Watched>,
    /// Start also while the camera is not there or cannot be used, stay in step, and try again until it can.
    #[arg(long, env = "REGULARS_WAIT_FOR_CAMERA")]
    wait_for_camera: bool,
    /// A visit ends so many seconds after the person was last seen.
    #[arg(long, env = "REGULARS_AWAY_S", default_value_t = 600, value_name = "SECONDS")]
    away_s: u64,
    /// End when the source has played and every visit is stored at the website.
    #[arg(long, env = "REGULARS_EXIT_WHEN_DONE", requires = "source")]
    exit_when_done: bool,
    #[command(flatten)]
    models: ModelArgs,
}

#[derive(Debug, Args)]
struct MatchArgs {
    /// Pictures: JPEG, PNG or GIF.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// As JSON: an array with an object for every face.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    models: ModelArgs,
}

#[derive(Debug, Args)]
struct ModelArgs {
    /// The folder with the face models, where it is not one of the places that `edge models --help` names.
    #[arg(long, env = "REGULARS_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    /// libonnxruntime, or the folder that holds it, where it is not found by itself.
    #[arg(long, env = "REGULARS_ONNXRUNTIME", value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Use a model set whose manifest has no self-test.
    #[arg(long, env = "REGULARS_ALLOW_UNPROVEN_MODELS")]
    allow_unproven_models: bool,
}

impl ModelArgs {
    fn eyes(&self) -> Result<EyesConfig> {
        Ok(EyesConfig {
            models: self.folder()?,
            onnxruntime: self.onnxruntime.clone(),
            threads: 1,
            unproven: self.unproven(),
        })
    }

    fn folder(&self) -> Result<PathBuf> {
        self.models.clone().map_or_else(|| Places::of_this_process().find(), Ok)
    }

    fn unproven(&self) -> Unproven {
        if self.allow_unproven_models { Unproven::Accept } else { Unproven::Refuse }
    }

    fn space(&self) -> Result<Space> {
        Ok(Space::from(&ModelSet::find(&self.folder()?, self.unproven())?.manifest))
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn run(self) -> Result<()> {
        let Self { state, command } = self;
        match command {
            Command::Join(args) => tokio::task::spawn_blocking(move || joined(state, args)).await?,
            Command::Run(args) => watch(state, args).await,
            Command::Status { json } => tokio::task::spawn_blocking(move || status(state, json)).await?,
            Command::Cameras { json } => tokio::task::spawn_blocking(move || cameras(json)).await?,
            Command::Match(args) => tokio::task::spawn_blocking(move || matched(state, args)).await?,
            Command::Models(command) => tokio::task::spawn_blocking(move || command.run()).await?,
        }
    }
}

fn joined(state: PathBuf, args: JoinArgs) -> Result<()> {
    let plaintext = if args.allow_plaintext { Plaintext::Anywhere } else { Plaintext::LoopbackOnly };
    // The code is good once: models or a runtime that would not run must be known before it is spent.
    let space = Space::from(Eyes::open(&args.models.eyes()?)?.manifest());
    let identity = join(&Join {
        url: args.url,
        code: args.code,
        state,
        space,
        plaintext,
        ca_fingerprint: args.ca_fingerprint,
    })?;
    println!("edge {} of {} joined", identity.edge, identity.location);
    Ok(())
}

fn status(state: PathBuf, json: bool) -> Result<()> {
    let status: Status = match socket::ask(&state, &Request::Status)? {
        Some(reply) => {
            serde_json::from_value(reply).context("the running edge is of another version: restart it")?
        }
        None => Rest::open(&state)?.status(),
    };
    match json {
        true => println!("{}", serde_json::to_string_pretty(&status)?),
        false => println!("{status}"),
    }
    Ok(())
}

fn cameras(json: bool) -> Result<()> {
    let cameras = camera::list()?;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&cameras)?),
        false => cameras.iter().for_each(|camera| println!("{camera}")),
    }
    ensure!(
        !cameras.is_empty(),
        "no camera found: plug one in; in a container or a virtual machine, hand its /dev/video device through"
    );
    Ok(())
}

fn matched(state: PathBuf, args: MatchArgs) -> Result<()> {
    let found = matching::find(&state, &args.models.eyes()?, &args.images)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&found)?),
        false if found.is_empty() => println!("no face found"),
        false => found.iter().for_each(|face| println!("{face}")),
    }
    Ok(())
}

async fn watch(state: PathBuf, args: RunArgs) -> Result<()> {
    let at_start = if args.wait_for_camera { AtStart::Wait } else { AtStart::Refuse };
    if let Some(source) = &args.source {
        if args.exit_when_done && matches!(source, Watched::Camera(_)) {
            bail!("--exit-when-done waits for the end of the source, and {source} has none: leave it out");
        }
        source.check(at_start)?;
    }
    let settings = Settings { state, space: args.models.space()?, away: Duration::from_secs(args.away_s) };
    let stop = CancellationToken::new();
    let edge = start(settings, stop.clone()).await?;
    let Status { edge: id, location, .. } = edge.status();
    tokio::spawn(stop_on_signal(stop.clone()));
    let Some(source) = args.source else {
        println!("edge {id} of {location} joined, no source");
        return edge.ended().await;
    };
    let name = source.to_string();
    let begun = match source.begin(&edge, at_start, &stop).await {
        Ok(begun) => begun,
        Err(refused) => {
            edge.stop().await?;
            return Err(refused);
        }
    };
    println!("edge {id} of {location} joined, source {name}");
    let played = play(&edge, begun, args.models.eyes()?, stop.clone()).await;
    if played.is_err() || args.exit_when_done {
        if played.is_ok() {
            settled(&edge, &stop).await;
        }
        edge.stop().await?;
        return played;
    }
    edge.ended().await
}

/// Waits until the edge may recognise, then plays the source; the edge goes on staying in step meanwhile and after.
async fn play(edge: &Edge, source: Begun, eyes: EyesConfig, stop: CancellationToken) -> Result<()> {
    let mut status = edge.watch();
    let may_recognise = |status: &Status| status.lease_until.is_some_and(|until| until > status.now);
    if !may_recognise(&status.borrow()) {
        tracing::info!(
            "waiting for the website before the source is played: nobody is recognised without a lease"
        );
    }
    tokio::select! {
        told = status.wait_for(may_recognise) => { told.context("the edge has stopped")?; }
        () = stop.cancelled() => return Ok(()),
    }
    let eyepiece = edge.eyes();
    let played = tokio::task::spawn_blocking(move || source.watch(&eyes, &eyepiece, &stop)).await??;
    tracing::info!(frames = played.frames, unreadable = played.unreadable, "the source has played");
    Ok(())
}

/// Waits until the website has stored every visit.
async fn settled(edge: &Edge, stop: &CancellationToken) {
    let mut status = edge.watch();
    let all = async {
        // The status is told after a batch: the second one from now has seen everything the source has shown.
        for _ in 0..2 {
            status.mark_unchanged();
            if status.changed().await.is_err() {
                return;
            }
        }
        let _ = status.wait_for(|status| status.visits_waiting == 0).await;
    };
    tokio::select! { () = all => {}, () = stop.cancelled() => {} }
}

async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    stop.cancel();
}
