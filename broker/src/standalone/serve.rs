//! `broker serve`: everything that runs, and how it stops.

use super::logins::{Logins, Open};
use super::output::print_line;
use super::reload::Changing;
use super::settings::file::Settings;
use super::settings::limits;
use super::settings::listeners::ListenerSettings;
use super::systemd::{READY, STOPPING, notify};
use super::{revocations, status};
use crate::auth::auth_cache::{AuthCache, CacheTimes};
use crate::auth::auth_http::AuthService;
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

/// Where to listen when neither settings nor command line say.
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

/// What the broker is started with.
struct Setup {
    login: Arc<dyn Login>,
    listeners: Vec<ListenerSettings>,
    limits: Limits,
    view: View,
    cache: Option<(Arc<AuthCache>, CacheTimes)>,
    /// The settings file and the logins that follow it on SIGHUP.
    changing: Option<(PathBuf, Arc<Logins>)>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot listen, or the router has died.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be waited for")?;
    let hangup = signal(SignalKind::hangup()).context("signals cannot be waited for")?;
    let Setup { login, listeners, limits, view, cache, changing } = setup(&args)?;
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
    let sockets: Vec<Listener> = listeners.iter().map(|listener| listener.listener(plaintext)).collect();
    let broker = Arc::new(Broker::launch(sockets, limits, login, view).await.map_err(|error| {
        let listener = listeners.iter().find(|listener| listener.caused(&error));
        anyhow!("{}{error}", listener.map_or("", |listener| &listener.named_at))
    })?);
    let mut line = "broker listening on".to_owned();
    for (listener, bound) in listeners.iter().zip(broker.addresses()) {
        line += &format!(" {}", listener.url(*bound));
    }
    let answering = match status {
        Some(listener) => {
            line += &format!(" http://{}", listener.local_addr()?);
            Some(tokio::spawn(status::run(listener, Arc::clone(&broker))))
        }
        None => None,
    };
    print_line(&line)?;
    notify(READY);
    let ended = tokio::select! {
        ended = run_until_failure(&broker, cache) => ended,
        () = change(&broker, changing, listeners, hangup) => Ok(()),
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
    listeners: Vec<ListenerSettings>,
    hangup: Signal,
) {
    if let Some((file, logins)) = changing {
        Changing { file, logins, listeners }.run(broker, hangup).await;
    }
    std::future::pending().await
}

/// Runs as long as the broker can.
async fn run_until_failure(
    broker: &Broker,
    cache: Option<(Arc<AuthCache>, CacheTimes)>,
) -> anyhow::Result<()> {
    let watching_rights = async {
        match cache {
            Some((cache, times)) => {
                let every = (times.fresh / 4).max(Duration::from_millis(250));
                tokio::join!(
                    revocations::run(broker, Arc::clone(&cache), every),
                    revocations::watch_revoked(broker, cache)
                );
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        failure = broker.failed() => bail!(failure),
        () = watching_rights => Ok(()),
    }
}

fn setup(args: &Args) -> anyhow::Result<Setup> {
    let listen = args.listen.unwrap_or(DEFAULT);
    if args.open {
        ensure!(
            listen.ip().is_loopback(),
            "refused to let everybody in on {listen}: --open is for a loopback address, or give --config"
        );
        return Ok(Setup {
            login: Arc::new(Open),
            listeners: vec![ListenerSettings::plain(listen)],
            limits: limits::open(),
            view: View::Hidden,
            cache: None,
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
    let mut listeners = std::mem::take(&mut settings.listeners);
    if args.listen.is_some() || listeners.is_empty() {
        listeners.push(ListenerSettings::plain(listen));
    }
    let cache = settings.http.take().map(|(listeners, keep)| {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).context("the system gives no random bytes")?;
        Ok::<_, anyhow::Error>((Arc::new(AuthCache::new(AuthService::new(listeners), keep, salt)), keep))
    });
    let cache = cache.transpose()?;
    let logins = Arc::new(Logins::new(settings, cache.as_ref().map(|(cache, _)| Arc::clone(cache)))?);
    let (login, changing) = (Arc::clone(&logins), Some((file.clone(), logins)));
    Ok(Setup { login, listeners, limits, view: View::Shown, cache, changing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_router_ends_the_program_within_ten_seconds() {
        let listener = ListenerSettings::plain(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listeners = vec![listener.listener(Plaintext::LoopbackOnly)];
        let limits = limits::open();
        let broker = Broker::launch(listeners, limits, Arc::new(Open), View::Hidden).await.unwrap();
        assert_eq!(broker.failure(), None);
        broker.kill_router();
        let ended =
            tokio::time::timeout(Duration::from_secs(10), run_until_failure(&broker, None)).await.unwrap();
        assert!(ended.unwrap_err().to_string().contains("router has died"));
        assert!(broker.failure().is_some(), "and it is not ready any more");
    }
}
