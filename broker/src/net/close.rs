//! The last bytes to a client, in a way that they get there.

use bytes::BytesMut;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may take to read why its connection ends, and to close it.
const GOODBYE: Duration = Duration::from_secs(1);
/// Read at once of what nobody wants any more.
const READ_BYTES: usize = 4 << 10;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The client was told something last, which it may not have read yet.
    Told,
    /// There was nothing more to be said.
    Silent,
}

/// Writes the last packets, and says that there will be no more. Whether the client reads them is its own affair.
pub async fn say<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Parting {
    if bytes.is_empty() {
        return Parting::Silent;
    }
    let _ = timeout(GOODBYE, async {
        stream.write_all(bytes).await?;
        stream.shutdown().await
    })
    .await;
    Parting::Told
}

/// Reads what a client still sends, until it closes too. A socket that is closed with bytes unread is reset, and the
/// reset takes away what was said.
pub async fn linger<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut unwanted = BytesMut::with_capacity(READ_BYTES);
    let _ = timeout(GOODBYE, async {
        while stream.read_buf(&mut unwanted).await.is_ok_and(|bytes| bytes > 0) {
            unwanted.clear();
        }
    })
    .await;
}
