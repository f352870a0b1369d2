//! Closes a connection so that the last packet still reaches the client (a lingering close).

use bytes::BytesMut;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may take to read the last packet, and to close its end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes read and discarded at once.
const READ_BYTES: usize = 4 << 10;

/// Whether the connection ended with a packet of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastPacket {
    /// One was written; the client may not have read it yet.
    Sent,
    /// There was nothing to write.
    None,
}

/// Writes the last packets and shuts the stream down for writing. Failures do not matter: the connection ends anyway.
pub async fn send_last<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> LastPacket {
    if bytes.is_empty() {
        return LastPacket::None;
    }
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.write_all(bytes).await?;
        stream.shutdown().await
    })
    .await;
    LastPacket::Sent
}

/// Reads what a client still sends, until it closes too. A socket that is closed with bytes unread is reset, and the
/// reset discards what was written last.
pub async fn linger<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut unwanted = BytesMut::with_capacity(READ_BYTES);
    let _ = timeout(CLOSE_TIMEOUT, async {
        while stream.read_buf(&mut unwanted).await.is_ok_and(|bytes| bytes > 0) {
            unwanted.clear();
        }
    })
    .await;
}
