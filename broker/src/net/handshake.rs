//! From the first byte of a connection to its CONNACK.

use super::close::{self, LastPacket};
use super::connack::{Connack, Refusal, fits, refuse};
use super::connection_limit::Peer;
use crate::auth::access::may;
use crate::auth::action::Action;
use crate::auth::credentials::{Credentials, Refused};
use crate::auth::principal::Principal;
use crate::codec::decode::{FirstPacket, frame, may_be_connect};
use crate::codec::error::{Fault, Malformed};
use crate::codec::packet::{ClientLimits, Connect, MqttVersion, WillPacket};
use crate::core::core::{Core, OpenedSession, SessionRequest, Start};
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

/// A client whose CONNECT was accepted; its CONNACK is not written yet.
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// Its version of MQTT.
    pub version: MqttVersion,
    /// Its session.
    pub opened: OpenedSession,
    /// How long that outlives the connection.
    pub expiry: Duration,
    /// The CONNACK to send.
    pub connack: Connack,
    /// What to publish when the connection ends without DISCONNECT.
    pub will: Option<Will>,
    /// How long it may be silent.
    pub silence_max: Duration,
    /// What it sent behind its CONNECT.
    pub input: BytesMut,
}

/// A client's will, allowed and ready to be published.
pub struct Will {
    topic: String,
    retain: bool,
    /// The message.
    pub draft: Draft,
    /// How long it waits for the client to come back.
    pub delay: Duration,
}

/// How a CONNECT is rejected.
enum Rejection {
    /// With a CONNACK in its own version of MQTT.
    WithConnack(MqttVersion, Refusal),
    /// By closing only: the bytes were not MQTT, or came too late.
    Silent,
}

/// Owned parts of a CONNECT.
struct ConnectRequest {
    version: MqttVersion,
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

/// Reads CONNECT, checks the login, and opens the session. A rejected client has been sent its CONNACK, where MQTT
/// has one for the reason.
pub async fn admit<S>(stream: &mut S, peer: &mut Peer, core: &Core) -> Result<Admitted, LastPacket>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match log_in_and_open(stream, peer, core).await {
        Ok(admitted) => Ok(admitted),
        Err(Rejection::Silent) => Err(LastPacket::None),
        Err(Rejection::WithConnack(version, refusal)) => {
            let mut out = BytesMut::new();
            refuse(&mut out, version, refusal);
            Err(close::send_last(stream, &out).await)
        }
    }
}

async fn log_in_and_open<S: AsyncRead + Unpin>(
    stream: &mut S,
    peer: &mut Peer,
    core: &Core,
) -> Result<Admitted, Rejection> {
    let mut input = BytesMut::with_capacity(1024);
    let connect =
        match timeout_at(peer.connect_by, read_connect(stream, &mut input, peer.address, core)).await {
            Ok(connect) => connect?,
            Err(_) => {
                core.tally.connect_timeouts.add();
                return Err(Rejection::Silent);
            }
        };
    peer.connect_received();
    let version = connect.version;
    let reject = |refusal| Rejection::WithConnack(version, refusal);
    let login_started = Instant::now();
    let given_id = connect.credentials.client_id.clone();
    let principal = log_in(connect.credentials, core).await.map_err(reject)?;
    if matches!(&principal, Principal::Edge { edge, .. } if edge.as_str() != given_id) {
        return Err(reject(Refusal::ClientId));
    }
    let assigned = given_id.is_empty().then(|| core.sessions.new_client_id());
    if let Some(will) = &connect.will {
        core.ask(&principal, Action::Publish { topic: &will.topic, retain: will.retain }).await;
    }
    let will =
        connect.will.map(|will| allowed(will, &principal, peer.address, core)).transpose().map_err(reject)?;
    let expiry = session_expiry(connect.session_expiry_s, &core.limits);
    let keep_alive = keep_alive(connect.keep_alive_s, version, &core.limits);
    let mut connack = Connack {
        session_expiry_s: Some(whole_s(expiry)).filter(|expiry_s| *expiry_s != connect.session_expiry_s),
        client_id: assigned.clone(),
        keep_alive_s: u16::try_from(keep_alive.as_secs())
            .ok()
            .filter(|seconds| *seconds != connect.keep_alive_s),
        ..connack(&principal, &core.limits)
    };
    if !fits(&connack, version) {
        return Err(reject_connect(version, Refusal::Fault(Fault::Answer), core));
    }
    let request = SessionRequest {
        principal: &principal,
        client_id: assigned.as_deref().unwrap_or(&given_id),
        start: connect.start,
        lifetime: if connect.session_expiry_s == 0 { Lifetime::Connection } else { Lifetime::Lasting },
        receive_max: match version {
            MqttVersion::V4 => u16::MAX,
            MqttVersion::V5(ClientLimits { receive_max, .. }) => receive_max.get(),
        },
        login_started,
    };
    let opened = match core.open_session(request).await {
        Ok(opened) => opened,
        Err(NotOwned::Superseded) => return Err(Rejection::Silent),
        Err(NotOwned::Unavailable) => {
            core.tally.turned_away.add();
            return Err(reject(Refusal::Unavailable));
        }
    };
    connack.session_present = opened.present;
    let silence_max = keep_alive.mul_f32(1.5);
    Ok(Admitted { principal, version, opened, expiry, connack, will, silence_max, input })
}

