//! One connection over any stream: let the client in, serve it, and see it out.

use super::client::Client;
use super::close::{self, Parting};
use super::connack::accept;
use super::connection_limit::Caller;
use super::disconnect_reason::End;
use super::handshake::{Admitted, admit};
use crate::core::core::Door;
use crate::session::session::{Session, Ticket};
use crate::session::state::{Filled, Lifetime, OUT_BYTES};
use crate::session::write_buffer::Outbox;
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
/// How long what came before a client connected again may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A client that leaves more than this unread is not read from either.
const UNREAD_BYTES: usize = 4 * OUT_BYTES;

/// Serves one client from its first byte to its last, whatever carries the bytes.
pub async fn serve<S>(stream: &mut S, caller: &mut Caller, door: &Door) -> Parting
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let admitted = match door.closing.run_until_cancelled(admit(stream, caller, door)).await {
        Some(Ok(admitted)) => admitted,
        Some(Err(parting)) => return parting,
        None => return Parting::Silent,
    };
    let Admitted { principal, dialect, entered, expiry, welcome, will, silence_max, mut input } = admitted;
    door.tally.clients.add();
    door.tally.let_in.add();
    let mut owned = entered.owned;
    let mut client = Client::new(door, (&principal, caller.peer), owned.session.clone(), dialect, expiry);
    accept(&mut client.out.bytes, dialect, &welcome);
    let pace = Pace::new(silence_max, door.limits.write_deadline);
    let mut end = run(stream, &mut input, pace, &mut client, &mut owned.ticket, &owned.session).await;
    if end == End::TakenOver {
        end = last_words(stream, &mut input, &mut client).await;
    }
    if end == End::Over && door.closing.is_cancelled() {
        end = End::Stopping;
    }
    door.tally.clients.less();
    end.count(&door.tally);
    tracing::debug!(peer = %caller.peer, ?end, "connection ended");
    if end.leaves_will()
        && let Some(will) = will
    {
        let draft = will.draft.by(owned.session.publisher);
        door.bequeath(&owned.session, draft, will.delay, client.expiry).await;
    }
    door.leave(owned, client.expiry);
    part(stream, &mut client.out, end).await
}

/// Takes in what had arrived when its client connected again: it may have said goodbye, and then there is no will.
async fn last_words<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    client: &mut Client<'_>,
) -> End {
    let words = async {
        loop {
            if let Err(end) = client.take_in(input).await {
                return end;
            }
            input.reserve(READ_BYTES.1);
            match stream.read_buf(input).now_or_never() {
                Some(Ok(bytes)) if bytes > 0 => {}
                _ => return End::TakenOver,
            }
        }
    };
    match timeout(LAST_WORDS, words).await {
        Ok(end @ (End::Goodbye | End::GoodbyeWithWill)) => end,
        _ => End::TakenOver,
    }
}

/// Tells a client why its connection ends, if its protocol has a word for that. What was being written comes
/// first, or the word would stand in the middle of a packet.
async fn part<S: AsyncWrite + Unpin>(stream: &mut S, out: &mut Outbox, end: End) -> Parting {
    if let Some((reason, text)) = end.told() {
        out.disconnect(reason, &text);
    } else if matches!(end, End::Closed | End::NotReading) {
        return Parting::Silent;
    }
    close::say(stream, &out.bytes).await
}

/// Moves bytes between the stream and the client until one of them ends.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    mut pace: Pace,
    client: &mut Client<'_>,
    ticket: &mut Ticket,
    session: &Session,
) -> End {
    let (mut reader, mut writer) = split(stream);
    let mut timer = pin!(sleep_until(pace.next()));
    let mut outdated = pin!(ticket.outdated());
    let mut woken = pin!(session.wake.notified());
    let (mut chunk, mut unflushed) = (READ_BYTES.0, false);
    // Packets that came in one segment with CONNECT.
    if let Err(end) = take_in(client, input, outdated.as_mut(), woken.as_mut(), session).await {
        return end;
    }
    loop {
        if client.out.bytes.len() < OUT_BYTES && client.fill() == Filled::Over {
            return if session.state().lifetime() == Lifetime::Lost { End::Overrun } else { End::Over };
        }
        pace.writes(unflushed || !client.out.bytes.is_empty());
        if pace.next() < timer.deadline() {
            timer.as_mut().reset(pace.next());
        }
        input.reserve(chunk);
        tokio::select! {
            () = &mut outdated => return End::TakenOver,
            read = reader.read_buf(input), if client.out.bytes.len() < UNREAD_BYTES => match read {
                Ok(bytes) if bytes > 0 => {
                    pace.heard = Instant::now();
                    chunk = if bytes >= chunk { (chunk * 2).min(READ_BYTES.1) } else { chunk };
                    if let Err(end) = take_in(client, input, outdated.as_mut(), woken.as_mut(), session).await {
                        return end;
                    }
                }
                Ok(_) | Err(_) => return End::Closed,
            },
            wrote = write_some(&mut writer, &mut client.out.bytes, &mut unflushed), if pace.writing => match wrote {
                Ok(()) => pace.written = Instant::now(),
                Err(_) => return End::Closed,
            },
            () = &mut woken, if client.out.bytes.len() < OUT_BYTES => woken.set(session.wake.notified()),
            () = &mut timer => {
                if let Some(end) = pace.overdue(Instant::now()) {
                    return end;
                }
                timer.as_mut().reset(pace.next());
                // Clients are idle most of the time, so memory is given back here.
                (*input, chunk) = (BytesMut::from(&input[..]), READ_BYTES.0);
                client.out.shrink();
            }
        }
    }
}

/// Takes in what has arrived. A client that is slowed down, or of which a service is asked, must not hold up its next
/// connection, or the end of its session; what else wakes it is seen after this.
async fn take_in<'s>(
    client: &mut Client<'_>,
    input: &mut BytesMut,
    mut outdated: Pin<&mut impl Future<Output = ()>>,
    mut woken: Pin<&mut Notified<'s>>,
    session: &'s Session,
) -> Result<(), End> {
    let mut taking = pin!(client.take_in(input));
    loop {
        tokio::select! {
            () = &mut outdated => return Err(End::TakenOver),
            taken = &mut taking => return taken,
            () = &mut woken => {
                woken.set(session.wake.notified());
                if session.state().lifetime() == Lifetime::Over {
                    return Err(End::Over);
                }
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
