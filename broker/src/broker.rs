//! The broker as its owner sees it: started, asked, stopped.

use crate::auth::login::Login;
use crate::auth::principal::Principal;
use crate::core::core::Door;
use crate::core::failure::Failure;
use crate::core::report::View;
use crate::core::{dispatch, due_wills, report};
use crate::limits::Limits;
use crate::net::connection_limit::Places;
use crate::net::listener::{Carrier, Encryption, Listener, Plaintext, Reception};
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
    reception: Reception,
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
        let door = Arc::new(Door::new(lanes, limits, login));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (fail, failure) = watch::channel(None);
        for (lane, outlet) in crate::routing::message::Lane::all().zip::<Vec<_>>(outlets) {
            let (door, fail) = (Arc::clone(&door), fail.clone());
            tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::run(door, lane, outlet, fail)));
        }
        tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::probe(
            Arc::clone(&door),
            dispatch::RHYTHM,
            fail,
        )));
        tasks.spawn(stop.clone().run_until_cancelled_owned(report::run(Arc::clone(&door), view)));
        tasks.spawn(stop.clone().run_until_cancelled_owned(due_wills::run(Arc::clone(&door))));
        let places = Arc::new(Places::new(&door.limits));
        let reception =
            Reception { door: Arc::clone(&door), places, stop: stop.clone(), guests: TaskTracker::new() };
        for (socket, _, Listener { address: _, encryption, carrier }) in bound {
            let accepting = reception.clone().run(socket, encryption, carrier);
            tasks.spawn(door.closing.clone().run_until_cancelled_owned(accepting));
        }
        Ok(Broker { reception, tasks, addresses, failure })
    }

    /// Where it listens; of several the first.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where it listens, one address for each listener, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A way in for WebSockets that another server has accepted.
    pub fn gate(&self) -> Gate {
        Gate(self.reception.clone())
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.reception.door.counters()
    }

    /// Ends this principal's connections and sessions, with all that waits for them. Call it after the revocation
    /// has been stored: a login that was being looked up meanwhile is turned away (CONNACK 3), later ones are the
    /// `Login`'s business.
    pub fn kick(&self, principal: &Principal) {
        self.reception.door.kick(principal);
    }

    /// The sessions of a stand-alone broker's users: name, client id, and the filters they are subscribed to.
    pub(crate) fn users(&self) -> Vec<(String, String, Vec<String>)> {
        self.reception.door.users()
    }

    /// Stops listening, ends every connection, and returns when all have ended. Clients that can be told are; wills
    /// are not published.
    pub async fn stop(self) {
        self.end().await;
    }

    /// The same for a broker that is shared.
    pub(crate) async fn end(&self) {
        self.reception.door.close();
        self.reception.guests.close();
        self.tasks.close();
        // Connections only have to notice; whoever does not is left behind with its socket closed.
        let _ = tokio::time::timeout(STOP, self.reception.guests.wait()).await;
        self.reception.stop.cancel();
        let _ = tokio::time::timeout(STOP, self.tasks.wait()).await;
    }

    /// Why the broker cannot go on; `None` while all is well.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Waits until the broker cannot go on, and tells why. Never returns while all is well.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        failed.unwrap_or(Failure::RouterDied)
    }
}

/// A way in for WebSockets that another server has accepted, such as an HTTP server that also has pages to show.
#[derive(Clone)]
pub struct Gate(Reception);

impl Gate {
    /// Serves one client until it leaves. `upgraded` is the stream behind a request that was answered with
    /// [`answer_websocket`](crate::answer_websocket); `peer` is who asked.
    pub async fn accept_websocket<S>(&self, upgraded: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.adopt(upgraded, peer).await;
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
        self.reception.stop.cancel();
        self.reception.door.close();
        self.reception.door.lanes.close();
    }
}

#[cfg(test)]
impl Broker {
    /// Kills the router's thread, as a client could if its bytes reached it.
    pub(crate) fn kill_router(&self) {
        self.reception.door.lanes.kill_router();
    }
}
