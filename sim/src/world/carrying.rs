//! Everything that goes over the wire, and what becomes of it there.

use super::{Event, World};
use crate::{
    edge_box::Saw,
    letter::{Down, Up},
};
use edge::sync::{Event as Heard, Freshness};
use protocol::message::Inbox;

/// What a clock may be off by, and what a box may not remember of the time, before its lease is wrong.
const SLACK_MS: i64 = 200_000;

impl World {
    /// Publishes what the broker has not acknowledged, then the head. The power may go in between.
    pub(super) fn publish(&mut self) {
        if !self.site.up {
            return;
        }
        let published = self.site.db.published;
        let mut rows: Vec<_> = self.site.db.rows.iter().filter(|(_, row)| row.seq > published).collect();
        rows.sort_by_key(|(_, row)| row.seq);
        let faces: Vec<_> = rows.into_iter().map(|(face_id, _)| face_id.clone()).collect();
        for face_id in faces {
            if let Some(change) = self.site.db.change(&face_id) {
                self.spread(Down::Change(change));
            }
            if self.dice.chance(self.weather.kill) {
                return self.kill_site();
            }
        }
        let head = self.site.db.head();
        self.site.issued_at = self.site.issued_at.max(head.issued_at);
        self.spread(Down::Head(head));
        self.site.db.published = self.site.db.totals.seq;
    }

    /// To the broker, and from there to everybody.
    pub(super) fn spread(&mut self, letter: Down) {
        self.broker.retain(&letter);
        for edge in 0..self.boxes.len() {
            self.send(edge, letter.clone());
        }
    }

    pub(super) fn clear_tombstones(&mut self) {
        let now = self.site.now(self.at);
        for face_id in self.site.clearable(now, self.weather.retention_ms) {
            self.tell(|| format!("the tombstone of {face_id} is cleared"));
            self.spread(Down::Cleared(face_id.clone()));
            self.site.db.rows.remove(&face_id);
        }
    }

    fn send(&mut self, edge: usize, letter: Down) {
        let Some(number) = self.broker.take_on(edge, letter) else { return };
        if let Some(connection) = self.broker.sessions[edge].connection {
            self.carry(edge, connection, number);
        }
    }

    /// On its way to an edge: lost, late, doubled, or just carried.
    fn carry(&mut self, edge: usize, connection: u64, number: u64) {
        let Some(letter) = self.broker.sessions[edge].pending.get(&number).cloned() else { return };
        if self.dice.chance(self.weather.loss) {
            self.broker.sessions[edge].pending.remove(&number);
            return self.tell(|| format!("LOST to edge {edge}: {}", brief(&letter)));
        }
        let lane = match &letter {
            Down::Inbox(_) => 1,
            _ if self.weather.one_lane => 0,
            Down::Head(_) => 2,
            Down::Change(change) => 3 + u64::from(protocol::bucket_of(&change.face_id)),
            Down::Cleared(face_id) => 3 + u64::from(protocol::bucket_of(face_id)),
        };
        let takes = if self.dice.chance(900) {
            self.dice.between(50, 1_000)
        } else {
            self.dice.between(1_000, 15_000)
        };
        let last = self.lanes.get(&(edge, lane)).copied().unwrap_or(0);
        let arrives = (self.at + takes).max(last + 1);
        self.lanes.insert((edge, lane), arrives);
        self.plan(
            arrives - self.at,
            Event::Arrives { edge, connection, number: Some(number), letter: letter.clone() },
        );
        if self.dice.chance(self.weather.doubling) {
            let late = arrives - self.at + self.dice.between(1_000, self.weather.late_ms);
            self.plan(late, Event::Arrives { edge, connection, number: None, letter });
        }
    }

