//! How many connections of one address the pages take at once.

use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    serve::{IncomingStream, Listener},
};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Connections of one address, or one /64 network of IPv6, at once. Programs on this machine are not counted: a
/// reverse proxy is everybody.
const OF_ONE_ADDRESS: usize = 256;
/// After an accept that failed for want of file handles, so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(50);

/// The connections there are, by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// A place for a connection of `peer`; none when that address has as many as it may.
    pub(crate) fn take(&self, peer: SocketAddr) -> Option<Place> {
        let address = household(peer.ip());
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = taken.entry(address).or_default();
        if *of_one >= OF_ONE_ADDRESS && !address.is_loopback() {
            return None;
        }
        *of_one += 1;
        Some(Place { addresses: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_one) = taken.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// What one party has to itself: an IPv4 address, or the /64 network of an IPv6 one.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

/// A stream that keeps its place for as long as it lives.
#[derive(Debug)]
pub(crate) struct Placed<S> {
    stream: S,
    _place: Place,
}

impl<S> Placed<S> {
    /// The stream in its place.
    pub(crate) fn new(stream: S, place: Place) -> Placed<S> {
        Placed { stream, _place: place }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A listener without encryption that takes no more of one address than it may.
pub(crate) struct Plain {
    socket: TcpListener,
    addresses: Addresses,
}

impl Plain {
    /// Listens on `socket`.
    pub(crate) fn new(socket: TcpListener) -> Plain {
        Plain { socket, addresses: Addresses::default() }
    }
}

impl Listener for Plain {
    type Io = Placed<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    if let Some(place) = self.addresses.take(peer) {
                        return (Placed::new(stream, place), peer);
                    }
                    tracing::debug!(%peer, "one connection too many of this address was closed");
                }
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    sleep(BREATH).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A peer's address on its way from the stream to the handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Plain>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// Lets handlers see the peer's address whatever listener it came by.
pub(crate) async fn name_peer(ConnectInfo(Peer(peer)): ConnectInfo<Peer>, mut request: Request) -> Request {
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 9)
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        for (full, same, other) in [
            ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
            ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3::1"),
        ] {
            let addresses = Addresses::default();
            let mut places: Vec<_> =
                (0..OF_ONE_ADDRESS).map(|_| addresses.take(peer(full)).unwrap()).collect();
            assert!(addresses.take(peer(same)).is_none(), "{same} is {full}");
            assert!(addresses.take(peer(other)).is_some());
            places.pop();
            assert!(addresses.take(peer(same)).is_some(), "a place was given back");
        }
        let addresses = Addresses::default();
        let many: Vec<_> = (0..=OF_ONE_ADDRESS).map(|_| addresses.take(peer("127.0.0.1"))).collect();
        assert!(many.iter().all(Option::is_some), "this machine is not counted");
        drop(many);
        assert!(addresses.0.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
    }
}
