//! From the first byte of a connection to its CONNACK.

use super::close::{self, Parting};
use super::connack::{Refusal, Welcome, fits, refuse};
use super::connection_limit::Caller;
use crate::auth::access::may;
use crate::auth::action::Action;
use crate::auth::credentials::{Credentials, Refused};
use crate::auth::principal::Principal;
use crate::codec::decode::{Greeting, frame, may_be_connect};
use crate::codec::error::{Fault, Malformed};
use crate::codec::packet::{Connect, Dialect, Terms, WillPacket};
use crate::core::core::{Coming, Door, Entered, Start};
use crate::limits::Limits;
use crate::observe::denials::Denied;
use crate::routing::message::Draft;
use crate::routing::topic::check_name;
use crate::session::sessions::NotOwned;
use crate::session::state::Lifetime;
use bytes::{Buf, BytesMut};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};

/// A client that has been let in; its CONNACK is not written yet.
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// In which protocol it speaks.
    pub dialect: Dialect,
    /// Its session.
    pub entered: Entered,
    /// How long that outlives the connection.
    pub expiry: Duration,
    /// What the client is told.
    pub welcome: Welcome,
    /// What to publish when it vanishes.
    pub will: Option<Will>,
    /// How long it may be silent.
    pub silence_max: Duration,
    /// What it sent behind its CONNECT.
    pub input: BytesMut,
}

/// What a client leaves behind when it vanishes.
pub struct Will {
    topic: String,
    retain: bool,
    /// The message.
    pub draft: Draft,
    /// How long it waits for the client to come back.
    pub delay: Duration,
}

/// Why a client was not let in.
enum Turned {
    /// With a word about it, in its own protocol.
    Away(Dialect, Refusal),
    /// Without a word: it did not speak MQTT, or not in time.
    Out,
}

/// Owned parts of a CONNECT.
struct Hello {
    dialect: Dialect,
    credentials: Credentials,
    start: Start,
    session_expiry_s: u32,
    keep_alive_s: u16,
    will: Option<Will>,
}

/// How long a session may outlive its connection, for a client that asks for so many seconds.
pub fn session_expiry(seconds: u32, limits: &Limits) -> Duration {
    Duration::from_secs(seconds.into()).min(limits.session_expiry)
}

/// Reads CONNECT, asks for the login, and gets the client its session. A client that is not let in has been told
/// why, as far as MQTT has a word for it.
pub async fn admit<S>(stream: &mut S, caller: &mut Caller, door: &Door) -> Result<Admitted, Parting>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match greet(stream, caller, door).await {
        Ok(admitted) => Ok(admitted),
        Err(Turned::Out) => Err(Parting::Silent),
        Err(Turned::Away(dialect, refusal)) => {
            let mut out = BytesMut::new();
            refuse(&mut out, dialect, refusal);
            Err(close::say(stream, &out).await)
        }
    }
}

async fn greet<S: AsyncRead + Unpin>(
    stream: &mut S,
    caller: &mut Caller,
    door: &Door,
) -> Result<Admitted, Turned> {
    let mut input = BytesMut::with_capacity(1024);
    let hello = match timeout_at(caller.connect_by, read_hello(stream, &mut input, caller.peer, door)).await {
        Ok(hello) => hello?,
        Err(_) => {
            door.tally.connect_timeouts.add();
            return Err(Turned::Out);
        }
    };
    caller.introduced();
    let dialect = hello.dialect;
    let away = |refusal| Turned::Away(dialect, refusal);
    let asked = Instant::now();
    let given_id = hello.credentials.client_id.clone();
    let principal = log_in(hello.credentials, door).await.map_err(away)?;
    if matches!(&principal, Principal::Edge { edge, .. } if edge.as_str() != given_id) {
        return Err(away(Refusal::ClientId));
    }
    let assigned = given_id.is_empty().then(|| door.sessions.new_client_id());
    if let Some(will) = &hello.will {
        door.ask(&principal, Action::Publish { topic: &will.topic, retain: will.retain }).await;
    }
    let will =
        hello.will.map(|will| allowed(will, &principal, caller.peer, door)).transpose().map_err(away)?;
    let expiry = session_expiry(hello.session_expiry_s, &door.limits);
    let keep_alive = keep_alive(hello.keep_alive_s, dialect, &door.limits);
    let mut welcome = Welcome {
        session_expiry_s: Some(whole_s(expiry)).filter(|told| *told != hello.session_expiry_s),
        client_id: assigned.clone(),
        keep_alive_s: u16::try_from(keep_alive.as_secs()).ok().filter(|told| *told != hello.keep_alive_s),
        ..welcome(&principal, &door.limits)
    };
    if !fits(&welcome, dialect) {
        return Err(turned_away(dialect, Refusal::Fault(Fault::Answer), door));
    }
    let coming = Coming {
        principal: &principal,
        client_id: assigned.as_deref().unwrap_or(&given_id),
        start: hello.start,
        lifetime: if hello.session_expiry_s == 0 { Lifetime::Connection } else { Lifetime::Lasting },
        receive_max: match dialect {
            Dialect::Four => u16::MAX,
            Dialect::Five(Terms { receive_max, .. }) => receive_max.get(),
        },
        asked,
    };
    let entered = match door.enter(coming).await {
        Ok(entered) => entered,
        Err(NotOwned::Superseded) => return Err(Turned::Out),
        Err(NotOwned::Unavailable) => {
            door.tally.turned_away.add();
            return Err(away(Refusal::Unavailable));
        }
    };
    welcome.session_present = entered.present;
    let silence_max = keep_alive.mul_f32(1.5);
    Ok(Admitted { principal, dialect, entered, expiry, welcome, will, silence_max, input })
}