    pub(super) fn arrives(&mut self, edge: usize, connection: u64, number: Option<u64>, letter: Down) {
        let session = &self.broker.sessions[edge];
        // What was under way when a connection ended comes again on the next one; a double may come at any time.
        let lost = session.connection != Some(connection) && number.is_some();
        if lost || session.connection.is_none() || self.boxes[edge].daemon.is_none() {
            return;
        }
        if number.is_some_and(|number| !session.pending.contains_key(&number)) {
            return;
        }
        self.tell(|| format!("edge {edge} hears {}", brief(&letter)));
        let at_once = self.dice.chance(600);
        self.step(edge, |edge, at, power, did| {
            if !power() {
                did.killed = true;
                return;
            }
            edge.hear(number, letter, at, did);
            if at_once {
                edge.commit(at, power, did);
                if !did.killed {
                    edge.speak(at, did);
                }
            }
        });
        self.store_soon(edge);
    }

    /// From an edge towards the website.
    pub(super) fn say(&mut self, edge: usize, said: Up) {
        if self.broker.sessions[edge].connection.is_none() {
            return;
        }
        self.tell(|| format!("edge {edge} says {}", brief_up(&said)));
        let generation = self.boxes[edge].generation;
        let copies = if self.dice.chance(self.weather.doubling) { 2 } else { 1 };
        for copy in 0..copies {
            if self.dice.chance(self.weather.loss) {
                continue;
            }
            let takes = if self.dice.chance(900) {
                self.dice.between(50, 1_000)
            } else {
                self.dice.between(1_000, 20_000)
            };
            let late = if copy > 0 { self.dice.between(0, self.weather.late_ms) } else { 0 };
            let lane = 100_000 + u64::from(matches!(said, Up::Visit(_)));
            let last = self.lanes.get(&(edge, lane)).copied().unwrap_or(0);
            let arrives = (self.at + takes).max(last + 1) + late;
            if copy == 0 {
                self.lanes.insert((edge, lane), arrives);
            }
            self.plan(arrives - self.at, Event::Reaches { edge, generation, said: said.clone() });
        }
    }

    pub(super) fn reaches(&mut self, edge: usize, generation: u32, said: Up) {
        if matches!(said, Up::Applied(_)) && generation != self.boxes[edge].generation {
            // Signed by the key of a box that is not there any more.
            return;
        }
        if !self.site.up || self.dice.chance(self.weather.kill / 3) {
            if self.site.up {
                self.kill_site();
            }
            // Not acknowledged: the broker keeps it until the website is there again.
            return self.plan(2_000, Event::Reaches { edge, generation, said });
        }
        let nonce = if let Up::Applied(applied) = &said { Some(applied.start.nonce) } else { None };
        let again = said.clone();
        let answer = self.site.hear(edge, said, self.at, &mut self.dice);
        if let Some(face_id) = &answer.enrolled {
            self.tell(|| format!("{face_id} becomes a customer"));
            self.truth.enrolled(face_id, &self.site, &self.people, self.at);
        }
        if nonce.is_some() {
            self.tell(|| format!("the website believes of edge {edge}: {:?}", answer.believes));
        }
        let alive = nonce.is_none_or(|nonce| !self.boxes[edge].dead.contains(&nonce));
        if let Some(state) = answer.believes.filter(|_| alive) {
            self.truth.believed(edge, state);
        }
        for (key, probe) in answer.receipts.iter().filter(|_| alive) {
            self.truth.receipt(edge, key, *probe, self.at);
        }
        if answer.stale_hit {
            self.truth.broken(
                "I2",
                self.at,
                format!("a hit at edge {edge} on somebody it had verified as removed"),
            );
        }
        if let Some(sighting) = answer.collision {
            self.truth.broken("I4", self.at, format!("the number of sighting {sighting} was used before"));
        }
        if answer.shut_out {
            self.shut_out(edge);
        }
        self.truth.look(&mut self.boxes[edge], self.at);
        if self.dice.chance(self.weather.kill / 3) {
            // Stored, but nobody is told, and the broker says it again.
            self.kill_site();
            return self.plan(2_000, Event::Reaches { edge, generation, said: again });
        }
        for inbox in answer.inbox {
            self.send(edge, Down::Inbox(inbox));
        }
        let soon = self.dice.pick(&[100, 500, 2_000]);
        self.plan(soon, Event::Publish);
    }

