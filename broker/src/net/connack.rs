//! The answer to a CONNECT, in the protocol that it spoke.

use crate::codec::encode::{self, ConnectCode};
use crate::codec::error::Fault;
use crate::codec::packet::Dialect;
use crate::codec::reason::ConnectReason;
use crate::codec::v5::connack;
use crate::codec::v5::encode::Why;
use crate::session::write_buffer::packet_bytes;
use bytes::BytesMut;

pub use crate::codec::v5::connack::Welcome;

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A version of MQTT that is not served here.
    #[error("this version of MQTT is not served here")]
    Version,
    /// The client id is not the one this login must use, too long, or missing.
    #[error("the client id is not one that this login may use")]
    ClientId,
    /// Nobody can check the login at the moment, or there is no room.
    #[error("the broker cannot let anybody in at the moment")]
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

/// Lets a client in.
pub fn accept(out: &mut BytesMut, dialect: Dialect, welcome: &Welcome) {
    match dialect {
        Dialect::Four => {
            let session_present = welcome.session_present;
            encode::connack(out, ConnectCode::Accepted { session_present });
        }
        Dialect::Five(_) => connack::welcome(out, welcome),
    }
}

/// Whether the client can take so long an answer.
pub fn fits(welcome: &Welcome, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Four => true,
        Dialect::Five(terms) => {
            let mut out = BytesMut::new();
            connack::welcome(&mut out, welcome);
            out.len() <= packet_bytes(&terms)
        }
    }
}

/// Turns a client away. MQTT 3.1.1 has no word for a wrong CONNECT: the connection is only closed.
pub fn refuse(out: &mut BytesMut, dialect: Dialect, refusal: Refusal) {
    match dialect {
        Dialect::Four => encode::connack(
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
        Dialect::Five(terms) => {
            let reason = match refusal {
                Refusal::Version => return,
                Refusal::ClientId => ConnectReason::ClientId,
                Refusal::Unavailable => ConnectReason::Unavailable,
                Refusal::BadLogin => ConnectReason::BadLogin,
                Refusal::NotAuthorised => ConnectReason::NotAuthorised,
                Refusal::Fault(fault) => fault.connect_reason(),
            };
            let text = refusal.to_string();
            connack::refusal(out, Why { reason, text: Some(&text) }, packet_bytes(&terms));
        }
    }
}
