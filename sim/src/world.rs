//! One run: a clock, a list of what happens next, and everything that can happen.

mod carrying;
mod faults;
mod managing;

use crate::{
    broker::Broker,
    dice::Dice,
    edge_box::{Did, EdgeBox, daemon::Daemon, disk::Disk},
    letter::{Down, Up},
    people::{PEOPLE_MAX, People},
    rules::Rules,
    site::{Site, db::Db},
    truth::{Truth, Violation},
};
use edge::sync::{Event as Heard, WAITING_MAX};
use protocol::{Epoch, UnixMs, message::EnrolPolicy};
use std::{collections::BTreeMap, fmt};

const EDGES: usize = 3;
const BEGIN: i64 = 1_000_000_000;
/// So long everything goes wrong,
const NOISE_MS: i64 = 600_000;
/// and so long nothing does: longer than the pause after which a lost report comes again.
const QUIET_MS: i64 = 720_000;
const HEARTBEAT_MS: i64 = 20_000;

/// Something that happens at a moment.
#[derive(Debug)]
enum Event {
    Heartbeat,
    Publish,
    Manage,
    Visit,
    Fault,
    Backup,
    Arrives { edge: usize, connection: u64, number: Option<u64>, letter: Down },
    Reaches { edge: usize, generation: u32, said: Up },
    Ghost(Down),
    Tick { edge: usize },
    Store { edge: usize, life: u64 },
    Connect { edge: usize },
    Start { edge: usize },
    SiteStart,
    JoinAnew { edge: usize },
}

/// How bad this run is.
#[derive(Debug, Clone, Copy)]
struct Weather {
    loss: u64,
    doubling: u64,
    kill: u64,
    late_ms: i64,
    changes_ms: i64,
    faults_ms: i64,
    one_lane: bool,
    restores: bool,
    rollbacks: bool,
    clocks: bool,
    retention_ms: i64,
}

/// Everything.
pub struct World {
    at: i64,
    queue: BTreeMap<(i64, u64), Event>,
    events: u64,
    dice: Dice,
    weather: Weather,
    noise: bool,
    site: Site,
    broker: Broker,
    boxes: Vec<EdgeBox>,
    people: People,
    truth: Truth,
    images: Vec<Vec<Disk>>,
    lanes: BTreeMap<(usize, u64), i64>,
    sightings: i64,
    log: Log,
}

/// Whether to tell what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// On standard output, a line an event.
    Told,
    /// Not.
    Silent,
}

/// Runs a seed to its end and answers with what was broken.
pub fn run(seed: u64, rules: Rules, log: Log) -> Vec<Violation> {
    let mut world = World::new(seed, rules, log);
    world.begin();
    while let Some(((at, _), event)) = world.queue.pop_first() {
        if at > BEGIN + NOISE_MS + QUIET_MS || !world.truth.violations.is_empty() {
            break;
        }
        world.at = at;
        if world.noise && at > BEGIN + NOISE_MS {
            world.calm();
        }
        world.apply(event);
    }
    if world.truth.violations.is_empty() {
        let at = world.at;
        world.truth.at_quiet(&world.site, &world.boxes, &world.people, at);
    }
    world.truth.violations.iter().for_each(|broken| {
        world.tell(|| format!("BROKEN {}: {}", broken.invariant, broken.what));
    });
    world.truth.violations
}

