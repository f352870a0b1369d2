//! From the first byte of a connection to its CONNACK.

use crate::access::{Action, may};
use crate::decode::{Greeting, Malformed, frame, may_be_connect};
use crate::door::{Door, Entered};
use crate::encode::{self, ConnectCode};
use crate::message::Draft;
use crate::packet::{Connect, WillPacket};
use crate::principal::{Credentials, Principal, Refused};
use crate::sessions::NotOwned;
use crate::state::Lifetime;
use crate::topic::check_name;
use bytes::{Buf, BytesMut};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// How long a client may take to read the CONNACK that refuses it.
const GOODBYE: Duration = Duration::from_secs(2);

/// A client that has been let in; its CONNACK is not written yet.
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// Its session.
    pub entered: Entered,
    /// What to publish when it vanishes.
    pub will: Option<Draft>,
    /// How long it may be silent.
    pub silence_max: Duration,
    /// What it sent behind its CONNECT.
    pub input: BytesMut,
}

/// Why a client was not let in.
enum Turned {
    /// With the CONNACK code that says why.
    Away(ConnectCode),
    /// Without a word: it did not speak MQTT, or not in time.
    Out,
}

/// Owned parts of a CONNECT.
struct Hello {
    credentials: Credentials,
    lifetime: Lifetime,
    silence_max: Duration,
    will: Option<Will>,
}

struct Will {
    topic: String,
    retain: bool,
    draft: Draft,
}

/// Reads CONNECT, asks for the login, and gets the client its session. A client that is not let in has been told
/// why, as far as MQTT has a word for it.
pub async fn admit<S>(stream: &mut S, peer: SocketAddr, door: &Door) -> Option<Admitted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match greet(stream, peer, door).await {
        Ok(admitted) => Some(admitted),
        Err(Turned::Out) => None,
        Err(Turned::Away(code)) => {
            let mut out = BytesMut::new();
            encode::connack(&mut out, code);
            // Whether the client reads it is its own affair.
            let _ = timeout(GOODBYE, async {
                stream.write_all(&out).await?;
                stream.shutdown().await
            })
            .await;
            None
        }
    }
}

async fn greet<S: AsyncRead + Unpin>(
    stream: &mut S,
    peer: SocketAddr,
    door: &Door,
) -> Result<Admitted, Turned> {
    let mut input = BytesMut::with_capacity(1024);
    let hello = match timeout(door.limits.connect_deadline, read_hello(stream, &mut input, peer, door)).await
    {
        Ok(hello) => hello?,
        Err(_) => {
            door.tally.connect_timeouts.add();
            return Err(Turned::Out);
        }
    };
    let Hello { credentials, lifetime, silence_max, will } = hello;
    let mut client_id = credentials.client_id.clone();
    let asked = Instant::now();
    let principal = log_in(credentials, door).await?;
    if let Principal::Edge { edge, .. } = &principal
        && edge.as_str() != client_id
    {
        return Err(Turned::Away(ConnectCode::BadClientId));
    }
    if client_id.is_empty() {
        client_id = format!("(unnamed {})", UNNAMED.fetch_add(1, Ordering::Relaxed));
    }
    if let Some(will) = &will {
        door.ask(&principal, Action::Publish { topic: &will.topic, retain: will.retain }).await;
    }
    let will = will.map(|will| allowed(will, &principal, door)).transpose()?;
    match door.enter(&principal, &client_id, lifetime, asked).await {
        Ok(entered) => Ok(Admitted { principal, entered, will, silence_max, input }),
        Err(NotOwned::Superseded) => Err(Turned::Out),
        Err(NotOwned::Unavailable) => {
            door.tally.turned_away.add();
            Err(Turned::Away(ConnectCode::Unavailable))
        }
    }
}

/// Numbers the clients that left their client id to the broker. No client can choose such an id and meet another
/// client there: the session's key has the login in it.
static UNNAMED: AtomicU64 = AtomicU64::new(1);

async fn read_hello<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    peer: SocketAddr,
    door: &Door,
) -> Result<Hello, Turned> {
    let bad = |malformed: Malformed| {
        tracing::debug!(%peer, "not let in: {malformed}");
        door.tally.malformed.add();
        Turned::Out
    };
    loop {
        if !may_be_connect(input) {
            return Err(bad(Malformed::Type));
        }
        if let Some(frame) = frame(input, door.limits.connect_bytes).map_err(bad)? {
            let hello = match frame.greeting().map_err(bad)? {
                Greeting::Four(connect) => hello(&connect, peer, door)?,
                Greeting::OtherVersion(_) => return Err(Turned::Away(ConnectCode::BadVersion)),
            };
            let bytes = frame.bytes;
            input.advance(bytes);
            return Ok(hello);
        }
        match stream.read_buf(input).await {
            Ok(bytes) if bytes > 0 => {}
            Ok(_) | Err(_) => return Err(Turned::Out),
        }
    }
}

fn hello(connect: &Connect<'_>, peer: SocketAddr, door: &Door) -> Result<Hello, Turned> {
    let limits = &door.limits;
    let nameless = connect.client_id.is_empty() && !connect.clean_session;
    if nameless || connect.client_id.len() > limits.client_id_bytes {
        return Err(Turned::Away(ConnectCode::BadClientId));
    }
    let will = connect.will.as_ref().map(|WillPacket { topic, payload, qos, retain }| {
        check_name(topic, limits).map_err(|_| {
            door.tally.malformed.add();
            Turned::Out
        })?;
        let draft = Draft::message(topic, payload, *qos, *retain);
        Ok(Will { topic: (*topic).to_owned(), retain: *retain, draft })
    });
    let promised = match connect.keep_alive_s {
        0 => limits.keep_alive_max,
        seconds => Duration::from_secs(seconds.into()).min(limits.keep_alive_max),
    };
    Ok(Hello {
        credentials: Credentials {
            client_id: connect.client_id.to_owned(),
            username: connect.username.map(str::to_owned),
            password: connect.password.map(<[u8]>::to_vec),
            peer,
        },
        lifetime: if connect.clean_session { Lifetime::Connection } else { Lifetime::Lasting },
        silence_max: promised.mul_f32(1.5),
        will: will.transpose()?,
    })
}

async fn log_in(credentials: Credentials, door: &Door) -> Result<Principal, Turned> {
    let answer = timeout(door.limits.login_deadline, door.login.login(credentials)).await;
    answer.unwrap_or(Err(Refused::Unavailable)).map_err(|refused| {
        door.tally.logins_refused.add();
        Turned::Away(match refused {
            Refused::BadLogin => ConnectCode::BadLogin,
            Refused::NotAllowed => ConnectCode::NotAuthorised,
            Refused::Unavailable => ConnectCode::Unavailable,
        })
    })
}

fn allowed(will: Will, principal: &Principal, door: &Door) -> Result<Draft, Turned> {
    if may(principal, Action::Publish { topic: &will.topic, retain: will.retain }) {
        return Ok(will.draft);
    }
    door.tally.refused.add();
    Err(Turned::Away(ConnectCode::NotAuthorised))
}
