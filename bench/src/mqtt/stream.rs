//! The way to a broker: TCP, in the clear or under TLS.

use anyhow::{Context as _, Result};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connections from one source address: fewer than a broker may allow one, and far fewer than there are ports.
const PER_SOURCE: usize = 1_000;

/// How to get to a broker.
#[derive(Clone)]
pub enum Road {
    /// In the clear.
    Plain(SocketAddr),
    /// Under TLS.
    Tls(SocketAddr, TlsConnector),
}

/// The loopback address from which the client of this number connects.
fn source(number: usize) -> Ipv4Addr {
    let at = u8::try_from(number / PER_SOURCE + 1).expect("fewer clients than 127.0.0.x has room for");
    Ipv4Addr::new(127, 0, 0, at)
}

/// A connection.
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Road {
    /// Connects as the client of this number.
    pub async fn connect(&self, number: usize) -> Result<Stream> {
        let (Road::Plain(to) | Road::Tls(to, _)) = self;
        let socket = TcpSocket::new_v4()?;
        socket.bind((source(number), 0).into()).with_context(|| format!("no port of {}", source(number)))?;
        let tcp = socket.connect(*to).await.with_context(|| format!("cannot connect to {to}"))?;
        tcp.set_nodelay(true)?;
        Ok(match self {
            Road::Plain(_) => Stream::Plain(tcp),
            Road::Tls(_, connector) => {
                let name = "localhost".try_into().context("a name")?;
                Stream::Tls(Box::new(connector.connect(name, tcp).await.context("no TLS")?))
            }
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
