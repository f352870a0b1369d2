//! The broker as the process that embeds it sees it: started, asked, stopped.

use crate::auth::login::Login;
use crate::auth::principal::Principal;
use crate::core::core::Core;
use crate::core::failure::Failure;
use crate::core::report::View;
use crate::core::{dispatch, due_wills, report};
use crate::limits::Limits;
use crate::net::connection_limit::ConnectionLimit;
use crate::net::listener::{Acceptor, Carrier, Encryption, Listener, Plaintext};
use crate::observe::counters::Counters;
use crate::routing::lane::Lanes;
use crate::routing::router;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the connections may take to end when the broker is stopped.
const STOP: Duration = Duration::from_secs(5);

/// How a broker with one listener in the clear is to be started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether passwords may cross a network in clear text.
    pub plaintext: Plaintext,
    /// What it allows.
    pub limits: Limits,
}

/// Why a broker was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Passwords would cross a network in clear text.
    #[error(
        "refused to listen for MQTT without encryption on {0}: listen on a loopback address, use TLS, or say that \
         this network is trusted with --allow-plaintext"
    )]
    PlaintextBeyondLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error(
        "cannot listen for MQTT on {0}: {1}; stop what uses that address, or choose another port (0 takes a free one)"
    )]
    Listen(SocketAddr, #[source] std::io::Error),
    /// There is nothing to listen on.
    #[error("no address to listen for MQTT on was given: name at least one")]
    NoListener,
    /// The router did not come up.
    #[error("the MQTT router did not start")]
    Router,
}

/// A running broker.
pub struct Broker {
    acceptor: Acceptor,
    tasks: TaskTracker,
    addresses: Vec<SocketAddr>,
    failure: watch::Receiver<Option<Failure>>,
}

impl Broker {
    /// Starts a broker with one listener in the clear in the current Tokio runtime. It listens when this returns.
    ///
    /// # Errors
    /// As [`Broker::start_on`].
    pub async fn start(config: Config, login: Arc<dyn Login>) -> Result<Broker, StartError> {
        let Config { listen: address, plaintext, limits } = config;
        let listener = Listener { address, encryption: Encryption::None(plaintext), carrier: Carrier::Bytes };
        Broker::start_on(vec![listener], limits, login).await
    }

    /// Starts a broker with several listeners. All of them listen when this returns, or none does.
    ///
    /// # Errors
    /// When an address cannot be listened on, or passwords could be read on their way to one.
    pub async fn start_on(
        listeners: Vec<Listener>,
        limits: Limits,
        login: Arc<dyn Login>,
    ) -> Result<Broker, StartError> {
        Broker::launch(listeners, limits, login, View::Shown).await
    }

    /// The same, with or without `view/broker`.
    pub(crate) async fn launch(
        listeners: Vec<Listener>,
        limits: Limits,
        login: Arc<dyn Login>,
        view: View,
    ) -> Result<Broker, StartError> {
        let bound = bind(listeners).await?;
        let addresses = bound.iter().map(|(_, address, _)| *address).collect();
        let links = tokio::task::spawn_blocking(router::start).await;
        let links = links.ok().and_then(Result::ok).ok_or(StartError::Router)?;
        let (inlets, outlets) = links.into_iter().unzip();
        let lanes = Lanes::new(inlets, limits.retained, limits.clears);
        let core = Arc::new(Core::new(lanes, limits, login));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (fail, failure) = watch::channel(None);
        for (lane, outlet) in crate::routing::message::Lane::all().zip::<Vec<_>>(outlets) {
            let (core, fail) = (Arc::clone(&core), fail.clone());
            tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::run(core, lane, outlet, fail)));
        }
        tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::probe(
            Arc::clone(&core),
            dispatch::PROBE_TIMING,
            fail,
        )));
        tasks.spawn(stop.clone().run_until_cancelled_owned(report::run(Arc::clone(&core), view)));
        tasks.spawn(stop.clone().run_until_cancelled_owned(due_wills::run(Arc::clone(&core))));
        let limit = Arc::new(ConnectionLimit::new(&core.limits));
        let acceptor =
            Acceptor { core: Arc::clone(&core), limit, stop: stop.clone(), connections: TaskTracker::new() };
        for (socket, _, Listener { address: _, encryption, carrier }) in bound {
            let accepting = acceptor.clone().run(socket, encryption, carrier);
            tasks.spawn(core.closing.clone().run_until_cancelled_owned(accepting));
        }
        Ok(Broker { acceptor, tasks, addresses, failure })
    }

    /// Where it listens; of several the first.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where it listens, one address for each listener, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves WebSockets that another server has accepted.
    pub fn websocket_acceptor(&self) -> WebSocketAcceptor {
        WebSocketAcceptor(self.acceptor.clone())
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.acceptor.core.counters()
    }

    /// Ends this principal's connections and sessions, with all that waits for them. Call it after the revocation
    /// has been stored: a login that was being checked meanwhile is refused (CONNACK 3), later ones are the
    /// `Login`'s business.
    pub fn kick(&self, principal: &Principal) {
        self.acceptor.core.kick(principal);
    }

    /// The sessions of a stand-alone broker's users: name, client id, and the filters they are subscribed to.
    pub(crate) fn users(&self) -> Vec<(String, String, Vec<String>)> {
        self.acceptor.core.users()
    }

    /// Stops listening, ends every connection, and returns when all have ended. Clients that can be told are; wills
    /// are not published.
    pub async fn stop(self) {
        self.end().await;
    }

    /// The same for a broker that is shared.
    pub(crate) async fn end(&self) {
        self.acceptor.core.close();
        self.acceptor.connections.close();
        self.tasks.close();
        // Connections only have to notice; one that does not is dropped with its socket below.
        let _ = tokio::time::timeout(STOP, self.acceptor.connections.wait()).await;
        self.acceptor.stop.cancel();
        let _ = tokio::time::timeout(STOP, self.tasks.wait()).await;
    }

    /// Why the broker cannot go on; `None` while all is well.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Waits until the broker cannot go on, and returns why. Never returns while all is well.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        failed.unwrap_or(Failure::RouterDied)
    }
}

/// Serves WebSockets that another server has accepted, such as an HTTP server that also has pages to show.
#[derive(Clone)]
pub struct WebSocketAcceptor(Acceptor);

impl WebSocketAcceptor {
    /// Serves one client until its connection ends. `upgraded` is the stream behind a request that was answered with
    /// [`answer_websocket`](crate::answer_websocket); `peer` is the address
    /// it came from.
    pub async fn accept_websocket<S>(&self, upgraded: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.serve_websocket(upgraded, peer).await;
    }
}

/// Binds every listener before any client can be served.
async fn bind(listeners: Vec<Listener>) -> Result<Vec<(TcpListener, SocketAddr, Listener)>, StartError> {
    if listeners.is_empty() {
        return Err(StartError::NoListener);
    }
    if let Some(exposed) = listeners.iter().find(|listener| listener.is_exposed()) {
        return Err(StartError::PlaintextBeyondLoopback(exposed.address));
    }
    let mut bound = Vec::new();
    for listener in listeners {
        let failed = |error| StartError::Listen(listener.address, error);
        let socket = TcpListener::bind(listener.address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        bound.push((socket, address, listener));
    }
    Ok(bound)
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.acceptor.stop.cancel();
        self.acceptor.core.close();
        self.acceptor.core.lanes.close();
    }
}

#[cfg(test)]
impl Broker {
    /// Kills the router's thread, as a client could if its bytes reached it.
    pub(crate) fn kill_router(&self) {
        self.acceptor.core.lanes.kill_router();
    }
}
