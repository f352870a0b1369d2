//! The command line. Everything but `serve` works on the same database beside a running website.

use crate::{
    access::Access,
    app::App,
    changes::Actor,
    edges,
    location_command::LocationCommand,
    polling::PollingArgs,
    settings::{AuthorityFile, CertificateFiles, HostPort, MqttUrl, Plaintext, Secret, Settings},
    start::{reachable, start},
    upkeep::Upkeep,
    web,
};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use protocol::{EdgeId, LocationId};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The source of truth for a fleet of stores.
#[derive(Debug, Parser)]
#[command(name = "website", version)]
pub struct Cli {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct StoreArgs {
    /// The data folder: the signing key, and the database unless it is elsewhere.
    #[arg(long, env = "REGULARS_DATA", default_value = "regulars-data", global = true, value_name = "DIR")]
    data: PathBuf,
    /// postgres://... or sqlite:FILE; without it the data folder's website.db.
    #[arg(long, env = "REGULARS_DATABASE_URL", global = true, hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pages, the HTTP API and the broker until stopped.
    Serve(Box<ServeArgs>),
    /// Locations: sets of edges that share one gallery.
    #[command(subcommand)]
    Location(Box<LocationCommand>),
    /// Edges: the boxes in the stores.
    #[command(subcommand)]
    Edge(EdgeCommand),
    #[command(flatten)]
    Access(Access),
    #[command(flatten)]
    Upkeep(Upkeep),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Where pages and the HTTP API listen; port 0 takes a free one.
    #[arg(long, env = "REGULARS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where the broker listens; port 0 takes a free one.
    #[arg(long, env = "REGULARS_MQTT_LISTEN", default_value = "127.0.0.1:1883", value_name = "ADDRESS")]
    mqtt_listen: SocketAddr,
    /// Listen beyond this machine without encryption: the network is trusted.
    #[arg(long, env = "REGULARS_ALLOW_PLAINTEXT")]
    allow_plaintext: bool,
    /// The name by which edges and people ask for this website; its own certificate is for that name too.
    #[arg(long, env = "REGULARS_PUBLIC_NAME", value_name = "NAME")]
    public_name: Option<String>,
    /// A certificate to show instead of making one: a PEM file with those that vouch for it behind it.
    #[arg(long, env = "REGULARS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, env = "REGULARS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authority that vouches for it, where that is no public one: edges pin it, so it must be in the chain.
    #[arg(long, env = "REGULARS_TLS_CA", value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// The broker's address as edges reach it; without it the host they joined at.
    #[arg(long, env = "REGULARS_MQTT_PUBLIC", value_name = "HOST:PORT")]
    mqtt_public: Option<HostPort>,
    /// Use this broker instead of our own: mqtts://USER:PASSWORD@HOST:PORT, or mqtt:// on this machine.
    #[arg(
        long,
        env = "REGULARS_MQTT_URL",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with = "mqtt_listen"
    )]
    mqtt_url: Option<MqttUrl>,
    /// The authority that vouches for that broker, where that is no public one: a PEM file. Edges are told it.
    #[arg(long, env = "REGULARS_MQTT_CA", value_name = "FILE", requires = "mqtt_url")]
    mqtt_ca: Option<PathBuf>,
    /// A file with the secret by which that broker proves itself when it asks us about logins and rights.
    #[arg(long, env = "REGULARS_MQTT_API_SECRET_FILE", value_name = "FILE")]
    mqtt_api_secret_file: Option<PathBuf>,
    /// How often every location's head is dated and published again, in seconds.
    #[arg(long, env = "REGULARS_HEARTBEAT_S", default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    heartbeat_s: u64,
    /// For how many days a removal's trace stays at the broker while an edge has not applied it.
    #[arg(long, env = "REGULARS_TOMBSTONE_DAYS", default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u64).range(1..=3650))]
    tombstone_days: u64,
}

#[derive(Debug, Subcommand)]
enum EdgeCommand {
    /// Add an edge to a location and get the code with which its box joins.
    Add {
        /// The location.
        location: LocationId,
        /// As people call the edge.
        name: String,
        /// Where in the store it hangs.
        #[arg(long, default_value = "")]
        place: String,
        /// Print the code and nothing else.
        #[arg(long)]
        print_code: bool,
        /// For an older box that asks over HTTP what has changed.
        #[command(flatten)]
        polling: PollingArgs,
    },
    /// List a location's edges.
    List {
        /// The location.
        location: LocationId,
    },
    /// Shut an edge out for good.
    Revoke {
        /// The location.
        location: LocationId,
        /// The edge's id.
        #[arg(allow_hyphen_values = true)]
        edge: EdgeId,
    },
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// With one sentence that says what was refused and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        let settings = Settings { database_url: self.store.database_url, ..Settings::new(self.store.data) };
        match self.command {
            Command::Serve(args) => serve(args.into_settings(settings)?).await,
            Command::Location(command) => command.run(&*App::open(settings).await?).await,
            Command::Edge(command) => edge(&*App::open(settings).await?, command).await,
            Command::Access(access) => access.run(settings).await,
            Command::Upkeep(upkeep) => upkeep.run(settings).await,
        }
    }
}

