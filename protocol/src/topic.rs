//! The topic contract as a type. `topics.md` says the same for people, and a test compares the two.

use crate::{EdgeId, FaceId, LocationId};
use std::{fmt, str::FromStr};

/// Every topic in `topics.md`. Text that does not parse to one of these is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `store/<location>/customers/<face_id>`: one customer's state.
    Customer(LocationId, FaceId),
    /// `store/<location>/customers`: the signed head of the collection.
    Head(LocationId),
    /// `store/<location>/edges/<edge>/inbox`: what the website says to one edge.
    Inbox(LocationId, EdgeId),
    /// `store/<location>/edges/<edge>/report`: what one edge says of itself.
    Report(LocationId, EdgeId),
    /// `store/<location>/visits/<edge>`: one edge's visits.
    Visits(LocationId, EdgeId),
    /// `view/<location>/edges/<edge>`: presence, for people.
    ViewEdge(LocationId, EdgeId),
    /// `view/<location>/customers/<face_id>`: a customer without the vector, for people.
    ViewCustomer(LocationId, FaceId),
    /// `view/<location>/head`: the newest head, for people.
    ViewHead(LocationId),
    /// `view/<location>/changes`: a line a change, for people.
    ViewChanges(LocationId),
    /// `view/<location>/visits`: a line a visit, for people.
    ViewVisits(LocationId),
    /// `view/broker`: the broker's counters, for people.
    ViewBroker,
}

/// The text is none of our topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a topic of topics.md")]
pub struct NotOurs;

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Customer(location, face) => write!(f, "store/{location}/customers/{face}"),
            Topic::Head(location) => write!(f, "store/{location}/customers"),
            Topic::Inbox(location, edge) => write!(f, "store/{location}/edges/{edge}/inbox"),
            Topic::Report(location, edge) => write!(f, "store/{location}/edges/{edge}/report"),
            Topic::Visits(location, edge) => write!(f, "store/{location}/visits/{edge}"),
            Topic::ViewEdge(location, edge) => write!(f, "view/{location}/edges/{edge}"),
            Topic::ViewCustomer(location, face) => write!(f, "view/{location}/customers/{face}"),
            Topic::ViewHead(location) => write!(f, "view/{location}/head"),
            Topic::ViewChanges(location) => write!(f, "view/{location}/changes"),
            Topic::ViewVisits(location) => write!(f, "view/{location}/visits"),
            Topic::ViewBroker => f.write_str("view/broker"),
        }
    }
}

impl FromStr for Topic {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        // One level more than the deepest topic, so that a deeper one cannot pass for it.
        let mut levels = [""; 6];
        let mut count = 0;
        for level in text.split('/') {
            *levels.get_mut(count).ok_or(NotOurs)? = level;
            count += 1;
        }
        Ok(match &levels[..count] {
            ["store", location, "customers", face] => Topic::Customer(id(location)?, id(face)?),
            ["store", location, "customers"] => Topic::Head(id(location)?),
            ["store", location, "edges", edge, "inbox"] => Topic::Inbox(id(location)?, id(edge)?),
            ["store", location, "edges", edge, "report"] => Topic::Report(id(location)?, id(edge)?),
            ["store", location, "visits", edge] => Topic::Visits(id(location)?, id(edge)?),
            ["view", location, "edges", edge] => Topic::ViewEdge(id(location)?, id(edge)?),
            ["view", location, "customers", face] => Topic::ViewCustomer(id(location)?, id(face)?),
            ["view", location, "head"] => Topic::ViewHead(id(location)?),
            ["view", location, "changes"] => Topic::ViewChanges(id(location)?),
            ["view", location, "visits"] => Topic::ViewVisits(id(location)?),
            ["view", "broker"] => Topic::ViewBroker,
            _ => return Err(NotOurs),
        })
    }
}

fn id<I: FromStr>(level: &str) -> Result<I, NotOurs> {
    level.parse().map_err(|_| NotOurs)
}

impl Topic {
    /// Whether the broker keeps the last message on this topic for those who come later.
    pub fn retained(&self) -> bool {
        match self {
            Topic::Customer(..)
            | Topic::Head(..)
            | Topic::ViewEdge(..)
            | Topic::ViewCustomer(..)
            | Topic::ViewHead(..)
            | Topic::ViewBroker => true,
            Topic::Inbox(..)
            | Topic::Report(..)
            | Topic::Visits(..)
            | Topic::ViewChanges(..)
            | Topic::ViewVisits(..) => false,
        }
    }
}

/// The filters that our own programs subscribe with.
pub mod filters {
    use crate::{EdgeId, LocationId, Topic};

    /// Every visit of every location: the website's.
    pub const VISITS: &str = "store/+/visits/+";
    /// Every report of every edge: the website's.
    pub const REPORTS: &str = "store/+/edges/+/report";
    /// Every edge's presence: the website's.
    pub const PRESENCE: &str = "view/+/edges/+";

    /// A location's customers and its head (the parent topic matches too, by MQTT's rule): an edge's.
    pub fn customers(location: &LocationId) -> String {
        format!("{}/#", Topic::Head(location.clone()))
    }

    /// What the website says to one edge: that edge's.
    pub fn inbox(location: &LocationId, edge: &EdgeId) -> String {
        Topic::Inbox(location.clone(), edge.clone()).to_string()
    }
}
