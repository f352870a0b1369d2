//! Who a client is, and the one trait through which the broker asks.

use super::user::User;
use protocol::{EdgeId, LocationId};
use std::{fmt, future::Future, net::SocketAddr, pin::Pin};

/// Who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The website.
    Website,
    /// One edge of one location.
    Edge {
        /// The location whose customers it holds.
        location: LocationId,
        /// Its id, which must also be its MQTT client id.
        edge: EdgeId,
    },
    /// A person, or a person's tool.
    Ops {
        /// The login name.
        name: String,
        /// What the person may see.
        scope: Scope,
    },
    /// A client of a stand-alone broker, whose rights its settings say.
    User(User),
}

/// Which locations a person may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every location.
    All,
    /// Only these.
    Locations(Vec<LocationId>),
}

impl Principal {
    /// Who this is, whatever they may see at the moment.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Principal::Website => Identity::Website,
            Principal::Edge { location, edge } => Identity::Edge(location.clone(), edge.clone()),
            Principal::Ops { name, .. } => Identity::Ops(name.clone()),
            Principal::User(user) => Identity::User(user.name.clone()),
        }
    }
}

/// The part of a principal that stays the same when its rights change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Website,
    Edge(LocationId, EdgeId),
    Ops(String),
    User(String),
}

/// What a client said of itself in its CONNECT.
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
    /// Nobody can tell at the moment (CONNACK 3).
    #[error("the login cannot be checked at the moment")]
    Unavailable,
}

/// What `Login::login` returns.
pub type LoginFuture<'a> = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send + 'a>>;

/// Whoever knows the logins: the website's database, or a credentials file.
pub trait Login: Send + Sync + 'static {
    /// Tells who the client is. Called once for every CONNECT, from many connections at once; an answer that
    /// takes longer than `Limits::login_deadline` counts as `Refused::Unavailable`.
    fn login(&self, credentials: Credentials) -> LoginFuture<'_>;
}