impl ServeArgs {
    fn into_settings(self, base: Settings) -> anyhow::Result<Settings> {
        let mqtt_ca = self.mqtt_ca.map(AuthorityFile::read).transpose()?;
        let secret = self.mqtt_api_secret_file.map(|file| api_secret(&file)).transpose()?;
        Ok(Settings {
            listen: self.listen,
            mqtt_listen: self.mqtt_listen,
            database_url: base.database_url,
            data: base.data,
            plaintext: if self.allow_plaintext { Plaintext::Anywhere } else { Plaintext::LoopbackOnly },
            public_name: self.public_name,
            certificate: self.tls_cert.zip(self.tls_key).map(|(chain, key)| CertificateFiles {
                chain,
                key,
                authority: self.tls_ca,
            }),
            mqtt_public: self.mqtt_public,
            mqtt_broker: self.mqtt_url,
            mqtt_ca,
            mqtt_api_secret: secret,
            heartbeat: Duration::from_secs(self.heartbeat_s),
            retention: Duration::from_secs(self.tombstone_days * 24 * 3600),
        })
    }
}

fn api_secret(file: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(file);
    let text =
        text.with_context(|| format!("{} cannot be read: put the shared secret there", file.display()))?;
    let text = text.trim();
    anyhow::ensure!(
        text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} must hold at least 16 letters, digits or signs, on one line",
        file.display()
    );
    Ok(Secret::new(text.to_owned()))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    // Before anybody can know that it runs, and tell it to end.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut website = start(settings, stop.clone()).await?;
    let (scheme, mqtt_scheme) = website.schemes();
    say(&format!("website listening on {scheme}://{} {mqtt_scheme}://{}", website.http, website.mqtt))?;
    if let Some(path) = web::login::first_link(&website.app.db).await? {
        let pages = reachable(website.http);
        // Whoever started the program may have stopped reading after the addresses: no reason to end.
        if let Err(error) = say(&format!("sign in, once and within 24 hours, at {scheme}://{pages}{path}")) {
            tracing::warn!(%error, "the first sign-in link has no reader, `website admin link` makes another");
        }
    }
    let ended = tokio::select! {
        ended = website.ended() => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("signals cannot be waited for"),
        _ = terminate.recv() => Ok(()),
    };
    website.stop().await;
    ended
}

async fn edge(app: &App, command: EdgeCommand) -> anyhow::Result<()> {
    match command {
        EdgeCommand::Add { location, name, place, polling, .. } if polling.polling => {
            let by = Actor::command_line();
            let added = edges::add_polling(app, &location, (&name, &place), &polling.space(), &by).await?;
            match polling.print_token {
                true => say(&added.token),
                false => say(&format!(
                    "added edge {}; its box gets faces of {} and asks at /api/edge/sync with the token {}",
                    added.edge, added.space, added.token
                )),
            }
        }
        EdgeCommand::Add { location, name, place, print_code, .. } => {
            let added = edges::add(app, &location, &name, &place, &Actor::command_line()).await?;
            match print_code {
                true => say(&added.code),
                false => say(&format!(
                    "added edge {}; its box joins within 15 minutes with {}{}",
                    added.edge,
                    added.code,
                    added.ca_fingerprint.map(|hex| format!(" --ca-fingerprint {hex}")).unwrap_or_default()
                )),
            }
        }
        EdgeCommand::List { location } => {
            for status in edges::list(app, &location).await? {
                say(&format!("{}\t{}\t{}", status.edge.id, status.edge.name, status.standing))?;
            }
            Ok(())
        }
        EdgeCommand::Revoke { location, edge } => {
            edges::revoke(app, &location, &edge, &Actor::command_line()).await?;
            say(&format!("revoked edge {edge}"))
        }
    }
}

/// Writes one line to stdout; a reader that has gone away is an error and no panic.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("stdout cannot be written")
}

/// Sends the log to stderr, filtered by `REGULARS_LOG` (`info` without it). Call once.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REGULARS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rumqttd=off"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_whose_id_begins_with_a_hyphen_can_be_revoked() {
        for id in ["-VHPqC9csSElSL-Z", "--data", "-h", "plain"] {
            let words = ["website", "edge", "revoke", "oslo", id, "--data", "folder"];
            let parsed = Cli::try_parse_from(words).map(|cli| cli.command);
            let revoked =
                matches!(&parsed, Ok(Command::Edge(EdgeCommand::Revoke { edge, .. })) if edge.as_str() == id);
            assert_eq!(revoked, !["--data", "-h"].contains(&id), "{id}: {parsed:?}");
        }
    }
}