    pub(super) fn connect(&mut self, edge: usize) {
        let box_ = &self.boxes[edge];
        let able = box_.daemon.is_some() && !self.site.db.edges[edge].alarm.shuts_out();
        if !able || self.broker.sessions[edge].connection.is_some() {
            return;
        }
        let remembered = self.broker.sessions[edge].remembered;
        self.tell(|| format!("edge {edge} connects, {}", if remembered { "remembered" } else { "unknown" }));
        if remembered && self.noise && self.dice.chance(200) {
            self.cut_backlog(edge);
        }
        let numbers = self.broker.connect(edge);
        let Some(connection) = self.broker.sessions[edge].connection else { return };
        self.step(edge, |edge, at, _, did| {
            edge.apply(Heard::SessionBegan, at, did);
        });
        numbers.into_iter().for_each(|number| self.carry(edge, connection, number));
    }

    fn cut_backlog(&mut self, edge: usize) {
        let pending = &mut self.broker.sessions[edge].pending;
        let keep = self.dice.below(pending.len() + 1);
        let kept = std::mem::take(pending).into_iter().take(keep).collect();
        *pending = kept;
    }

    /// Recognition goes on exactly as long as the lease says, once that is stored.
    pub(super) fn leases(&mut self, edge: usize, saw: &Saw) {
        let (system, at, clocks) = (self.boxes[edge].system(self.at), self.at, self.weather.clocks);
        let Some(daemon) = &mut self.boxes[edge].daemon else { return };
        let now = daemon.now(system, at);
        let Some((lease, _)) = daemon.core.lease() else { return };
        let until = lease.until().0;
        let stored = !daemon.has_work();
        if *saw == Saw::NoLease && stored && lease.freshness(now.wall) != Freshness::Expired {
            self.truth.broken("I10", at, format!("edge {edge} recognises nobody although its lease lasts"));
        } else if !matches!(saw, Saw::NoLease | Saw::Off) && !clocks && at > until + SLACK_MS {
            self.truth.broken("I10", at, format!("edge {edge} recognises people after its lease"));
        }
    }
}

fn brief(letter: &Down) -> String {
    match letter {
        Down::Change(change) => format!("change {} {:?} epoch {}", change.face_id, change.seq, change.epoch),
        Down::Cleared(face_id) => format!("cleared {face_id}"),
        Down::Head(head) => format!("head {:?} epoch {} of {}", head.seq, head.epoch, head.issued_at.0),
        Down::Inbox(Inbox::Roster(roster)) => {
            format!("roster {} of {}, as of {:?}", roster.page, roster.pages, roster.as_of_seq)
        }
        Down::Inbox(Inbox::Change { change, .. }) => format!("wanted {} {:?}", change.face_id, change.seq),
        Down::Inbox(Inbox::Settled(settled)) => format!("settled through {}", settled.through),
        Down::Inbox(Inbox::ReceiptsStored(stored)) => format!("{} receipts stored", stored.receipts.len()),
        Down::Inbox(Inbox::Command(order)) => format!("order {order:?}"),
    }
}

fn brief_up(said: &Up) -> String {
    match said {
        Up::Applied(applied) => format!(
            "applied {:?} epoch {} {:?}, {} receipts",
            applied.verified,
            applied.epoch,
            applied.state,
            applied.receipts.len()
        ),
        Up::Repair(repair) => format!("repair, round {}", repair.round),
        Up::Want(want) => format!("want {:?}", want.faces),
        Up::Visit(visit) => format!("visit {} of sighting {}", visit.n, visit.at.0),
    }
}
