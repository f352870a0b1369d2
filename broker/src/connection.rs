//! One connection over any stream: let the client in, serve it, and see it out.

use crate::client::{Client, End};
use crate::door::Door;
use crate::encode::{self, ConnectCode};
use crate::handshake::{Admitted, admit};
use crate::session::Ticket;
use crate::state::{Filled, OUT_BYTES};
use bytes::{Buf, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Bytes read at once, to begin with and at most.
const READ_BYTES: (usize, usize) = (2 << 10, 16 << 10);
/// A client that leaves more than this unread is not read from either.
const UNREAD_BYTES: usize = 4 * OUT_BYTES;

/// Serves one client from its first byte to its last, whatever carries the bytes.
pub async fn serve<S>(mut stream: S, peer: SocketAddr, door: &Door)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(Admitted { principal, entered, will, silence_max, input }) =
        admit(&mut stream, peer, door).await
    else {
        return;
    };
    door.tally.clients.add();
    let mut owned = entered.owned;
    let mut client = Client::new(door, &principal, owned.session.clone());
    encode::connack(&mut client.out, ConnectCode::Accepted { session_present: entered.present });
    let pace = Pace::new(silence_max, door.limits.write_deadline);
    let end = run(stream, input, pace, &mut client, &mut owned.ticket, &owned.session.wake).await;
    door.tally.clients.less();
    count(door, end);
    tracing::debug!(%peer, ?end, "connection ended");
    if end != End::Goodbye
        && let Some(will) = will
    {
        // A router that is dead is reported by the broker itself.
        let _ = door.publish(will).await;
    }
    door.leave(owned);
}

fn count(door: &Door, end: End) {
    match end {
        End::Goodbye | End::Closed | End::Over | End::Dead => {}
        End::Malformed => door.tally.malformed.add(),
        End::Refused => door.tally.refused.add(),
        End::Silent => door.tally.keep_alive_timeouts.add(),
        End::NotReading => door.tally.write_timeouts.add(),
        End::TakenOver => door.tally.taken_over.add(),
    }
}

/// Moves bytes between the stream and the client until one of them ends.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut input: BytesMut,
    mut pace: Pace,
    client: &mut Client<'_>,
    ticket: &mut Ticket,
    wake: &Notify,
) -> End {
    let (mut reader, mut writer) = split(stream);
    let mut timer = pin!(sleep_until(pace.next()));
    let mut outdated = pin!(ticket.outdated());
    let mut woken = pin!(wake.notified());
    let (mut chunk, mut unflushed) = (READ_BYTES.0, false);
    // Packets that came in one segment with CONNECT.
    if let Err(end) = client.take_in(&mut input).await {
        return end;
    }
    loop {
        if client.out.len() < OUT_BYTES && client.fill() == Filled::Over {
            return End::Over;
        }
        pace.writes(unflushed || !client.out.is_empty());
        if pace.next() < timer.deadline() {
            timer.as_mut().reset(pace.next());
        }
        input.reserve(chunk);
        tokio::select! {
            () = &mut outdated => return End::TakenOver,
            read = reader.read_buf(&mut input), if client.out.len() < UNREAD_BYTES => match read {
                Ok(bytes) if bytes > 0 => {
                    pace.heard = Instant::now();
                    chunk = if bytes >= chunk { (chunk * 2).min(READ_BYTES.1) } else { chunk };
                    // A client that is slowed down, or of which a service is asked, must not hold up its next
                    // connection.
                    let taken = tokio::select! {
                        () = &mut outdated => Err(End::TakenOver),
                        taken = client.take_in(&mut input) => taken,
                    };
                    if let Err(end) = taken {
                        return end;
                    }
                }
                Ok(_) | Err(_) => return End::Closed,
            },
            wrote = write_some(&mut writer, &mut client.out, &mut unflushed), if pace.writing => match wrote {
                Ok(()) => pace.written = Instant::now(),
                Err(_) => return End::Closed,
            },
            () = &mut woken, if client.out.len() < OUT_BYTES => woken.set(wake.notified()),
            () = &mut timer => {
                if let Some(end) = pace.overdue(Instant::now()) {
                    return end;
                }
                timer.as_mut().reset(pace.next());
                // Clients are idle most of the time, so memory is given back here.
                (input, chunk) = (BytesMut::from(&input[..]), READ_BYTES.0);
                client.out = BytesMut::from(&client.out[..]);
            }
        }
    }
}

/// How long a client may be silent, and how long it may leave unread what it is sent.
struct Pace {
    silence_max: Duration,
    write_deadline: Duration,
    heard: Instant,
    written: Instant,
    /// Whether there is something to be written.
    writing: bool,
}

impl Pace {
    fn new(silence_max: Duration, write_deadline: Duration) -> Pace {
        let now = Instant::now();
        Pace { silence_max, write_deadline, heard: now, written: now, writing: false }
    }

    /// Notes whether there is something to be written; what begins to be has the whole deadline before it.
    fn writes(&mut self, writing: bool) {
        if writing && !self.writing {
            self.written = Instant::now();
        }
        self.writing = writing;
    }

    /// When to look at it next.
    fn next(&self) -> Instant {
        let silence = self.heard + self.silence_max;
        if self.writing { silence.min(self.written + self.write_deadline) } else { silence }
    }

    fn overdue(&self, now: Instant) -> Option<End> {
        if now >= self.heard + self.silence_max {
            Some(End::Silent)
        } else if self.writing && now >= self.written + self.write_deadline {
            Some(End::NotReading)
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
