//! One website, perhaps a broker of its own, three edges on three wires, and what is done to them.

use super::{figures::Round, trouble::Trouble};
use crate::{
    Broker, Database, EdgeBox, Fault, FaultProxy, Random, Shown, Website, blind_models, blind_space, noisy,
    until,
};
use protocol::SpaceId;
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub(super) const LOCATION: &str = "oslo";
const EDGES: usize = 3;
const ACTIONS: usize = 12;
/// How long an armed program is given to reach its crash point once everything has been done.
const DEATH: Duration = Duration::from_millis(1_500);
const CONVERGED_S: u64 = 90;

/// An edge at its place.
pub(super) struct Door {
    pub(super) edge: EdgeBox,
    pub(super) id: String,
    wire: FaultProxy,
    /// Visits it has answered for, and besides these the ones it may have counted.
    pub(super) counted: u64,
    pub(super) perhaps: u64,
}

/// Everything.
pub(super) struct Stage {
    pub(super) site: Website,
    broker: Option<Broker>,
    pub(super) doors: Vec<Door>,
    pub(super) space: SpaceId,
    /// Every vector that was shown to an edge.
    pub(super) shown: Vec<Vec<f32>>,
    people: u64,
    kills: usize,
    _models: TempDir,
}

impl Stage {
    /// Sets it up, in half of the cases with a broker that stands apart.
    pub(super) fn set(database: Database, random: &mut Random) -> Self {
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let broker = random.chance(50).then(|| Broker::start(http));
        let mut extra: Vec<String> = broker.iter().flat_map(Broker::for_website).collect();
        extra.extend(["--heartbeat-s".to_owned(), "1".to_owned()]);
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        let site = Website::start_at(http, database, &extra);
        site.location(LOCATION);
        let models = blind_models();
        let doors = (0..EDGES).map(|n| {
            let edge = EdgeBox::join(&site, LOCATION, &format!("door-{n}"), models.path());
            let wire = FaultProxy::lay(site.mqtt, random.number());
            edge.reach_broker_at(wire.address);
            Door { id: edge.id(), edge, wire, counted: 0, perhaps: 0 }
        });
        let mut stage = Self {
            doors: doors.collect(),
            site,
            broker,
            space: blind_space(),
            shown: Vec::new(),
            people: random.number() >> 20,
            kills: 0,
            _models: models,
        };
        stage.open(None);
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

    /// One round: trouble while people come in and are changed, then peace, then everything compared.
    pub(super) fn round(&mut self, number: usize, trouble: Trouble, random: &mut Random) -> Round {
        let victim = random.below(EDGES);
        let reached = self.suffer(trouble, victim, random);
        let healed = Instant::now();
        self.heal();
        self.converged();
        let took = healed.elapsed();
        self.close();
        eprintln!(
            "round {number}, {trouble}: {} ms{}",
            took.as_millis(),
            if reached { "" } else { ", not reached" }
        );
        self.compare();
        Round { trouble, took, reached }
    }

    /// Begins the trouble and does things meanwhile; tells whether it came.
    fn suffer(&mut self, trouble: Trouble, victim: usize, random: &mut Random) -> bool {
        let passes = random.below(2);
        let dies = match trouble {
            Trouble::EdgeDies(point) => Some((victim, format!("{point}:{passes}"))),
            _ => None,
        };
        if let Trouble::WebsiteDies(point) = trouble {
            if point == "website_repair_before_answered" {
                // Nothing but a repair fills it again.
                std::fs::remove_file(self.doors[victim].edge.state().join("cache.db")).unwrap();
            }
            self.site.kill();
            self.kills += 1;
            let passes = if point.contains("repair") { 0 } else { passes };
            self.site.resume_to_die(&format!("{point}:{passes}"));
        }
        self.open(dies.as_ref().map(|(door, point)| (*door, point.as_str())));
        if !matches!(trouble, Trouble::EdgeDies(_)) {
            self.connected_or_not();
        }
        if let Trouble::Wire(fault) = trouble {
            self.doors.iter().for_each(|door| door.wire.turn(fault));
        }
        let strikes = 3 + random.below(ACTIONS / 2);
        for action in 0..ACTIONS {
            match trouble {
                _ if action != strikes => {}
                Trouble::EdgeKilled => self.kill_edge(victim),
                Trouble::WebsiteKilled => self.kill_website(),
                Trouble::BrokerKilled => self.kill_broker(),
                Trouble::AllKilled => {
                    (0..EDGES).for_each(|n| self.kill_edge(n));
                    self.kill_broker();
                    self.kill_website();
                }
                _ => {}
            }
            if let Trouble::Wire(Fault::CutAt(_)) = trouble {
                let bytes = random.below(3_000) as u64;
                random.pick(&self.doors).wire.turn(Fault::CutAt(bytes));
            }
            self.act(action, victim, random);
            thread::sleep(Duration::from_millis(random.number() % 25));
        }
        self.died(trouble, victim)
    }

    fn died(&mut self, trouble: Trouble, victim: usize) -> bool {
        let end = Instant::now() + DEATH;
        loop {
            let dead = match trouble {
                Trouble::EdgeDies(_) => self.doors[victim].edge.has_died(),
                Trouble::WebsiteDies(_) => self.site.has_died(),
                _ => true,
            };
            if dead || Instant::now() > end {
                return dead;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The first actions make sure that everything happens; the others are the seed's.
    fn act(&mut self, action: usize, victim: usize, random: &mut Random) {
        let door = if random.chance(50) { victim } else { random.below(EDGES) };
        match (action, random.below(100)) {
            (0, _) | (_, 0..30) => self.somebody_new(door),
            (1, _) | (_, 30..45) => self.change("DELETE", Value::Null, random),
            (2, _) | (_, 45..60) => {
                let name = format!("Name {}", random.number());
                self.change("PATCH", json!({ "name": name }), random);
            }
            (_, 60..70) => {
                let flag = random.pick(&["none", "green", "amber", "red"]).to_owned();
                self.change("PATCH", json!({ "flag": flag }), random);
            }
            _ => {
                let person = self.people - random.number() % 12;
                self.show(door, noisy(person, random.number() >> 40));
            }
        }
    }

    fn somebody_new(&mut self, door: usize) {
        self.people += 1;
        self.show(door, noisy(self.people, 0));
    }

    fn show(&mut self, door: usize, vector: Vec<f32>) {
        let door = &mut self.doors[door];
        let shown = door.edge.show(&self.space, &vector);
        if shown == Shown::NobodyThere {
            return;
        }
        door.counted += u64::from(shown.is_visit());
        door.perhaps += u64::from(shown == Shown::Unanswered);
        self.shown.push(vector);
    }

    /// Changes one customer, if the website is there to do it.
    fn change(&self, method: &str, body: Value, random: &mut Random) {
        let list =
            self.site.call("GET", &format!("/api/v1/locations/{LOCATION}/customers?limit=500"), &Value::Null);
        let Some(customers) = list.body["customers"].as_array().filter(|list| !list.is_empty()) else {
            return;
        };
        let face_id = random.pick(customers)["face_id"].as_str().unwrap();
        let answer =
            self.site.call(method, &format!("/api/v1/locations/{LOCATION}/customers/{face_id}"), &body);
        // It died, or is not there, or somebody was faster.
        assert!([0, 200, 404, 409, 410].contains(&answer.status), "{method}: {answer:?}");
    }

    fn kill_edge(&mut self, door: usize) {
        self.doors[door].edge.kill();
        self.kills += 1;
    }

    fn kill_website(&mut self) {
        self.site.kill();
        self.kills += 1;
    }

    fn kill_broker(&mut self) {
        match &mut self.broker {
            Some(broker) => broker.kill(),
            None => self.site.kill(),
        }
        self.kills += 1;
    }

    fn open(&mut self, dies: Option<(usize, &str)>) {
        for (n, door) in self.doors.iter_mut().enumerate() {
            door.edge.count_everybody(dies.filter(|(victim, _)| *victim == n).map(|(_, point)| point));
        }
    }

    /// Kills every edge.
    fn close(&mut self) {
        (0..EDGES).for_each(|n| self.kill_edge(n));
    }

    /// Waits a moment for the edges to be connected, so that trouble meets them at work; some kinds prevent it.
    fn connected_or_not(&self) {
        let end = Instant::now() + Duration::from_secs(2);
        let connected = |door: &Door| door.edge.asked().is_some_and(|status| status.connected);
        while Instant::now() < end && !self.doors.iter().all(connected) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The trouble is over: the wires are fair, and whatever died or was to die is started again.
    fn heal(&mut self) {
        self.doors.iter().for_each(|door| door.wire.turn(Fault::Fair));
        if let Some(broker) = &mut self.broker
            && broker.has_died()
        {
            broker.resume();
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
