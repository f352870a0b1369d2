//! `broker serve`: everything that runs, and how it stops.

use super::logins::{Logins, Open};
use super::output::say;
use super::reload::Changing;
use super::settings::file::Settings;
use super::settings::limits;
use super::settings::listeners::Place;
use super::systemd::{READY, STOPPING, notify};
use super::{revocations, status};
use crate::auth::auth_cache::{Asked, Keep};
use crate::auth::auth_http::Service;
use crate::auth::login::Login;
use crate::broker::Broker;
use crate::core::report::View;
use crate::limits::Limits;
use crate::net::listener::{Listener, Plaintext};
use anyhow::{Context, anyhow, bail, ensure};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where to listen when nobody says.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen for MQTT without encryption, besides the listeners of the settings; port 0 takes a free one.
    /// 127.0.0.1:1883 when there would be none.
    #[arg(long, env = "REGULARS_BROKER_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Listeners, users, rules, limits; `broker config` prints a sample.
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
    places: Vec<Place>,
    limits: Limits,
    view: View,
    asked: Option<(Arc<Asked>, Keep)>,
    /// Whose logins can change, and the file that says how.
    changing: Option<(PathBuf, Arc<Logins>)>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot listen as told, or the router has died.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be waited for")?;
    let hangup = signal(SignalKind::hangup()).context("signals cannot be waited for")?;
    let House { login, places, limits, view, asked, changing } = house(&args)?;
    let plaintext = if args.allow_plaintext { Plaintext::Anywhere } else { Plaintext::LoopbackOnly };
    let status = match args.status {
        Some(address) if !address.ip().is_loopback() && plaintext == Plaintext::LoopbackOnly => bail!(
            "refused to show health and metrics without encryption on {address}: use a loopback address with \
             --status, or say that this network is trusted with --allow-plaintext"
        ),
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen for HTTP on {address}: stop what uses it, or choose another with --status")
        })?),
        None => None,
    };
    let listeners: Vec<Listener> = places.iter().map(|place| place.listener(plaintext)).collect();
    let broker = Arc::new(Broker::launch(listeners, limits, login, view).await.map_err(|error| {
        let place = places.iter().find(|place| place.is_blamed_by(&error));
        anyhow!("{}{error}", place.map_or("", |place| &place.named_at))
    })?);
    let mut told = "broker listening on".to_owned();
    for (place, bound) in places.iter().zip(broker.addresses()) {
        told += &format!(" {}", place.url(*bound));
    }
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
        ended = outlast(&broker, asked) => ended,
        () = change(&broker, changing, places, hangup) => Ok(()),
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

/// Follows the settings, where there are any, for ever.
async fn change(
    broker: &Broker,
    changing: Option<(PathBuf, Arc<Logins>)>,
    places: Vec<Place>,
    hangup: Signal,
) {
    if let Some((file, logins)) = changing {
        Changing { file, logins, places }.run(broker, hangup).await;
    }
    std::future::pending().await
}

/// Runs as long as the broker can.
async fn outlast(broker: &Broker, asked: Option<(Arc<Asked>, Keep)>) -> anyhow::Result<()> {
    let rechecking = async {
        match asked {
            Some((asked, keep)) => {
                let every = (keep.fresh / 4).max(Duration::from_millis(250));
                tokio::join!(
                    revocations::run(broker, Arc::clone(&asked), every),
                    revocations::shut_out(broker, asked)
                );
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
    let listen = args.listen.unwrap_or(DEFAULT);
    if args.open {
        ensure!(
            listen.ip().is_loopback(),
            "refused to let everybody in on {listen}: --open is for a loopback address, or give --config"
        );
        return Ok(House {
            login: Arc::new(Open),
            places: vec![Place::plain(listen)],
            limits: limits::open(),
            view: View::Hidden,
            asked: None,
            changing: None,
        });
    }
    let Some(file) = &args.config else {
        bail!(
            "nobody could log in: give --config broker.toml (broker config prints a sample), or --open on loopback"
        );
    };
    let mut settings = Settings::read(file)?;
    let limits = settings.limits.clone();
    let mut places = std::mem::take(&mut settings.places);
    if args.listen.is_some() || places.is_empty() {
        places.push(Place::plain(listen));
    }
    let asked = settings.http.take().map(|(places, keep)| {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).context("the system gives no random bytes")?;
        Ok::<_, anyhow::Error>((Arc::new(Asked::new(Service::new(places), keep, salt)), keep))
    });
    let asked = asked.transpose()?;
    let logins = Arc::new(Logins::new(settings, asked.as_ref().map(|(asked, _)| Arc::clone(asked)))?);
    let (login, changing) = (Arc::clone(&logins), Some((file.clone(), logins)));
    Ok(House { login, places, limits, view: View::Shown, asked, changing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_router_ends_the_program_within_ten_seconds() {
        let place = Place::plain(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listeners = vec![place.listener(Plaintext::LoopbackOnly)];
        let limits = limits::open();
        let broker = Broker::launch(listeners, limits, Arc::new(Open), View::Hidden).await.unwrap();
        assert_eq!(broker.failure(), None);
        broker.kill_router();
        let ended = tokio::time::timeout(Duration::from_secs(10), outlast(&broker, None)).await.unwrap();
        assert!(ended.unwrap_err().to_string().contains("router has died"));
        assert!(broker.failure().is_some(), "and it is not ready any more");
    }
}