/// What everybody like this client is told.
fn welcome(principal: &Principal, limits: &Limits) -> Welcome {
    let quota = limits.quota(principal);
    Welcome {
        session_present: false,
        session_expiry_s: None,
        receive_max: u16::try_from(quota.in_flight).unwrap_or(u16::MAX).max(1),
        packet_bytes: u32::try_from(quota.packet_bytes).unwrap_or(u32::MAX),
        alias_max: limits.topic_aliases,
        client_id: None,
        keep_alive_s: None,
    }
}

fn whole_s(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

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
                Greeting::Connect(connect) => hello(&connect, peer, &door.limits)
                    .map_err(|refusal| turned_away(connect.dialect, refusal, door))?,
                Greeting::Faulty(fault) => {
                    let dialect = Dialect::Five(Terms::default());
                    return Err(turned_away(dialect, Refusal::Fault(fault), door));
                }
                Greeting::OtherVersion(_) => return Err(Turned::Away(Dialect::Four, Refusal::Version)),
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

fn turned_away(dialect: Dialect, refusal: Refusal, door: &Door) -> Turned {
    if let Refusal::Fault(fault) = refusal {
        tracing::debug!("not let in: {fault}");
        door.tally.malformed.add();
    }
    Turned::Away(dialect, refusal)
}

fn hello(connect: &Connect<'_>, peer: SocketAddr, limits: &Limits) -> Result<Hello, Refusal> {
    let nameless = connect.client_id.is_empty() && !connect.clean_start && connect.dialect == Dialect::Four;
    if nameless || connect.client_id.len() > limits.client_id_bytes {
        return Err(Refusal::ClientId);
    }
    let will = connect.will.as_ref().map(|will| {
        let WillPacket { topic, payload, qos, retain, delay_s, properties } = will;
        check_name(topic, limits).map_err(|_| Refusal::Fault(Fault::Topic))?;
        Ok(Will {
            topic: (*topic).to_owned(),
            retain: *retain,
            draft: Draft::message(topic, payload, *qos, *retain, properties),
            delay: Duration::from_secs((*delay_s).into()),
        })
    });
    Ok(Hello {
        dialect: connect.dialect,
        credentials: Credentials {
            client_id: connect.client_id.to_owned(),
            username: connect.username.map(str::to_owned),
            password: connect.password.map(<[u8]>::to_vec),
            peer,
        },
        start: if connect.clean_start { Start::Clean } else { Start::Resume },
        session_expiry_s: connect.session_expiry_s,
        keep_alive_s: connect.keep_alive_s,
        will: will.transpose()?,
    })
}

/// The keep-alive that holds. Only clients of MQTT 5.0 can be told of another one than they promised.
fn keep_alive(promised_s: u16, dialect: Dialect, limits: &Limits) -> Duration {
    let max = match dialect {
        Dialect::Four => limits.keep_alive_max,
        Dialect::Five(_) => limits.keep_alive_told.min(limits.keep_alive_max),
    };
    match promised_s {
        0 => max,
        seconds => Duration::from_secs(seconds.into()).min(max),
    }
}

async fn log_in(credentials: Credentials, door: &Door) -> Result<Principal, Refusal> {
    let peer = credentials.peer;
    let answer = timeout(door.limits.login_deadline, door.login.login(credentials)).await;
    answer.unwrap_or(Err(Refused::Unavailable)).map_err(|refused| {
        door.tally.logins_refused.add();
        door.denials.tell_login(&refused, peer);
        match refused {
            Refused::BadLogin => Refusal::BadLogin,
            Refused::NotAllowed => Refusal::NotAuthorised,
            Refused::Unavailable => Refusal::Unavailable,
        }
    })
}

fn allowed(will: Will, principal: &Principal, peer: SocketAddr, door: &Door) -> Result<Will, Refusal> {
    if may(principal, Action::Publish { topic: &will.topic, retain: will.retain }) {
        return Ok(will);
    }
    door.tally.refused.add();
    door.denials.tell(Denied::Will, principal, peer);
    Err(Refusal::NotAuthorised)
}
