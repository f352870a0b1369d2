//! One website, its broker inside or apart, three edges on three wires.

use super::{figures::Round, trouble::Trouble};
use crate::{
    Broker, Database, EdgeBox, Fault, FaultProxy, Random, Website, blind_models, blind_space, until,
};
use protocol::SpaceId;
use serde_json::json;
use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub(super) const LOCATION: &str = "oslo";
pub(super) const EDGES: usize = 3;
/// Longer than an edge waits before it sends a visit again, twice over.
const CONVERGED_S: u64 = 90;

/// Where the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// In the website's own process.
    Inside,
    /// A process of its own, to which the website has a wire.
    Apart,
}

/// An edge at its place.
pub(super) struct Door {
    pub(super) edge: EdgeBox,
    pub(super) id: String,
    pub(super) wire: FaultProxy,
    /// Visits it has answered for, and besides these the ones it may have counted.
    pub(super) counted: u64,
    pub(super) perhaps: u64,
}

/// A broker of its own, and the website's wire to it.
pub(super) struct Apart {
    broker: Broker,
    pub(super) wire: FaultProxy,
}

/// Everything.
pub(super) struct Stage {
    pub(super) site: Website,
    apart: Option<Apart>,
    pub(super) doors: Vec<Door>,
    pub(super) space: SpaceId,
    /// Every vector that was shown to an edge.
    pub(super) shown: Vec<Vec<f32>>,
    pub(super) people: u64,
    kills: usize,
    _models: TempDir,
}

impl Stage {
    /// Sets it up, with six people at every edge.
    pub(super) fn set(database: Database, arrangement: Arrangement, random: &mut Random) -> Self {
        // The broker must know where the website will be, and the website where the broker is.
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let apart = (arrangement == Arrangement::Apart).then(|| {
            let (broker, wire) = (Broker::start(http), FaultProxy::lay(random.number()));
            wire.to(broker.mqtt);
            Apart { broker, wire }
        });
        let mut extra = vec!["--heartbeat-s".to_owned(), "1".to_owned()];
        extra.extend(apart.iter().flat_map(|apart| apart.broker.for_website(apart.wire.address)));
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        let site = Website::start_at(http, database, &extra);
        site.location(LOCATION);
        let mqtt = apart.as_ref().map_or(site.mqtt, |apart| apart.broker.mqtt);
        let models = blind_models();
        let doors = (0..EDGES).map(|n| {
            let edge = EdgeBox::join(&site, LOCATION, &format!("door-{n}"), models.path());
            let wire = FaultProxy::lay(random.number());
            wire.to(mqtt);
            edge.reach_broker_at(wire.address);
            Door { id: edge.id(), edge, wire, counted: 0, perhaps: 0 }
        });
        let mut stage = Self {
            doors: doors.collect(),
            site,
            apart,
            space: blind_space(),
            shown: Vec::new(),
            people: random.number() >> 20,
            kills: 0,
            _models: models,
        };
        stage.open(&[]);
        stage.converged();
        for n in 0..6 {
            stage.somebody_new(n % EDGES);
        }
        stage.converged();
        stage.close();
        stage
    }

    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// The broker apart; only trouble that needs one asks.
    pub(super) fn apart(&self) -> &Apart {
        self.apart.as_ref().unwrap()
    }

    /// One round: trouble while people come in and are changed, then peace, then everything compared.
    pub(super) fn round(&mut self, number: usize, trouble: Trouble, random: &mut Random) -> Round {
        let victim = random.below(EDGES);
        self.suffer(trouble, victim, random);
        let healed = Instant::now();
        self.heal();
        self.converged();
        let took = healed.elapsed();
        self.close();
        eprintln!("round {number}, {trouble}: {} ms", took.as_millis());
        self.compare();
        Round { trouble, took }
    }

    pub(super) fn kill_edge(&mut self, door: usize) {
        self.doors[door].edge.kill();
        self.kills += 1;
    }

    pub(super) fn kill_website(&mut self) {
        self.site.kill();
        self.kills += 1;
    }

    pub(super) fn kill_broker(&mut self) {
        match &mut self.apart {
            Some(apart) => apart.broker.kill(),
            None => self.site.kill(),
        }
        self.kills += 1;
    }

    /// Kills the broker that stands apart, and starts it again at once.
    pub(super) fn restart_broker(&mut self) {
        self.kill_broker();
        self.apart.as_mut().unwrap().broker.resume();
    }

    /// Starts every edge, the first ones to die at these crash points.
    pub(super) fn open(&mut self, die_at: &[String]) {
        for (n, door) in self.doors.iter_mut().enumerate() {
            door.edge.count_everybody(die_at.get(n).map(String::as_str));
        }
    }

    /// The crash points that programs were started to die at and that none of them has reached.
    pub(super) fn crash_points_ahead(&mut self) -> Vec<String> {
        let edges = self.doors.iter_mut().filter_map(|door| door.edge.crash_point_ahead());
        edges.chain(self.site.crash_point_ahead()).collect()
    }

    /// Kills every edge.
    fn close(&mut self) {
        (0..EDGES).for_each(|n| self.kill_edge(n));
    }

    /// Waits a moment for the edges to be connected, so that trouble meets them at work; some kinds prevent it.
    pub(super) fn connected_or_not(&self) {
        let end = Instant::now() + Duration::from_secs(2);
        let connected = |door: &Door| door.edge.asked().is_some_and(|status| status.connected);
        while Instant::now() < end && !self.doors.iter().all(connected) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The trouble is over: the wires are fair, and whatever died or was to die is started again.
    fn heal(&mut self) {
        let wires = self.doors.iter().map(|door| &door.wire);
        wires.chain(self.apart.iter().map(|apart| &apart.wire)).for_each(|wire| wire.turn(Fault::Fair));
        if let Some(apart) = &mut self.apart
            && apart.broker.has_died()
        {
            apart.broker.resume();
        }
        if self.site.has_died() || self.site.is_to_die() {
            self.kill_website();
            self.site.resume();
        }
        for door in &mut self.doors {
            if door.edge.has_died() || door.edge.is_to_die() {
                door.edge.kill();
                self.kills += 1;
                door.edge.count_everybody(None);
            }
        }
    }

    /// Waits until every edge holds what the website holds, and the website knows it and has every visit.
    fn converged(&self) {
        until("everything converges", CONVERGED_S, || {
            let place = self.site.get(&format!("/locations/{LOCATION}"));
            for door in &self.doors {
                let status = door.edge.asked().ok_or("an edge does not answer")?;
                let here =
                    json!({ "seq": status.verified, "digest": status.digest, "customers": status.customers });
                let same = ["seq", "digest", "customers"].iter().all(|key| here[key] == place[key]);
                let waits = status.visits_waiting + status.receipts_waiting + status.provisional;
                if !same || waits > 0 || status.lease_until.is_none() {
                    return Err(format!("{status:?} is not {place}; it said: {}", door.edge.said()));
                }
            }
            let list = self.site.get(&format!("/locations/{LOCATION}/edges"));
            let edges = list["edges"].as_array().unwrap();
            let told = edges.iter().all(|edge| edge["state"] == "in_sync");
            if told { Ok(()) } else { Err(list.to_string()) }
        });
    }
}
