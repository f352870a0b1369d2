//! What goes wrong in a round.

use super::stage::{Arrangement, EDGES};
use crate::Fault;
use std::fmt;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The edges die, each at a point of its own: those of this part of the list.
    EdgesDie(usize),
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
    /// The wires between edges and broker misbehave.
    Wire(Fault),
    /// A broker that stands apart is killed and started again, now and then.
    BrokerRestarted,
    /// The same while the edges are publishing visits.
    BrokerRestartedAmidVisits,
    /// The wire between the website and a broker that stands apart misbehaves.
    WebsiteWire(Fault),
}

/// Every kind of a wire's trouble. Where a cut comes is chosen later.
const FAULTS: [Fault; 6] = [
    Fault::Delay(60),
    Fault::Throttle(20_000),
    Fault::CutAt(0),
    Fault::HalfOpen,
    Fault::Duplicate(50),
    Fault::Reorder(50),
];

/// Steps through the kinds without crash points that mix them: it shares no divisor with their number.
const STRIDE: u64 = 7;

impl Trouble {
    /// Every kind there is where the broker stands so.
    pub fn all(arrangement: Arrangement) -> Vec<Trouble> {
        Self::deaths().into_iter().chain(Self::others(arrangement)).collect()
    }

    fn deaths() -> Vec<Trouble> {
        let edges = (0..crash_point::EDGE.len().div_ceil(EDGES)).map(Self::EdgesDie);
        edges.chain(crash_point::WEBSITE.map(Self::WebsiteDies)).collect()
    }

    fn others(arrangement: Arrangement) -> Vec<Trouble> {
        let killed = [Self::EdgeKilled, Self::WebsiteKilled, Self::BrokerKilled, Self::AllKilled];
        let everywhere = killed.into_iter().chain(FAULTS.map(Self::Wire));
        let restarted = [Self::BrokerRestarted, Self::BrokerRestartedAmidVisits];
        match arrangement {
            Arrangement::Inside => everywhere.collect(),
            Arrangement::Apart => everywhere.chain(restarted).chain(FAULTS.map(Self::WebsiteWire)).collect(),
        }
    }

    /// The kind of the `n`th round of this arrangement: of five, three with crash points and two without, every one of
    /// either in turn, and again.
    pub fn nth(arrangement: Arrangement, n: u64) -> Trouble {
        let (fives, place) = (n / 5, n % 5);
        let (kinds, step) = match place {
            0 | 2 | 4 => (Self::deaths(), fives * 3 + place / 2),
            _ => (Self::others(arrangement), (fives * 2 + place / 2) * STRIDE),
        };
        kinds[(step % kinds.len() as u64) as usize]
    }

    /// The crash points at which programs die.
    pub fn points(self) -> Vec<&'static str> {
        match self {
            Self::EdgesDie(part) => crash_point::EDGE.chunks(EDGES).nth(part).unwrap_or_default().to_vec(),
            Self::WebsiteDies(point) => vec![point],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EdgesDie(_) => write!(f, "died: edges, {}", self.points().join(", ")),
            Self::WebsiteDies(point) => write!(f, "died: {point}"),
            Self::EdgeKilled => write!(f, "killed: an edge"),
            Self::WebsiteKilled => write!(f, "killed: the website"),
            Self::BrokerKilled => write!(f, "killed: the broker"),
            Self::AllKilled => write!(f, "killed: everything"),
            Self::Wire(fault) => write!(f, "wires of the edges: {}", name(*fault)),
            Self::BrokerRestarted => write!(f, "restarted: the broker apart"),
            Self::BrokerRestartedAmidVisits => write!(f, "restarted: the broker apart, amid visits"),
            Self::WebsiteWire(fault) => write!(f, "wire of the website: {}", name(*fault)),
        }
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Fair => "fair",
        Fault::Delay(_) => "delay",
        Fault::Throttle(_) => "throttle",
        Fault::CutAt(_) => "cut at a byte",
        Fault::CutBefore(_) => "cut before a packet",
        Fault::Cut => "cut",
        Fault::HalfOpen => "half-open",
        Fault::Duplicate(_) => "duplicate",
        Fault::Reorder(_) => "reorder",
    }
}
