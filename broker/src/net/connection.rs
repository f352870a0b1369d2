//! One connection over any stream: CONNECT, packets both ways, and the orderly end.

use super::client::Client;
use super::close::{self, LastPacket};
use super::connack::accept;
use super::connection_limit::Peer;
use super::disconnect_reason::EndReason;
use super::handshake::{Admitted, admit};
use crate::core::core::Core;
use crate::session::session::{Session, Ticket};
use crate::session::state::{Filled, Lifetime, OUT_BYTES};
use crate::session::write_buffer::WriteBuffer;
use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes read at once, to begin with and at most.
const READ_BYTES: (usize, usize) = (2 << 10, 16 << 10);
/// How long the packets may take that had arrived when their client connected again.
const PENDING_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that leaves more than this unread is not read from either.
const UNREAD_BYTES: usize = 4 * OUT_BYTES;

/// Serves one client from its first byte to its last, whatever carries the bytes.
pub async fn serve<S>(stream: &mut S, peer: &mut Peer, core: &Core) -> LastPacket
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let admitted = match core.closing.run_until_cancelled(admit(stream, peer, core)).await {
        Some(Ok(admitted)) => admitted,
        Some(Err(parting)) => return parting,
        None => return LastPacket::None,
    };
    let Admitted { principal, version, opened, expiry, connack, will, silence_max, mut input } = admitted;
    core.tally.clients.add();
    core.tally.let_in.add();
    let mut owned = opened.owned;
    let mut client = Client::new(core, (&principal, peer.address), owned.session.clone(), version, expiry);
    accept(&mut client.out.bytes, version, &connack);
    let deadlines = Deadlines::new(silence_max, core.limits.write_deadline);
    let mut end = run(stream, &mut input, deadlines, &mut client, &mut owned.ticket, &owned.session).await;
    if end == EndReason::TakenOver {
        end = read_pending(stream, &mut input, &mut client).await;
    }
    if end == EndReason::SessionEnded && core.closing.is_cancelled() {
        end = EndReason::ShuttingDown;
    }
    core.tally.clients.less();
    end.count(&core.tally);
    tracing::debug!(peer = %peer.address, ?end, "connection ended");
    if end.publishes_will()
        && let Some(will) = will
    {
        let draft = will.draft.by(owned.session.publisher);
        core.schedule_will(&owned.session, draft, will.delay, client.expiry).await;
    }
    core.connection_ended(owned, client.expiry);
    close_with(stream, &mut client.out, end).await
}

/// Processes what had arrived when the client connected again: with a DISCONNECT among it there is no will.
async fn read_pending<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    client: &mut Client<'_>,
) -> EndReason {
    let reading = async {
        loop {
            if let Err(end) = client.process(input).await {
                return end;
            }
            input.reserve(READ_BYTES.1);
            match stream.read_buf(input).now_or_never() {
                Some(Ok(bytes)) if bytes > 0 => {}
                _ => return EndReason::TakenOver,
            }
        }
    };
    match timeout(PENDING_TIMEOUT, reading).await {
        Ok(end @ (EndReason::Disconnected | EndReason::DisconnectedWithWill)) => end,
        _ => EndReason::TakenOver,
    }
}

/// Sends the DISCONNECT that says why the connection ends, if the protocol has one. What was being written comes
/// first, or the packet would stand in the middle of another.
async fn close_with<S: AsyncWrite + Unpin>(
    stream: &mut S,
    out: &mut WriteBuffer,
    end: EndReason,
) -> LastPacket {
    if let Some((reason, text)) = end.disconnect_packet() {
        out.disconnect(reason, &text);
    } else if matches!(end, EndReason::Closed | EndReason::WriteTimeout) {
        return LastPacket::None;
    }
    close::send_last(stream, &out.bytes).await
}

