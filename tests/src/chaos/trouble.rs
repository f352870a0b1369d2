//! What goes wrong in a round.

use super::stage::Arrangement;
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

/// Steps through the kinds that mix them: no multiple of it is the number of all kinds.
const STRIDE: u64 = 11;

impl Trouble {
    /// Every kind there is where the broker stands so.
    pub fn all(arrangement: Arrangement) -> Vec<Trouble> {
        let killed = [Self::EdgeKilled, Self::WebsiteKilled, Self::BrokerKilled, Self::AllKilled];
        let edges = crash_point::EDGE.map(Self::EdgeDies);
        let websites = crash_point::WEBSITE.map(Self::WebsiteDies);
        let everywhere = edges.into_iter().chain(websites).chain(killed).chain(FAULTS.map(Self::Wire));
        let restarted = [Self::BrokerRestarted, Self::BrokerRestartedAmidVisits];
        match arrangement {
            Arrangement::Inside => everywhere.collect(),
            Arrangement::Apart => everywhere.chain(restarted).chain(FAULTS.map(Self::WebsiteWire)).collect(),
        }
    }

    /// The kind of the `n`th round of this arrangement: every kind in turn, and again.
    pub fn nth(arrangement: Arrangement, n: u64) -> Trouble {
        let kinds = Self::all(arrangement);
        kinds[(n * STRIDE % kinds.len() as u64) as usize]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_in_turn() {
        for arrangement in [Arrangement::Inside, Arrangement::Apart] {
            let all = Trouble::all(arrangement);
            let met: Vec<Trouble> = (0..all.len() as u64).map(|n| Trouble::nth(arrangement, n)).collect();
            assert!(all.iter().all(|kind| met.contains(kind)), "{met:?} of {all:?}");
        }
    }
}
