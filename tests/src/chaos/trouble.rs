//! What goes wrong in a round.

use crate::Fault;
use std::fmt;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An edge dies at a named point.
    EdgeDies(&'static str),
    /// The website dies at a named point.
    WebsiteDies(&'static str),
    /// An edge is killed at any moment.
    EdgeKilled,
    /// The website is killed at any moment, and with it its broker unless that stands apart.
    WebsiteKilled,
    /// The broker is killed at any moment.
    BrokerKilled,
    /// Everything is killed at once.
    AllKilled,
    /// The wires misbehave.
    Wire(Fault),
}

impl Trouble {
    /// Every kind there is.
    pub fn all() -> Vec<Trouble> {
        let wires = [
            Fault::Delay(60),
            Fault::Throttle(20_000),
            Fault::CutAt(0),
            Fault::HalfOpen,
            Fault::Duplicate(50),
            Fault::Reorder(50),
        ];
        let killed = [Self::EdgeKilled, Self::WebsiteKilled, Self::BrokerKilled, Self::AllKilled];
        let edges = crash_point::EDGE.map(Self::EdgeDies);
        let websites = crash_point::WEBSITE.map(Self::WebsiteDies);
        edges.into_iter().chain(websites).chain(killed).chain(wires.map(Self::Wire)).collect()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EdgeDies(point) | Self::WebsiteDies(point) => write!(f, "died: {point}"),
            Self::EdgeKilled => write!(f, "killed: an edge"),
            Self::WebsiteKilled => write!(f, "killed: the website"),
            Self::BrokerKilled => write!(f, "killed: the broker"),
            Self::AllKilled => write!(f, "killed: everything"),
            Self::Wire(fault) => write!(f, "wire: {}", format!("{fault:?}").split('(').next().unwrap()),
        }
    }
}
