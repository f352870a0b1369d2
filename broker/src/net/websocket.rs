//! MQTT over WebSocket: binary frames carry the byte stream, wherever the packets begin and end.

use super::connection;
use super::connection_limit::Peer;
use crate::core::core::Core;
use crate::limits::Limits;
use bytes::Bytes;
use futures_util::{Sink, Stream, StreamExt};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response, create_response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// The subprotocol of MQTT.
const SUBPROTOCOL: &str = "mqtt";
/// Read at once from the socket; MQTT's packets are small, and idle connections are many.
const READ_BYTES: usize = 4 << 10;
/// The longest binary frame sent.
const FRAME_BYTES: usize = 64 << 10;
/// How long the closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers a request for a WebSocket: with the headers that open it, or with why not.
///
/// # Errors
/// The status and one sentence, when it is no such request, or does not offer the subprotocol `mqtt`.
pub fn answer_websocket(request: &Request) -> Result<Response, (StatusCode, &'static str)> {
    let mut response = create_response(request)
        .map_err(|_| (StatusCode::UPGRADE_REQUIRED, "connect with a WebSocket client of MQTT"))?;
    if !offers_mqtt(request.headers()) {
        return Err((StatusCode::BAD_REQUEST, "offer the WebSocket subprotocol mqtt"));
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

fn offers_mqtt(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
}

/// Serves a client of the broker's own listener, from its HTTP request on.
pub async fn accept<S>(stream: S, peer: &mut Peer, core: &Core)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The refusal is part of the function's contract, however large it is.
    #[allow(clippy::result_large_err)]
    let answer = |request: &Request, _: Response| -> Result<Response, ErrorResponse> {
        answer_websocket(request).map_err(|(status, why)| {
            let mut refusal = ErrorResponse::new(Some(format!("{why}\n")));
            *refusal.status_mut() = status;
            refusal
        })
    };
    let config = config(&core.limits);
    match timeout_at(peer.connect_by, accept_hdr_async_with_config(stream, answer, Some(config))).await {
        Ok(Ok(socket)) => serve(socket, peer, core).await,
        Ok(Err(error)) => {
            core.tally.handshakes_failed.add();
            tracing::debug!(peer = %peer.address, "no WebSocket: {error}");
        }
        Err(_) => core.tally.connect_timeouts.add(),
    }
}

/// Serves a client whose request an HTTP server has answered with [`answer_websocket`].
pub async fn serve_upgraded<S>(upgraded: S, peer: &mut Peer, core: &Core)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config(&core.limits)));
    serve(socket.await, peer, core).await;
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocketStream<S>, peer: &mut Peer, core: &Core) {
    let mut frames = Frames { socket, rest: Bytes::new(), fault: None };
    connection::serve(&mut frames, peer, core).await;
    let Frames { mut socket, fault, .. } = frames;
    let (code, reason) = match fault {
        None => (CloseCode::Normal, ""),
        Some(FrameFault::Text) => (CloseCode::Unsupported, "MQTT is sent in binary frames"),
        Some(FrameFault::Oversize) => (CloseCode::Size, "the frame is longer than any packet may be"),
        Some(FrameFault::Broken) => (CloseCode::Protocol, "this is no WebSocket frame"),
    };
    if fault.is_some() {
        core.tally.malformed.add();
    }
    // The client's own close frame is awaited: a socket that is closed before it came is reset, and a client that has
    // done everything right would see an error. Failures do not matter: the connection ends anyway.
    let _ = timeout(CLOSE_TIMEOUT, async {
        socket.close(Some(CloseFrame { code, reason: reason.into() })).await?;
        while socket.next().await.transpose()?.is_some() {}
        Ok::<(), Error>(())
    })
    .await;
}

fn config(limits: &Limits) -> WebSocketConfig {
    let longest = [&limits.edge, &limits.website, &limits.person].map(|quota| quota.packet_bytes);
    let longest = longest.into_iter().max().unwrap_or_default();
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest))
}

/// What a client has done against the rules of WebSocket.
#[derive(Debug, Clone, Copy)]
enum FrameFault {
    Text,
    Oversize,
    Broken,
}

/// The frames of a WebSocket as a stream of bytes.
struct Frames<S> {
    socket: WebSocketStream<S>,
    /// Of the frame that is being read.
    rest: Bytes,
    fault: Option<FrameFault>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    fn fail(&mut self, fault: FrameFault) -> io::Error {
        self.fault = Some(fault);
        ErrorKind::InvalidData.into()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                // They are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(self.fail(FrameFault::Text))),
                Some(Err(Error::Io(error))) => return Poll::Ready(Err(error)),
                Some(Err(Error::Capacity(_))) => return Poll::Ready(Err(self.fail(FrameFault::Oversize))),
                Some(Err(Error::Utf8(_))) => return Poll::Ready(Err(self.fail(FrameFault::Text))),
                Some(Err(_)) => return Poll::Ready(Err(self.fail(FrameFault::Broken))),
            }
        }
        let bytes = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(bytes));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(gone)?;
        let bytes = &bytes[..bytes.len().min(FRAME_BYTES)];
        let frame = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.socket).start_send(frame).map_err(gone)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(gone)
    }

    /// The closing handshake comes when the connection has been served.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn gone(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        _ => ErrorKind::BrokenPipe.into(),
    }
}
