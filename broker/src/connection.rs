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
    let wires = Wires { input, write_deadline: door.limits.write_deadline, silence_max };
    let end = wires.run(stream, &mut client, &mut owned.ticket, &owned.session.wake).await;
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

/// What a connection keeps beside its client.
struct Wires {
    input: BytesMut,
    write_deadline: Duration,
    silence_max: Duration,
}

impl Wires {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: S,
        client: &mut Client<'_>,
        ticket: &mut Ticket,
        wake: &tokio::sync::Notify,
    ) -> End {
        let (mut reader, mut writer) = split(stream);
        let (mut heard, mut written) = (Instant::now(), Instant::now());
        let mut timer = pin!(sleep_until(heard + self.silence_max));
        let mut outdated = pin!(ticket.outdated());
        let mut woken = pin!(wake.notified());
        let (mut chunk, mut unflushed, mut writing) = (READ_BYTES.0, false, false);
        // Packets that came in one segment with CONNECT.
        if let Err(end) = client.take_in(&mut self.input).await {
            return end;
        }
        loop {
            if client.out.len() < OUT_BYTES && client.fill() == Filled::Over {
                return End::Over;
            }
            let has_more = unflushed || !client.out.is_empty();
            if has_more && !writing {
                written = Instant::now();
                if written + self.write_deadline < timer.deadline() {
                    timer.as_mut().reset(written + self.write_deadline);
                }
            }
            writing = has_more;
            self.input.reserve(chunk);
            tokio::select! {
                () = &mut outdated => return End::TakenOver,
                read = reader.read_buf(&mut self.input), if client.out.len() < UNREAD_BYTES => match read {
                    Ok(bytes) if bytes > 0 => {
                        heard = Instant::now();
                        chunk = if bytes >= chunk { (chunk * 2).min(READ_BYTES.1) } else { chunk };
                        if let Err(end) = client.take_in(&mut self.input).await {
                            return end;
                        }
                    }
                    Ok(_) | Err(_) => return End::Closed,
                },
                wrote = write_some(&mut writer, &mut client.out, &mut unflushed),
                    if writing => match wrote {
                    Ok(()) => written = Instant::now(),
                    Err(_) => return End::Closed,
                },
                () = &mut woken, if client.out.len() < OUT_BYTES => woken.set(wake.notified()),
                () = &mut timer => {
                    let now = Instant::now();
                    if now >= heard + self.silence_max {
                        return End::Silent;
                    }
                    if writing && now >= written + self.write_deadline {
                        return End::NotReading;
                    }
                    // Clients are idle most of the time, so memory is given back here.
                    (self.input, chunk) = (BytesMut::from(&self.input[..]), READ_BYTES.0);
                    client.out = BytesMut::from(&client.out[..]);
                    let silence = heard + self.silence_max;
                    let next = if writing { silence.min(written + self.write_deadline) } else { silence };
                    timer.as_mut().reset(next);
                }
            }
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
