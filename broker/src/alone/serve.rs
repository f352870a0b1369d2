//! `broker serve`: everything that runs, and how it stops.

use super::cli::say;
use super::logins::{Logins, Open};
use super::settings::Settings;
use super::settings_limits;
use super::systemd::{READY, STOPPING, notify};
use super::{recheck, status};
use crate::asked::{Asked, Keep};
use crate::broker::{Broker, Config};
use crate::limits::Limits;
use crate::listener::Plaintext;
use crate::principal::Login;
use crate::service::Service;
use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen for MQTT; port 0 takes a free one.
    #[arg(long, env = "REGULARS_BROKER_LISTEN", default_value = "127.0.0.1:1883", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Users, rules, limits; `broker config` prints a sample.
    #[arg(long, env = "REGULARS_BROKER_CONFIG", value_name = "FILE", conflicts_with = "open")]
    config: Option<PathBuf>,
    /// For development: no login, any topic. Only on loopback.
    #[arg(long)]
    open: bool,
    /// Listen beyond this machine without encryption: the network is trusted.
    #[arg(long, env = "REGULARS_ALLOW_PLAINTEXT")]
    allow_plaintext: bool,
    /// Where /healthz, /readyz and /metrics are; port 0 takes a free one, without it there are none.
    #[arg(long, env = "REGULARS_BROKER_STATUS", value_name = "ADDRESS")]
    status: Option<SocketAddr>,
}

/// Who may log in, and what is allowed.
struct House {
    login: Arc<dyn Login>,
    limits: Limits,
    asked: Option<(Arc<Asked>, Keep)>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot listen as told, or the router has died.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be waited for")?;
    let house = house(&args)?;
    let status = match args.status {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen for HTTP on {address}: stop what uses it, or choose another with --status")
        })?),
        None => None,
    };
    let plaintext = if args.allow_plaintext { Plaintext::Anywhere } else { Plaintext::LoopbackOnly };
    let config = Config { listen: args.listen, plaintext, limits: house.limits };
    let broker = Arc::new(Broker::start(config, house.login).await?);
    let mut told = format!("broker listening on mqtt://{}", broker.address());
    let answering = match status {
        Some(listener) => {
            told += &format!(" http://{}", listener.local_addr()?);
            Some(tokio::spawn(status::run(listener, Arc::clone(&broker))))
        }
        None => None,
    };
    say(&told)?;
    notify(READY);
    let ended = tokio::select! {
        ended = outlast(&broker, house.asked) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    notify(STOPPING);
    if let Some(answering) = answering {
        answering.abort();
    }
    broker.end().await;
    ended
}

/// Runs as long as the broker can.
async fn outlast(broker: &Broker, asked: Option<(Arc<Asked>, Keep)>) -> anyhow::Result<()> {
    let rechecking = async {
        match asked {
            Some((asked, keep)) => {
                let every = (keep.fresh / 4).max(Duration::from_millis(250));
                recheck::run(broker, asked, every).await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        failure = broker.failed() => bail!(failure),
        () = rechecking => Ok(()),
    }
}

fn house(args: &Args) -> anyhow::Result<House> {
    if args.open {
        ensure!(
            args.listen.ip().is_loopback(),
            "refused to let everybody in on {}: --open is for a loopback address, or give --config",
            args.listen
        );
        return Ok(House { login: Arc::new(Open), limits: settings_limits::defaults(), asked: None });
    }
    let Some(file) = &args.config else {
        bail!(
            "nobody could log in: give --config broker.toml (broker config prints a sample), or --open on loopback"
        );
    };
    let mut settings = Settings::read(file)?;
    let limits = settings.limits.clone();
    let asked = settings.http.take().map(|(places, keep)| {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).context("the system gives no random bytes")?;
        Ok::<_, anyhow::Error>((Arc::new(Asked::new(Service::new(places), keep, salt)), keep))
    });
    let asked = asked.transpose()?;
    let login = Logins::new(settings, asked.as_ref().map(|(asked, _)| Arc::clone(asked)))?;
    Ok(House { login: Arc::new(login), limits, asked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_router_ends_the_program_within_ten_seconds() {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            plaintext: Plaintext::LoopbackOnly,
            limits: settings_limits::defaults(),
        };
        let broker = Broker::start(config, Arc::new(Open)).await.unwrap();
        assert_eq!(broker.failure(), None);
        broker.kill_router();
        let ended = tokio::time::timeout(Duration::from_secs(10), outlast(&broker, None)).await.unwrap();
        assert!(ended.unwrap_err().to_string().contains("router has died"));
        assert!(broker.failure().is_some(), "and it is not ready any more");
    }
}
