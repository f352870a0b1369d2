//! Between an edge and its broker: passes bytes on and counts them.

use anyhow::{Context as _, Result};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A listener on loopback, and how many bytes have gone through it.
pub struct Counting {
    /// Where it listens.
    pub address: SocketAddr,
    bytes: Arc<AtomicU64>,
    passing: AbortHandle,
}

impl Counting {
    /// Begins to pass on to `broker`.
    pub async fn begin(broker: SocketAddr) -> Result<Counting> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen")?;
        let address = listener.local_addr()?;
        let bytes = Arc::new(AtomicU64::new(0));
        let passing = tokio::spawn(accept(listener, broker, bytes.clone())).abort_handle();
        Ok(Counting { address, bytes, passing })
    }

    /// Bytes so far, there and back.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn accept(listener: TcpListener, broker: SocketAddr, bytes: Arc<AtomicU64>) -> io::Result<()> {
    loop {
        let (edge, _) = listener.accept().await?;
        let broker = TcpStream::connect(broker).await?;
        edge.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (from_edge, to_edge) = edge.into_split();
        let (from_broker, to_broker) = broker.into_split();
        tokio::spawn(pass(from_edge, to_broker, bytes.clone()));
        tokio::spawn(pass(from_broker, to_edge, bytes.clone()));
    }
}

/// Ends, and closes the other side, with the connection.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
}
