//! How trouble comes over the stage while people go on.

use super::{
    stage::{EDGES, Stage},
    trouble::Trouble,
};
use crate::{Fault, Random};
use crash_point::REPAIR;
use std::{
    thread,
    time::{Duration, Instant},
};

const ACTIONS: usize = 12;
/// How long nothing new is done while an armed program is expected to reach its crash point: longer than the two seconds
/// of silence after which an edge asks for a repair.
const QUIET: Duration = Duration::from_secs(4);
/// How often everything that leads to a crash point is done again before the round fails.
const PROVOCATIONS: usize = 10;
/// How often it is looked whether a program has died.
const LOOK: Duration = Duration::from_millis(20);
/// Sightings at each edge around a restart of the broker, one after the other.
const CROWD: usize = 4;
/// Bytes before a cut, at most: inside of the first packets, or a few hundred packets later.
const CUT_WITHIN: usize = 3_000;

impl Stage {
    /// Begins the trouble and does things until it came.
    ///
    /// # Panics
    /// When a crash point was not reached: a round without its trouble has shown nothing.
    pub(super) fn suffer(&mut self, trouble: Trouble, victim: usize, random: &mut Random) {
        self.begin(trouble, victim, random);
        let strikes = 3 + random.below(ACTIONS / 2);
        for action in 0..ACTIONS {
            if action == strikes {
                self.strike(trouble, victim);
            }
            self.go_on(trouble, action, random);
            self.act(action, victim, random);
            // People do not wait for one another's changes to arrive, and neither do these.
            thread::sleep(Duration::from_millis(random.number() % 25));
        }
        self.provoke(victim, random);
    }

    /// What begins before anything is done.
    fn begin(&mut self, trouble: Trouble, victim: usize, random: &mut Random) {
        // There is one repair, and what comes after it need not lead to another.
        let mut armed =
            |point: &str| format!("{point}:{}", if point == REPAIR { 0 } else { random.below(2) });
        if let Trouble::WebsiteDies(point) = trouble {
            if point == REPAIR {
                // Nothing but a repair fills it again.
                std::fs::remove_file(self.doors[victim].edge.state().join("cache.db")).unwrap();
            }
            self.kill_website();
            self.site.resume_to_die(&armed(point));
        }
        match trouble {
            Trouble::EdgesDie(_) => {
                let points: Vec<String> = trouble.points().into_iter().map(armed).collect();
                self.open(&points);
            }
            _ => {
                self.open(&[]);
                self.connected_or_not();
            }
        }
        match trouble {
            Trouble::Wire(fault) => self.doors.iter().for_each(|door| door.wire.turn(fault)),
            Trouble::WebsiteWire(fault) => self.apart().wire.turn(fault),
            _ => {}
        }
    }

    /// What happens once, in the middle.
    fn strike(&mut self, trouble: Trouble, victim: usize) {
        match trouble {
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
    }

    /// What happens again and again.
    fn go_on(&mut self, trouble: Trouble, action: usize, random: &mut Random) {
        let bytes = Fault::CutAt(random.below(CUT_WITHIN) as u64);
        match trouble {
            Trouble::Wire(Fault::CutAt(_)) => random.pick(&self.doors).wire.turn(bytes),
            Trouble::WebsiteWire(Fault::CutAt(_)) => self.apart().wire.turn(bytes),
            Trouble::BrokerRestarted if action % 4 == 3 => self.restart_broker(),
            Trouble::BrokerRestartedAmidVisits if action % 4 == 3 => {
                self.crowd(random);
                self.restart_broker();
                self.crowd(random);
            }
            _ => {}
        }
    }

    /// Customers who are known come in everywhere at once.
    fn crowd(&mut self, random: &mut Random) {
        for n in 0..CROWD * EDGES {
            self.somebody_known(n % EDGES, random);
        }
    }

    /// Does what leads to crash points until every program that was to die at one has.
    fn provoke(&mut self, victim: usize, random: &mut Random) {
        for _ in 0..PROVOCATIONS {
            let end = Instant::now() + QUIET;
            while Instant::now() < end {
                if self.crash_points_ahead().is_empty() {
                    return;
                }
                thread::sleep(LOOK);
            }
            (0..EDGES).for_each(|door| self.somebody_new(door));
            // A customer is removed and another one renamed.
            [1, 2].into_iter().for_each(|action| self.act(action, victim, random));
        }
        panic!("not reached in spite of everything: {}", self.crash_points_ahead().join(", "));
    }
}
