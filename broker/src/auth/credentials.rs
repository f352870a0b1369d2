//! What a client logs in with, and why that was refused.

use std::fmt;
use std::net::SocketAddr;

/// The login data of a CONNECT.
pub struct Credentials {
    /// The MQTT client id; empty where the client left it to the broker.
    pub client_id: String,
    /// The user name, where one was given.
    pub username: Option<String>,
    /// The password, where one was given.
    pub password: Option<Vec<u8>>,
    /// Where the client connects from.
    pub peer: SocketAddr,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(secret)"))
            .field("peer", &self.peer)
            .finish()
    }
}

/// Why a login was refused; each has its own CONNACK code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Unknown name or wrong password (CONNACK 4).
    #[error("bad user name or password")]
    BadLogin,
    /// Known, but not allowed here, or no login given at all (CONNACK 5).
    #[error("not authorised")]
    NotAllowed,
    /// It cannot be checked at the moment (CONNACK 3).
    #[error("the login cannot be checked at the moment")]
    Unavailable,
}
