//! How trouble comes over the stage while people go on.

use super::{
    stage::{EDGES, Stage},
    trouble::Trouble,
};
use crate::{Fault, Random};
use std::{
    thread,
    time::{Duration, Instant},
};

const ACTIONS: usize = 12;
/// How long an armed program is given to reach its crash point once everything has been done. Whether it does is part of
/// what is looked for, so that nothing but time can end the waiting.
const DEATH: Duration = Duration::from_millis(1_500);
/// The same where only a repair leads to it: an edge asks for one when nothing has come for two seconds.
const DEATH_BY_REPAIR: Duration = Duration::from_secs(6);
const REPAIR: &str = "website_repair_before_answered";
/// Points that a round passes once for certain, and perhaps never again: whoever is to die there dies the first time.
const PASSED_ONCE: [&str; 4] =
    [REPAIR, "website_removed_before_ledger", "edge_log_emptied", "edge_outbox_log_emptied"];
/// How often it is looked whether a program has died.
const LOOK: Duration = Duration::from_millis(20);
/// Sightings at each edge around a restart of the broker, one after the other.
const CROWD: usize = 4;
/// Bytes before a cut, at most: inside of the first packets, or a few hundred packets later.
const CUT_WITHIN: usize = 3_000;

impl Stage {
    /// Begins the trouble and does things meanwhile; tells whether it came.
    pub(super) fn suffer(&mut self, trouble: Trouble, victim: usize, random: &mut Random) -> bool {
        let passes = match trouble {
            Trouble::EdgeDies(point) | Trouble::WebsiteDies(point) if PASSED_ONCE.contains(&point) => 0,
            _ => random.below(2),
        };
        self.begin(trouble, victim, passes);
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
        self.died(trouble, victim)
    }

    /// What begins before anything is done.
    fn begin(&mut self, trouble: Trouble, victim: usize, passes: usize) {
        if let Trouble::WebsiteDies(point) = trouble {
            if point == REPAIR {
                // Nothing but a repair fills it again.
                std::fs::remove_file(self.doors[victim].edge.state().join("cache.db")).unwrap();
            }
            self.kill_website();
            self.site.resume_to_die(&format!("{point}:{passes}"));
        }
        match trouble {
            Trouble::EdgeDies(point) => self.open(Some((victim, &format!("{point}:{passes}")))),
            _ => {
                self.open(None);
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

    /// Whether the trouble came, as far as it is a program's death.
    fn died(&mut self, trouble: Trouble, victim: usize) -> bool {
        let patience = if trouble == Trouble::WebsiteDies(REPAIR) { DEATH_BY_REPAIR } else { DEATH };
        let end = Instant::now() + patience;
        loop {
            let dead = match trouble {
                Trouble::EdgeDies(_) => self.doors[victim].edge.has_died(),
                Trouble::WebsiteDies(_) => self.site.has_died(),
                _ => true,
            };
            if dead || Instant::now() > end {
                return dead;
            }
            thread::sleep(LOOK);
        }
    }
}
