//! What runs, and how it stops.

use crate::{
    app::App,
    connections::{Peer, Plain, name_peer},
    db, door, encryption, epochs, https, ingest, mqtt_api,
    mqtt_login::Logins,
    publisher, random,
    serving::Serving,
    session,
    settings::{MqttUrl, Plaintext, Scheme, Settings},
    sweep,
    tables::edges,
    tombstones, web,
};
use anyhow::{Context, bail, ensure};
use axum::middleware;
use broker::{Broker, Carrier, Encryption, Limits, Listener, Tls};
use rumqttc::Transport;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long the tasks may take to end.
const STOP: Duration = Duration::from_secs(5);
/// How often it is looked whether there is room on the disk again; nothing tells.
const ROOM: Duration = Duration::from_secs(5);

/// A running website with its broker.
pub struct Website {
    /// Where pages and the HTTP API are.
    pub http: SocketAddr,
    /// Where the broker is, its own or one that stands apart.
    pub mqtt: SocketAddr,
    /// What it shares: the database, the counters.
    pub app: Arc<App>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    _serving: Serving,
}

/// Starts the website and, inside it, the broker, unless one that stands apart is named. Both listen when this
/// returns. It runs until `stop` or until [`Website::ended`] tells why not.
///
/// # Errors
/// When an address is taken, a certificate does not fit, or the data folder or the database cannot be used.
pub async fn start(settings: Settings, stop: CancellationToken) -> anyhow::Result<Website> {
    let app = App::open(settings).await?;
    let serving = Serving::begin(&app.settings.data)?;
    app.db.check().await?;
    epochs::compare(&app).await?;
    let tls = encryption::open(&app.settings)?;
    let listener = listen(&app.settings).await?;
    all_offline(&app, &stop).await?;
    let people = door::people(&app).await?;

    let (mqtt, broker, (link, events)) = match &app.settings.mqtt_broker {
        Some(url) => (apart(url, app.settings.plaintext).await?, None, {
            let transport = encryption::transport(url, app.settings.mqtt_ca.as_ref())?;
            let place = (url.host.clone(), url.port);
            session::open(place, transport, &url.username, url.password.reveal())
        }),
        None => {
            let secret = random::token();
            let broker = own_broker(&app, tls.as_ref(), &secret).await?;
            let _ = app.gate.set(broker.websocket_acceptor());
            let bound = broker.address();
            let near = reachable(*broker.addresses().last().unwrap_or(&bound));
            let session =
                session::open((near.ip().to_string(), near.port()), Transport::tcp(), session::NAME, &secret);
            (bound, Some(broker), session)
        }
    };
    let http = listener.local_addr()?;
    let _ = (app.mqtt.set(mqtt), app.http.set(http), app.link.set(link.clone()));

    let stop = stop.child_token();
    let ((arrived, arrivals), (connection, connections)) =
        (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let mut tasks = JoinSet::new();
    let polling =
        session::run(link.clone(), events, arrived, connection, app.connected.clone(), stop.clone());
    let publishing = publisher::run(Arc::clone(&app), link.clone(), connections, stop.clone());
    let (kept, found) = mpsc::unbounded_channel();
    let sweeping = sweep::run(Arc::clone(&app), link.clone(), found, stop.clone());
    let clearing = tombstones::run(Arc::clone(&app), link.clone(), stop.clone());
    let ingesting = ingest::run(Arc::clone(&app), link, arrivals, kept, stop.clone());
    tasks.spawn(async {
        polling.await;
        Ok(())
    });
    tasks.spawn(async {
        publishing.await;
        Ok(())
    });
    tasks.spawn(async {
        ingesting.await;
        Ok(())
    });
    tasks.spawn(async {
        sweeping.await;
        Ok(())
    });
    tasks.spawn(async {
        clearing.await;
        Ok(())
    });
    let vacuuming = crate::vacuum::run(Arc::clone(&app), stop.clone());
    tasks.spawn(async {
        vacuuming.await;
        Ok(())
    });
    let tidying = crate::tidy::run(Arc::clone(&app), stop.clone());
    tasks.spawn(async {
        tidying.await;
        Ok(())
    });
    if let Some(broker) = broker {
        tasks.spawn(door::run(Arc::clone(&app), broker, people, stop.clone()));
    }
    tasks.spawn(encryption::keep(Arc::clone(&app), tls.clone(), stop.clone()));
    tasks.spawn(pages(Arc::clone(&app), listener, tls, stop.clone()));
    Ok(Website { http, mqtt, app, stop, tasks, _serving: serving })
}

/// Stores that no edge is connected, the first thing that is written at every start. A disk without room is waited for:
/// starting again and again would not make any.
async fn all_offline(app: &App, stop: &CancellationToken) -> anyhow::Result<()> {
    loop {
        match try_all_offline(app).await {
            Err(error) if db::is_full(&error) => {
                tracing::error!(
                    "the disk of the website's database is full: it starts when there is room on it"
                );
                let stopped = stop.run_until_cancelled(tokio::time::sleep(ROOM)).await.is_none();
                ensure!(
                    !stopped,
                    "the website was stopped before there was room on the disk of its database"
                );
            }
            done => return done.context("the database could not be written"),
        }
    }
}

async fn try_all_offline(app: &App) -> sqlx::Result<()> {
    let mut tx = app.db.write().await?;
    edges::all_offline(&mut tx).await?;
    tx.commit().await
}

async fn own_broker(app: &Arc<App>, tls: Option<&Tls>, secret: &str) -> anyhow::Result<Broker> {
    let login = Arc::new(Logins::new(Arc::clone(app), secret.to_owned()));
    Ok(Broker::start_on(listeners(&app.settings, tls), Limits::default(), login).await?)
}

/// The address of a broker that stands apart.
async fn apart(url: &MqttUrl, plaintext: Plaintext) -> anyhow::Result<SocketAddr> {
    let (host, port) = (&url.host, url.port);
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    let found = found.ok().and_then(|mut found| found.next());
    let address =
        found.with_context(|| format!("the broker's host {host} is not known: check --mqtt-url"))?;
    ensure!(
        url.scheme == Scheme::Mqtts || address.ip().is_loopback() || plaintext == Plaintext::Anywhere,
        "refused to log in without encryption at the broker on {address}: use mqtts, or one on a loopback address, or say \
         that this network is trusted with --allow-plaintext"
    );
    Ok(address)
}

impl Website {
    /// How pages and broker are spoken to: the schemes of their addresses.
    pub fn schemes(&self) -> (&'static str, &'static str) {
        let settings = &self.app.settings;
        let http = if settings.encrypts(settings.listen) { "https" } else { "http" };
        (http, if settings.encrypts_mqtt() { "mqtts" } else { "mqtt" })
    }

    /// Waits until a part of the website has ended by itself, or it was stopped; an error says what broke.
    ///
    /// # Errors
    /// When a part could not go on.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let ended = self.tasks.join_next().await;
        if self.stop.is_cancelled() {
            return Ok(());
        }
        match ended {
            Some(Ok(Ok(()))) => bail!("a part of the website has ended by itself"),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(panic)) => Err(panic).context("a part of the website has panicked"),
            None => Ok(()),
        }
    }

    /// Stops everything and gives the database back.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP, ending).await.is_err() {
            tracing::warn!("not everything ended in time; nothing is lost by that");
        }
        self.app.db.close().await;
    }
}

async fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen for HTTP on {address}: stop what uses it, or choose another port (0 takes a free one)")
    })
}

/// A bound address as this machine reaches it.
pub(crate) fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = if bound.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { bound.ip() };
    SocketAddr::new(ip, bound.port())
}

/// Where the broker listens. When that is encrypted, the website's own session has a listener to itself that no
/// other machine can reach.
fn listeners(settings: &Settings, tls: Option<&Tls>) -> Vec<Listener> {
    let listener = |address, encryption| Listener { address, encryption, carrier: Carrier::Bytes };
    let plaintext = match settings.plaintext {
        Plaintext::LoopbackOnly => broker::Plaintext::LoopbackOnly,
        Plaintext::Anywhere => broker::Plaintext::Anywhere,
    };
    match tls.filter(|_| settings.encrypts(settings.mqtt_listen)) {
        Some(tls) => vec![
            listener(settings.mqtt_listen, Encryption::Tls(tls.clone())),
            listener((Ipv4Addr::LOCALHOST, 0).into(), Encryption::None(broker::Plaintext::LoopbackOnly)),
        ],
        None => vec![listener(settings.mqtt_listen, Encryption::None(plaintext))],
    }
}

async fn pages(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Tls>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tls = tls.filter(|_| app.settings.encrypts(app.settings.listen));
    let router = web::router(Arc::clone(&app)).merge(mqtt_api::router(&app));
    let ends = stop.clone();
    let serving = async {
        match tls {
            Some(tls) => https::serve(listener, tls, router, ends).await,
            None => {
                let router = router.layer(middleware::map_request(name_peer));
                let service = router.into_make_service_with_connect_info::<Peer>();
                axum::serve(Plain::new(listener), service)
                    .with_graceful_shutdown(ends.cancelled_owned())
                    .await
            }
        }
    };
    // A connection that is kept open must not keep the program.
    let ending = async {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        served = serving => served.context("the pages could not be served any longer"),
        () = ending => Ok(()),
    }
}
