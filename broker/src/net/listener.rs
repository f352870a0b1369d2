//! Accepts TCP connections, and carries each to the one connection function in a task of its own.

use super::close::{LastPacket, linger};
use super::connection;
use super::connection_limit::{ConnectionLimit, Peer};
use super::tls::Tls;
use super::websocket;
use crate::core::core::Core;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after a failed accept (no file handles left), so that the loop does not spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Where to listen, and how.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// What carries the packets.
    pub carrier: Carrier,
}

/// How a listener is encrypted.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// In clear text.
    None(Plaintext),
    /// Encrypted.
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
    /// Whether passwords would cross a network in clear text without having been allowed to.
    pub fn is_exposed(&self) -> bool {
        matches!(self.encryption, Encryption::None(Plaintext::LoopbackOnly))
            && !self.address.ip().is_loopback()
    }
}

/// Accepts connections; shared by all listeners.
#[derive(Clone)]
pub struct Acceptor {
    /// The broker that serves them.
    pub core: Arc<Core>,
    /// How many connections may be open.
    pub limit: Arc<ConnectionLimit>,
    /// Ends all connections.
    pub stop: CancellationToken,
    /// The tasks that serve them.
    pub connections: TaskTracker,
}

impl Acceptor {
    /// Serves a client whose WebSocket another server has accepted, until the connection ends. Above the limit it is
    /// counted and dropped.
    pub async fn serve_websocket<S>(&self, upgraded: S, address: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(mut peer) = self.limit.admit(address, &self.core.limits, &self.core.tally) {
            let serving = Box::pin(websocket::serve_upgraded(upgraded, &mut peer, &self.core));
            self.connections.track_future(self.stop.run_until_cancelled(serving)).await;
        }
    }

    /// Accepts connections for ever and serves each in its own task.
    pub async fn run(self, socket: TcpListener, encryption: Encryption, carrier: Carrier) {
        loop {
            let (stream, address) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            };
            let Some(peer) = self.limit.admit(address, &self.core.limits, &self.core.tally) else { continue };
            // Without this a small answer waits up to 40 ms for the acknowledgement of the one before.
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let (core, stop, encryption) =
                (Arc::clone(&self.core), self.stop.child_token(), encryption.clone());
            self.connections.spawn(async move {
                stop.run_until_cancelled(serve_socket(stream, encryption, carrier, peer, &core)).await;
            });
        }
    }
}

/// What only some connections need is boxed, so that an idle one without it is small.
async fn serve_socket(
    stream: TcpStream,
    encryption: Encryption,
    carrier: Carrier,
    mut peer: Peer,
    core: &Core,
) {
    match encryption {
        Encryption::None(_) => serve_stream(stream, carrier, &mut peer, core).await,
        Encryption::Tls(tls) => {
            let handshake = timeout_at(peer.connect_by, Box::pin(tls.accept(stream))).await;
            match handshake {
                Ok(Ok(stream)) => Box::pin(serve_stream(stream, carrier, &mut peer, core)).await,
                Ok(Err(error)) => {
                    core.tally.handshakes_failed.add();
                    tracing::debug!(peer = %peer.address, "no TLS: {error}");
                }
                Err(_) => core.tally.connect_timeouts.add(),
            }
        }
    }
}

async fn serve_stream<S>(mut stream: S, carrier: Carrier, peer: &mut Peer, core: &Core)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match carrier {
        Carrier::Bytes => {
            if connection::serve(&mut stream, peer, core).await == LastPacket::Sent {
                linger(&mut stream).await;
            }
        }
        Carrier::WebSocket => Box::pin(websocket::accept(stream, peer, core)).await,
    }
}