impl World {
    fn new(seed: u64, rules: Rules, log: Log) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather {
            loss: dice.pick(&[0, 0, 20, 60]),
            doubling: dice.pick(&[0, 30, 100]),
            kill: dice.pick(&[0, 0, 10, 30]),
            late_ms: dice.pick(&[20_000, 150_000]),
            changes_ms: dice.pick(&[2_000, 6_000, 10_000, 20_000]),
            faults_ms: dice.pick(&[15_000, 30_000, 60_000]),
            one_lane: dice.chance(500),
            restores: dice.chance(500),
            rollbacks: dice.chance(400),
            clocks: dice.chance(300),
            retention_ms: dice.pick(&[80_000, 200_000]),
        };
        let policy =
            dice.pick(&[EnrolPolicy::Auto, EnrolPolicy::Auto, EnrolPolicy::Auto, EnrolPolicy::Approve]);
        let lease_s = dice.pick(&[120, 300, 3_600]);
        let two_models = dice.chance(250);
        let visits_max = dice.pick(&[WAITING_MAX, WAITING_MAX, WAITING_MAX, 3]);
        let model = |edge: usize| usize::from(two_models && edge == EDGES - 1);
        Self {
            at: BEGIN,
            queue: BTreeMap::new(),
            events: 0,
            weather,
            noise: true,
            site: Site::new(Db::new(Epoch(100), policy, lease_s, EDGES), rules),
            broker: Broker::new(EDGES),
            boxes: (0..EDGES).map(|edge| EdgeBox::new(edge, model(edge), visits_max, rules)).collect(),
            people: People::default(),
            truth: Truth::new(EDGES),
            images: vec![vec![]; EDGES],
            lanes: BTreeMap::new(),
            sightings: 0,
            log,
            dice,
        }
    }

    fn begin(&mut self) {
        self.plan(1_000, Event::Heartbeat);
        self.plan(2_000, Event::Manage);
        self.plan(3_000, Event::Visit);
        self.plan(10_000, Event::Backup);
        self.plan(self.weather.faults_ms, Event::Fault);
        for edge in 0..EDGES {
            self.plan(0, Event::Start { edge });
            self.plan(10 + edge as i64, Event::Tick { edge });
        }
    }

    /// From now on nothing goes wrong any more.
    fn calm(&mut self) {
        self.noise = false;
        let Weather { loss, doubling, kill, .. } = &mut self.weather;
        (*loss, *doubling, *kill) = (0, 0, 0);
        self.tell(|| "calm".to_owned());
        self.start_site();
        for edge in 0..EDGES {
            if self.site.db.edges[edge].alarm.shuts_out() {
                self.join_anew(edge);
            }
            self.start(edge);
        }
    }

    fn plan(&mut self, after_ms: i64, event: Event) {
        self.events += 1;
        self.queue.insert((self.at + after_ms, self.events), event);
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        if self.log == Log::Told {
            println!("{:8.1} {}", (self.at - BEGIN) as f64 / 1e3, line());
        }
    }

    /// About so long, as things that come by chance do.
    fn about(&mut self, ms: i64) -> i64 {
        self.dice.between(1, 2 * ms)
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Heartbeat => {
                self.plan(HEARTBEAT_MS, Event::Heartbeat);
                if self.site.up {
                    let now = self.site.now(self.at);
                    self.site.db.date_head(now);
                    self.publish();
                    self.clear_tombstones();
                }
            }
            Event::Publish => self.publish(),
            Event::Manage => self.manage(),
            Event::Visit => self.visit(),
            Event::Fault => self.fault(),
            Event::Backup => self.back_up(),
            Event::Arrives { edge, connection, number, letter } => {
                self.arrives(edge, connection, number, letter)
            }
            Event::Reaches { edge, generation, said } => self.reaches(edge, generation, said),
            Event::Ghost(letter) => self.spread(letter),
            Event::Tick { edge } => self.tick(edge),
            Event::Store { edge, life } => self.store(edge, life),
            Event::Connect { edge } => self.connect(edge),
            Event::Start { edge } => self.start(edge),
            Event::SiteStart => self.start_site(),
            Event::JoinAnew { edge } => self.join_anew(edge),
        }
    }

    fn tick(&mut self, edge: usize) {
        let pause = self.dice.between(1_500, 2_500);
        self.plan(pause, Event::Tick { edge });
        self.step(edge, |edge, at, power, did| {
            edge.apply(Heard::Tick, at, did);
            edge.commit(at, power, did);
            if !did.killed {
                edge.speak(at, did);
                edge.flush();
            }
        });
    }

    /// The storage thread goes on after a while, if there is anything to do.
    fn store_soon(&mut self, edge: usize) {
        let life = self.boxes[edge].life;
        let idle = |daemon: &&mut Daemon| daemon.has_work() && !daemon.storing_due;
        if let Some(daemon) = self.boxes[edge].daemon.as_mut().filter(idle) {
            daemon.storing_due = true;
            let after = self.dice.between(1, 300);
            self.plan(after, Event::Store { edge, life });
        }
    }

    /// Some steps, or all.
    fn store(&mut self, edge: usize, life: u64) {
        if self.boxes[edge].life != life {
            return;
        }
        let most = if self.dice.chance(500) { self.dice.below(6) + 1 } else { usize::MAX };
        self.step(edge, |edge, at, power, did| {
            if let Some(daemon) = &mut edge.daemon {
                daemon.storing_due = false;
            }
            edge.store(at, most, power, did);
            if !did.killed {
                edge.speak(at, did);
            }
        });
        self.store_soon(edge);
    }

    /// One step of an edge, and everything that follows from it.
    fn step(
        &mut self,
        edge: usize,
        what: impl FnOnce(&mut EdgeBox, i64, &mut dyn FnMut() -> bool, &mut Did),
    ) {
        let mut did = Did::default();
        let (dice, kill) = (&mut self.dice, self.weather.kill / 5);
        what(&mut self.boxes[edge], self.at, &mut || !dice.chance(kill), &mut did);
        self.follow(edge, did);
    }

    fn follow(&mut self, edge: usize, did: Did) {
        let Did { acknowledged, says, counted, lost, wrong, killed, gave_up, changed } = did;
        for number in acknowledged {
            self.broker.sessions[edge].pending.remove(&number);
        }
        says.into_iter().for_each(|said| self.say(edge, said));
        counted.into_iter().for_each(|sighting| self.truth.counted(sighting));
        self.truth.excuse(lost.into_iter());
        wrong.into_iter().for_each(|what| self.truth.broken("I6", self.at, format!("edge {edge}: {what}")));
        if gave_up {
            self.truth.broken(
                "I9",
                self.at,
                format!("edge {edge} gave up rows that a repair could have put right"),
            );
        }
        if killed {
            self.kill(edge);
        }
        if changed {
            self.truth.look(&mut self.boxes[edge], self.at);
        }
    }

    fn visit(&mut self) {
        if !self.noise {
            return;
        }
        let pause = self.about(4_000);
        self.plan(pause, Event::Visit);
        let from = self.people.met.saturating_sub(8);
        let person = from + self.dice.below(self.people.met - from + 1);
        let person = person.min(PEOPLE_MAX - 1);
        self.people.met = self.people.met.max(person + 1);
        let first = self.dice.below(EDGES);
        self.comes(person, first);
        if self.dice.chance(300) {
            self.comes(person, (first + 1) % EDGES);
        }
    }

    fn comes(&mut self, person: usize, edge: usize) {
        self.sightings += 1;
        let (sighting, at) = (self.sightings, self.at);
        let mut did = Did::default();
        let saw = self.boxes[edge].see(person, sighting, at, &mut self.people, &mut did);
        self.tell(|| format!("person {person} comes to edge {edge}: {saw:?}, sighting {sighting}"));
        self.leases(edge, &saw);
        self.follow(edge, did);
        if self.dice.chance(600) {
            self.step(edge, |edge, at, power, did| {
                edge.commit(at, power, did);
                if !did.killed {
                    edge.speak(at, did);
                }
            });
        }
        self.store_soon(edge);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World at {}", UnixMs(self.at - BEGIN).0)
    }
}
