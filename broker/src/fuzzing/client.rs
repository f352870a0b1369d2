//! The other end of a connection that has no socket.

use super::script::{Move, Script, packet};
use crate::codec::decode::frame;
use crate::core::core::Core;
use crate::net::connection;
use crate::net::connection_limit::ConnectionLimit;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;

/// More than a client writes here, so that no write waits for a read.
const PIPE_BYTES: usize = 1 << 20;
/// How often a client that waits yields to the other tasks.
const TURNS: usize = 4;
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A client, from its own point of view.
pub struct FuzzClient {
    stream: DuplexStream,
    input: BytesMut,
}

/// A connection: the client's end of it, and what serves the other one until it has ended.
pub fn connect(
    core: Arc<Core>,
    limit: &Arc<ConnectionLimit>,
) -> (FuzzClient, impl Future<Output = ()> + Send + use<>) {
    let (ours, mut theirs) = duplex(PIPE_BYTES);
    let mut peer = limit.admit(PEER, &core.limits, &core.tally).expect("room for a few");
    let serving = async move {
        connection::serve(&mut theirs, &mut peer, &core).await;
    };
    (FuzzClient { stream: ours, input: BytesMut::new() }, serving)
}

impl FuzzClient {
    /// Runs the script, and drops the connection.
    pub async fn run(mut self, script: &[u8]) {
        let mut script = Script::new(script);
        let (version, greeting) = script.connect();
        self.send(&greeting).await;
        while let Some(next) = script.next(version) {
            match next {
                Move::Send(bytes) => self.send(&bytes).await,
                Move::Wait => wait().await,
                Move::Answer => {
                    wait().await;
                    self.answer().await;
                }
            }
        }
    }

    /// Writes; that the broker has gone is seen when reading.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn answer(&mut self) {
        while let Some(Ok(bytes)) = self.stream.read_buf(&mut self.input).now_or_never() {
            if bytes == 0 {
                return;
            }
        }
        while let Some((first, body)) = self.cut() {
            self.acknowledge(first, &body).await;
        }
    }

    /// The next packet: its first byte and its body; `None` when the broker has closed.
    pub async fn packet(&mut self) -> Option<(u8, Bytes)> {
        loop {
            if let Some(packet) = self.cut() {
                return Some(packet);
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(bytes) if bytes > 0 => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    fn cut(&mut self) -> Option<(u8, Bytes)> {
        let (first, bytes, body) = match frame(&self.input, usize::MAX) {
            Ok(Some(frame)) => (frame.first, frame.bytes, Bytes::copy_from_slice(frame.body)),
            Ok(None) => return None,
            Err(malformed) => panic!("the broker wrote {:?}: {malformed}", self.input),
        };
        self.input.advance(bytes);
        Some((first, body))
    }

    /// Answers a message, or a release, as it should be.
    pub async fn acknowledge(&mut self, first: u8, body: &Bytes) {
        let answer = match first >> 4 {
            3 if first & 6 == 2 => 0x40,
            3 if first & 6 == 4 => 0x50,
            6 => 0x70,
            _ => return,
        };
        let at = if first >> 4 == 3 { 2 + usize::from(u16::from_be_bytes([body[0], body[1]])) } else { 0 };
        let mut id = BytesMut::new();
        id.put_slice(&body[at..at + 2]);
        self.send(&packet(answer, &id)).await;
    }
}

async fn wait() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
