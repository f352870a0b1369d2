//! The broker as its owner sees it: started, asked, stopped.

use crate::counters::Counters;
use crate::door::Door;
use crate::lane::Lanes;
use crate::limits::Limits;
use crate::principal::{Login, Principal};
use crate::{dispatch, listener, report, router};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the connections may take to end when the broker is stopped.
const STOP: Duration = Duration::from_secs(5);

/// How the broker is to be started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether passwords may cross a network in clear text.
    pub plaintext: Plaintext,
    /// What it allows.
    pub limits: Limits,
}

/// Where unencrypted connections are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Only on this machine's own loopback addresses.
    LoopbackOnly,
    /// On any address: the network is trusted, for example one of containers.
    Anywhere,
}

/// Why a broker was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Passwords would cross a network in clear text.
    #[error(
        "refused to listen for MQTT without encryption on {0}: listen on a loopback address, or say that this \
         network is trusted with --allow-plaintext"
    )]
    PlaintextBeyondLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error(
        "cannot listen for MQTT on {0}: {1}; stop what uses that address, or choose another port (0 takes a free one)"
    )]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The router did not come up.
    #[error("the MQTT router did not start")]
    Router,
}

/// Why a running broker cannot go on. The process should say so and end, to be started again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The router's thread has ended.
    #[error("the MQTT router has died; the process must be started again")]
    RouterDied,
    /// What goes into the router does not come out any more.
    #[error("the MQTT router has stopped passing messages on; the process must be started again")]
    RouterStuck,
}

/// A running broker.
pub struct Broker {
    door: Arc<Door>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    failure: watch::Receiver<Option<Failure>>,
}

impl Broker {
    /// Starts a broker in the current Tokio runtime. It listens when this returns.
    pub async fn start(config: Config, login: Arc<dyn Login>) -> Result<Broker, StartError> {
        let Config { listen, plaintext, limits } = config;
        if plaintext == Plaintext::LoopbackOnly && !listen.ip().is_loopback() {
            return Err(StartError::PlaintextBeyondLoopback(listen));
        }
        let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;
        let links = tokio::task::spawn_blocking(router::start).await;
        let links = links.ok().and_then(Result::ok).ok_or(StartError::Router)?;
        let (inlets, outlets) = links.into_iter().unzip();
        let lanes = Lanes::new(inlets, limits.retained, limits.clears);
        let door = Arc::new(Door::new(lanes, limits, login));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (fail, failure) = watch::channel(None);
        for (lane, outlet) in crate::message::Lane::all().zip::<Vec<_>>(outlets) {
            let (door, fail) = (Arc::clone(&door), fail.clone());
            tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::run(door, lane, outlet, fail)));
        }
        tasks.spawn(stop.clone().run_until_cancelled_owned(dispatch::probe(
            Arc::clone(&door),
            dispatch::RHYTHM,
            fail,
        )));
        tasks.spawn(stop.clone().run_until_cancelled_owned(report::run(Arc::clone(&door))));
        let accepting = listener::run(listener, Arc::clone(&door), stop.clone(), tasks.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(accepting));
        Ok(Broker { door, address, stop, tasks, failure })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.door.counters()
    }

    /// Ends this principal's connections and sessions, with all that waits for them. Call it after the revocation
    /// has been stored: a login that was being looked up meanwhile is turned away (CONNACK 3), later ones are the
    /// `Login`'s business.
    pub fn kick(&self, principal: &Principal) {
        self.door.kick(principal);
    }

    /// The sessions of a stand-alone broker's users: name, client id, and the filters they are subscribed to.
    pub(crate) fn users(&self) -> Vec<(String, String, Vec<String>)> {
        self.door.users()
    }

    /// Stops listening, ends every connection, and returns when all have ended.
    pub async fn stop(self) {
        self.end().await;
    }

    /// The same for a broker that is shared.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        // Connections only have to notice; whoever does not is left behind with its socket closed.
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

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
        self.door.close();
    }
}

#[cfg(test)]
impl Broker {
    /// Kills the router's thread, as a client could if its bytes reached it.
    pub(crate) fn kill_router(&self) {
        self.door.lanes.kill_router();
    }
}