/// What CONNACK says to every client of this kind.
fn connack(principal: &Principal, limits: &Limits) -> Connack {
    let quota = limits.quota(principal);
    Connack {
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

async fn read_connect<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    peer: SocketAddr,
    core: &Core,
) -> Result<ConnectRequest, Rejection> {
    let bad = |malformed: Malformed| {
        tracing::debug!(%peer, "CONNECT refused: {malformed}");
        core.tally.malformed.add();
        Rejection::Silent
    };
    loop {
        if !may_be_connect(input) {
            return Err(bad(Malformed::Type));
        }
        if let Some(frame) = frame(input, core.limits.connect_bytes).map_err(bad)? {
            let connect = match frame.first_packet().map_err(bad)? {
                FirstPacket::Connect(connect) => connect_request(&connect, peer, &core.limits)
                    .map_err(|refusal| reject_connect(connect.version, refusal, core))?,
                FirstPacket::Invalid(fault) => {
                    let version = MqttVersion::V5(ClientLimits::default());
                    return Err(reject_connect(version, Refusal::Fault(fault), core));
                }
                FirstPacket::UnsupportedVersion(_) => {
                    return Err(Rejection::WithConnack(MqttVersion::V4, Refusal::Version));
                }
            };
            let bytes = frame.bytes;
            input.advance(bytes);
            return Ok(connect);
        }
        match stream.read_buf(input).await {
            Ok(bytes) if bytes > 0 => {}
            Ok(_) | Err(_) => return Err(Rejection::Silent),
        }
    }
}

fn reject_connect(version: MqttVersion, refusal: Refusal, core: &Core) -> Rejection {
    if let Refusal::Fault(fault) = refusal {
        tracing::debug!("CONNECT refused: {fault}");
        core.tally.malformed.add();
    }
    Rejection::WithConnack(version, refusal)
}

fn connect_request(
    connect: &Connect<'_>,
    peer: SocketAddr,
    limits: &Limits,
) -> Result<ConnectRequest, Refusal> {
    let nameless = connect.client_id.is_empty() && !connect.clean_start && connect.version == MqttVersion::V4;
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
    Ok(ConnectRequest {
        version: connect.version,
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

/// The keep-alive in force. Only MQTT 5.0 can tell a client another one than it asked for.
fn keep_alive(promised_s: u16, version: MqttVersion, limits: &Limits) -> Duration {
    let max = match version {
        MqttVersion::V4 => limits.keep_alive_max,
        MqttVersion::V5(_) => limits.keep_alive_told.min(limits.keep_alive_max),
    };
    match promised_s {
        0 => max,
        seconds => Duration::from_secs(seconds.into()).min(max),
    }
}

async fn log_in(credentials: Credentials, core: &Core) -> Result<Principal, Refusal> {
    let peer = credentials.peer;
    let answer = timeout(core.limits.login_deadline, core.login.login(credentials)).await;
    answer.unwrap_or(Err(Refused::Unavailable)).map_err(|refused| {
        core.tally.logins_refused.add();
        core.denials.log_login(&refused, peer);
        match refused {
            Refused::BadLogin => Refusal::BadLogin,
            Refused::NotAllowed => Refusal::NotAuthorised,
            Refused::Unavailable => Refusal::Unavailable,
        }
    })
}

fn allowed(will: Will, principal: &Principal, peer: SocketAddr, core: &Core) -> Result<Will, Refusal> {
    if may(principal, Action::Publish { topic: &will.topic, retain: will.retain }) {
        return Ok(will);
    }
    core.tally.refused.add();
    core.denials.log(Denied::Will, principal, peer);
    Err(Refusal::NotAuthorised)
}