/// Moves bytes between the stream and the client until one of them ends.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    mut deadlines: Deadlines,
    client: &mut Client<'_>,
    ticket: &mut Ticket,
    session: &Session,
) -> EndReason {
    let (mut reader, mut writer) = split(stream);
    let mut timer = pin!(sleep_until(deadlines.next()));
    let mut superseded = pin!(ticket.superseded());
    let mut woken = pin!(session.wake.notified());
    let (mut chunk, mut unflushed) = (READ_BYTES.0, false);
    // Packets that came in one segment with CONNECT.
    if let Err(end) = process_input(client, input, superseded.as_mut(), woken.as_mut(), session).await {
        return end;
    }
    loop {
        if client.out.bytes.len() < OUT_BYTES && client.fill() == Filled::Over {
            return if session.state().lifetime() == Lifetime::Lost {
                EndReason::QueueOverflow
            } else {
                EndReason::SessionEnded
            };
        }
        deadlines.writes(unflushed || !client.out.bytes.is_empty());
        if deadlines.next() < timer.deadline() {
            timer.as_mut().reset(deadlines.next());
        }
        input.reserve(chunk);
        tokio::select! {
            () = &mut superseded => return EndReason::TakenOver,
            read = reader.read_buf(input), if client.out.bytes.len() < UNREAD_BYTES => match read {
                Ok(bytes) if bytes > 0 => {
                    deadlines.last_read = Instant::now();
                    chunk = if bytes >= chunk { (chunk * 2).min(READ_BYTES.1) } else { chunk };
                    if let Err(end) = process_input(client, input, superseded.as_mut(), woken.as_mut(), session).await {
                        return end;
                    }
                }
                Ok(_) | Err(_) => return EndReason::Closed,
            },
            wrote = write_some(&mut writer, &mut client.out.bytes, &mut unflushed), if deadlines.writing => match wrote {
                Ok(()) => deadlines.last_write = Instant::now(),
                Err(_) => return EndReason::Closed,
            },
            () = &mut woken, if client.out.bytes.len() < OUT_BYTES => woken.set(session.wake.notified()),
            () = &mut timer => {
                if let Some(end) = deadlines.overdue(Instant::now()) {
                    return end;
                }
                timer.as_mut().reset(deadlines.next());
                // Clients are idle most of the time, so memory is given back here.
                (*input, chunk) = (BytesMut::from(&input[..]), READ_BYTES.0);
                client.out.shrink();
            }
        }
    }
}

/// Processes what has arrived. A client that is slowed down, or that waits for an answer of the auth service, must not
/// hold up its next connection, or the end of its session; what else wakes it is seen after this.
async fn process_input<'s>(
    client: &mut Client<'_>,
    input: &mut BytesMut,
    mut superseded: Pin<&mut impl Future<Output = ()>>,
    mut woken: Pin<&mut Notified<'s>>,
    session: &'s Session,
) -> Result<(), EndReason> {
    let mut processing = pin!(client.process(input));
    loop {
        tokio::select! {
            () = &mut superseded => return Err(EndReason::TakenOver),
            processed = &mut processing => return processed,
            () = &mut woken => {
                woken.set(session.wake.notified());
                if session.state().lifetime() == Lifetime::Over {
                    return Err(EndReason::SessionEnded);
                }
            }
        }
    }
}

/// How long a client may be silent, and how long it may leave unread what it is sent.
struct Deadlines {
    silence_max: Duration,
    write_deadline: Duration,
    last_read: Instant,
    last_write: Instant,
    /// Whether there is something to be written.
    writing: bool,
}

impl Deadlines {
    fn new(silence_max: Duration, write_deadline: Duration) -> Deadlines {
        let now = Instant::now();
        Deadlines { silence_max, write_deadline, last_read: now, last_write: now, writing: false }
    }

    /// Notes whether there is something to be written; what begins to be has the whole deadline before it.
    fn writes(&mut self, writing: bool) {
        if writing && !self.writing {
            self.last_write = Instant::now();
        }
        self.writing = writing;
    }

    /// When to check next.
    fn next(&self) -> Instant {
        let silence = self.last_read + self.silence_max;
        if self.writing { silence.min(self.last_write + self.write_deadline) } else { silence }
    }

    fn overdue(&self, now: Instant) -> Option<EndReason> {
        if now >= self.last_read + self.silence_max {
            Some(EndReason::KeepAliveTimeout)
        } else if self.writing && now >= self.last_write + self.write_deadline {
            Some(EndReason::WriteTimeout)
        } else {
            None
        }
    }
}

/// Writes as much as the stream takes. Cancelled, it has written either nothing or what is gone from `out`.
async fn write_some<W: AsyncWrite + Unpin>(
    writer: &mut W,
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !out.is_empty() {
        let bytes = writer.write(out).await?;
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        out.advance(bytes);
        *unflushed = true;
    }
    if out.is_empty() {
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}
