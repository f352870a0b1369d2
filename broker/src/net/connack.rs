//! CONNACK, in the version of MQTT that the client uses.

use crate::codec::encode::{self, ConnectCode};
use crate::codec::error::Fault;
use crate::codec::packet::MqttVersion;
use crate::codec::reason::ConnectReason;
use crate::codec::v5::connack;
use crate::codec::v5::encode::Why;
use crate::session::write_buffer::packet_bytes;
use bytes::BytesMut;

pub use crate::codec::v5::connack::Connack;

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A version of MQTT that is not served here.
    #[error("this version of MQTT is not served here")]
    Version,
    /// The client id is not the one this login must use, too long, or missing.
    #[error("the client id is not one that this login may use")]
    ClientId,
    /// The login cannot be checked at the moment, or there is no room.
    #[error("the broker cannot accept clients at the moment")]
    Unavailable,
    /// Unknown name or wrong password.
    #[error("unknown name or wrong password")]
    BadLogin,
    /// Not allowed.
    #[error("this login is not allowed here, or may not publish its will")]
    NotAuthorised,
    /// The CONNECT is wrong.
    #[error(transparent)]
    Fault(Fault),
}

/// Accepts a client.
pub fn accept(out: &mut BytesMut, version: MqttVersion, connack: &Connack) {
    match version {
        MqttVersion::V4 => {
            let session_present = connack.session_present;
            encode::connack(out, ConnectCode::Accepted { session_present });
        }
        MqttVersion::V5(_) => connack::accept(out, connack),
    }
}

/// Whether the client can take so long an answer.
pub fn fits(connack: &Connack, version: MqttVersion) -> bool {
    match version {
        MqttVersion::V4 => true,
        MqttVersion::V5(limits) => {
            let mut out = BytesMut::new();
            connack::accept(&mut out, connack);
            out.len() <= packet_bytes(&limits)
        }
    }
}

/// Refuses a client. MQTT 3.1.1 has no code for a malformed CONNECT: the connection is only closed.
pub fn refuse(out: &mut BytesMut, version: MqttVersion, refusal: Refusal) {
    match version {
        MqttVersion::V4 => encode::connack(
            out,
            match refusal {
                Refusal::Version => ConnectCode::BadVersion,
                Refusal::ClientId => ConnectCode::BadClientId,
                Refusal::Unavailable => ConnectCode::Unavailable,
                Refusal::BadLogin => ConnectCode::BadLogin,
                Refusal::NotAuthorised => ConnectCode::NotAuthorised,
                Refusal::Fault(_) => return,
            },
        ),
        MqttVersion::V5(limits) => {
            let reason = match refusal {
                Refusal::Version => return,
                Refusal::ClientId => ConnectReason::ClientId,
                Refusal::Unavailable => ConnectReason::Unavailable,
                Refusal::BadLogin => ConnectReason::BadLogin,
                Refusal::NotAuthorised => ConnectReason::NotAuthorised,
                Refusal::Fault(fault) => fault.connect_reason(),
            };
            let text = refusal.to_string();
            connack::refuse(out, Why { reason, text: Some(&text) }, packet_bytes(&limits));
        }
    }
}
