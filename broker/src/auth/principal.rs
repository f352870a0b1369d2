//! The identity of a client that has logged in.

use super::user::User;
use protocol::{EdgeId, LocationId};

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
    /// The login behind it, whatever its rights are at the moment.
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
