//! Accepts TCP connections, and carries each to the one connection function in a task of its own.

use super::close::{Parting, linger};
use super::connection;
use super::connection_limit::{Caller, Places};
use super::tls::Tls;
use super::websocket;
use crate::core::core::Door;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After an accept that failed for want of file handles, so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(50);

/// Where to listen, and how.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether what passes can be read on the way.
    pub encryption: Encryption,
    /// What carries the packets.
    pub carrier: Carrier,
}

/// Whether what passes can be read on the way.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// By anybody.
    None(Plaintext),
    /// By nobody.
    Tls(Tls),
}

/// Where unencrypted connections are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Only on this machine's own loopback addresses.
    LoopbackOnly,
    /// On any address: the network is trusted, for example one of containers.
    Anywhere,
}

/// What carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The bytes of the connection itself.
    Bytes,
    /// The binary frames of a WebSocket of the subprotocol `mqtt`, on any path.
    WebSocket,
}

impl Listener {
    /// Whether a password could be read on its way to this listener, where nobody has said that it may.
    pub fn is_exposed(&self) -> bool {
        matches!(self.encryption, Encryption::None(Plaintext::LoopbackOnly))
            && !self.address.ip().is_loopback()
    }
}

/// What all listeners share.
#[derive(Clone)]
pub struct Reception {
    /// Where their clients go.
    pub door: Arc<Door>,
    /// How many they may be.
    pub places: Arc<Places>,
    /// Ends them.
    pub stop: CancellationToken,
    /// What their clients are served in.
    pub guests: TaskTracker,
}

impl Reception {
    /// Serves a client that came in by another server's WebSocket, until it leaves. One for whom there is no place
    /// is counted and dropped.
    pub async fn adopt<S>(&self, upgraded: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(mut caller) = self.places.take(peer, &self.door.limits, &self.door.tally) {
            let serving = Box::pin(websocket::adopt(upgraded, &mut caller, &self.door));
            self.guests.track_future(self.stop.run_until_cancelled(serving)).await;
        }
    }

    /// Accepts connections for ever and serves each in its own task.
    pub async fn run(self, socket: TcpListener, encryption: Encryption, carrier: Carrier) {
        loop {
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let Some(caller) = self.places.take(peer, &self.door.limits, &self.door.tally) else { continue };
            // Without this a small answer waits up to 40 ms for the acknowledgement of the one before.
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let (door, stop, encryption) =
                (Arc::clone(&self.door), self.stop.child_token(), encryption.clone());
            self.guests.spawn(async move {
                stop.run_until_cancelled(receive(stream, encryption, carrier, caller, &door)).await;
            });
        }
    }
}

/// What only some connections need is boxed, so that an idle one without it is small.
async fn receive(
    stream: TcpStream,
    encryption: Encryption,
    carrier: Carrier,
    mut caller: Caller,
    door: &Door,
) {
    match encryption {
        Encryption::None(_) => carry(stream, carrier, &mut caller, door).await,
        Encryption::Tls(tls) => {
            let shaken = timeout_at(caller.connect_by, Box::pin(tls.accept(stream))).await;
            match shaken {
                Ok(Ok(stream)) => Box::pin(carry(stream, carrier, &mut caller, door)).await,
                Ok(Err(error)) => {
                    door.tally.handshakes_failed.add();
                    tracing::debug!(peer = %caller.peer, "no TLS: {error}");
                }
                Err(_) => door.tally.connect_timeouts.add(),
            }
        }
    }
}

async fn carry<S>(mut stream: S, carrier: Carrier, caller: &mut Caller, door: &Door)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match carrier {
        Carrier::Bytes => {
            if connection::serve(&mut stream, caller, door).await == Parting::Told {
                linger(&mut stream).await;
            }
        }
        Carrier::WebSocket => Box::pin(websocket::receive(stream, caller, door)).await,
    }
}
