//! Everything that can go wrong with a machine.

use super::{EDGES, Event, World};
use crate::{
    edge_box::{EdgeBox, Kill},
    letter::{Down, Up},
};
use edge::sync::Event as Heard;
use protocol::{
    Nonce,
    message::{Command as Order, Inbox, Start},
};

impl World {
    pub(super) fn fault(&mut self) {
        if !self.noise {
            return;
        }
        let pause = self.about(self.weather.faults_ms);
        self.plan(pause, Event::Fault);
        let edge = self.dice.below(EDGES);
        match self.dice.below(100) {
            0..34 => self.cut(edge),
            34..46 => self.kill(edge),
            46..54 => self.forget_everything(),
            54..64 => self.kill_site(),
            64..73 if self.weather.restores => self.restore(),
            73..78 => self.rot(edge),
            78..81 => self.lose_cache(edge),
            81..83 => self.replace(edge),
            83..90 if self.weather.rollbacks => self.roll_back(edge),
            90..92 if self.weather.rollbacks => self.clone_speaks(edge),
            92..98 if self.weather.clocks => self.turn_clocks(edge),
            _ => {}
        }
        for (image, edge) in self.images.iter_mut().zip(&self.boxes) {
            if self.dice.chance(300) {
                image.push(edge.disk.clone());
            }
        }
    }

    fn cut(&mut self, edge: usize) {
        if self.broker.sessions[edge].connection.take().is_none() {
            return;
        }
        self.tell(|| format!("edge {edge} is cut off"));
        if self.dice.chance(200) {
            self.broker.sessions[edge] = Default::default();
        }
        self.step(edge, |edge, at, power, did| {
            edge.apply(Heard::SessionEnded, at, did);
            edge.commit(at, power, did);
        });
        let away = self.dice.pick(&[5_000, 30_000, 120_000, 240_000]);
        self.plan(away, Event::Connect { edge });
    }

    pub(super) fn kill(&mut self, edge: usize) {
        if self.boxes[edge].daemon.is_none() {
            return;
        }
        self.tell(|| format!("edge {edge} is killed"));
        let how = self.dice.pick(&[Kill::Process, Kill::Power]);
        self.boxes[edge].kill(how);
        self.broker.sessions[edge].connection = None;
        let off = self.dice.between(1_000, 10_000);
        self.plan(off, Event::Start { edge });
    }

    pub(super) fn start(&mut self, edge: usize) {
        if self.boxes[edge].daemon.is_none() {
            self.boxes[edge].start(self.at, &mut self.dice);
            self.tell(|| format!("edge {edge} starts"));
            self.truth.look(&mut self.boxes[edge], self.at);
            self.store_soon(edge);
        }
        self.connect(edge);
    }

    fn forget_everything(&mut self) {
        self.tell(|| "the broker forgets everything".to_owned());
        self.broker.forget();
        for edge in 0..EDGES {
            self.step(edge, |edge, at, _, did| {
                edge.apply(Heard::SessionEnded, at, did);
            });
            let back = self.dice.between(1_000, 10_000);
            self.plan(back, Event::Connect { edge });
        }
        // The website's own session is lost too, so it publishes everything again.
        self.site.db.published = protocol::Seq(0);
        let back = self.dice.between(1_000, 10_000);
        self.plan(back, Event::Publish);
    }

    pub(super) fn kill_site(&mut self) {
        if !self.site.up {
            return;
        }
        self.tell(|| "the website is killed".to_owned());
        self.site.up = false;
        // Another replica takes over; what this one had on its way to the broker still comes.
        for _ in 0..self.dice.below(3) {
            let kept: Vec<Down> = self.broker.customers.values().cloned().map(Down::Change).collect();
            let head = self.broker.head.clone().map(Down::Head);
            let ghosts: Vec<Down> = kept.into_iter().chain(head).collect();
            if !ghosts.is_empty() {
                let ghost = ghosts[self.dice.below(ghosts.len())].clone();
                let late = self.dice.between(1_000, 20_000);
                self.plan(late, Event::Ghost(ghost));
            }
        }
        let off = self.dice.between(1_000, 25_000);
        self.plan(off, Event::SiteStart);
    }

    pub(super) fn start_site(&mut self) {
        if !self.site.up {
            self.tell(|| "the website starts".to_owned());
            self.site.up = true;
            self.publish();
        }
    }

    pub(super) fn back_up(&mut self) {
        let pause = self.dice.between(40_000, 120_000);
        self.plan(pause, Event::Backup);
        if self.noise && self.site.up {
            self.tell(|| format!("a backup is made at {}", self.site.db.totals.seq));
            let now = self.site.now(self.at);
            self.site.backups.push(self.site.db.clone());
            self.site.db.backed_up_at = self.site.db.backed_up_at.max(Some(now));
            self.site.db.date_head(now);
        }
    }

    fn restore(&mut self) {
        let newest = self.site.backups.len();
        if !self.site.up || newest == 0 {
            return;
        }
        // An older backup than the newest loses what edges have let go of since: nobody can help that.
        let which = newest - 1 - if self.dice.chance(700) { 0 } else { self.dice.below(newest.min(3)) };
        let before = std::mem::replace(&mut self.site.db, self.site.backups[which].clone());
        self.site.backups.truncate(which + 1);
        let boxes = &self.boxes;
        let older = which + 1 < newest;
        let resent = |sighting: i64| {
            boxes.iter().any(|edge| edge.disk.outbox.visits.iter().any(|(visit, _)| visit.at.0 == sighting))
        };
        let lost = before.visits.iter().filter(|(key, _)| !self.site.db.visits.contains_key(*key));
        let lost = lost.map(|(_, sighting)| *sighting).filter(|sighting| older || !resent(*sighting));
        self.truth.excuse(lost);
        let now = self.site.now(self.at);
        self.site.begin_epoch(now);
        self.tell(|| {
            let totals = &self.site.db.totals;
            format!("RESTORED from {} to {}, epoch {}", before.totals.seq, totals.seq, totals.epoch)
        });
        self.truth.new_epoch(&self.site, self.at);
        // The website asks the broker for what it keeps, and clears what it does not know.
        let unknown: Vec<_> = self
            .broker
            .customers
            .keys()
            .filter(|face| !self.site.db.rows.contains_key(*face))
            .cloned()
            .collect();
        unknown.into_iter().for_each(|face_id| self.spread(Down::Cleared(face_id)));
        self.publish();
    }

    /// A bit flips in a row at rest.
    fn rot(&mut self, edge: usize) {
        self.kill(edge);
        let faces: Vec<_> = self.boxes[edge].disk.cache.rows.keys().cloned().collect();
        if faces.is_empty() {
            return;
        }
        let face_id = faces[self.dice.below(faces.len())].clone();
        self.tell(|| format!("the row of {face_id} rots at edge {edge}"));
        self.boxes[edge].disk.damage(|cache, _| {
            if let (Some((_, _, customer)), Ok(name)) = (cache.rows.get_mut(&face_id), "Mallory".parse()) {
                customer.name = name;
            }
        });
        self.boxes[edge].rows_are_others();
    }

    fn lose_cache(&mut self, edge: usize) {
        self.kill(edge);
        self.tell(|| format!("edge {edge} loses its cache"));
        self.boxes[edge].disk.damage(|cache, _| *cache = Default::default());
        self.boxes[edge].rows_are_others();
    }

    /// Another box joins in the place of this one.
    fn replace(&mut self, edge: usize) {
        self.kill(edge);
        self.tell(|| format!("edge {edge} is another box"));
        self.fresh_box(edge);
        self.site.join_anew(edge);
    }

    fn fresh_box(&mut self, edge: usize) {
        self.disown(edge);
        let old = &self.boxes[edge];
        self.truth.excuse(old.disk.outbox.visits.iter().map(|(visit, _)| visit.at.0));
        let EdgeBox { disk, .. } = &mut self.boxes[edge];
        *disk = Default::default();
        self.boxes[edge].generation += 1;
        self.boxes[edge].rows_are_others();
        self.images[edge].clear();
        self.broker.sessions[edge] = Default::default();
    }

    /// What this disk has reported so far is not to be counted on any more.
    fn disown(&mut self, edge: usize) {
        self.truth.void(edge);
        self.boxes[edge].dead = self.boxes[edge].nonces.clone();
    }

    fn roll_back(&mut self, edge: usize) {
        let images = self.images[edge].len();
        if images == 0 {
            return;
        }
        let image = self.images[edge][images - 1 - self.dice.below(images.min(4))].clone();
        self.disown(edge);
        self.kill(edge);
        self.tell(|| format!("edge {edge} is ROLLED BACK to start {}", image.outbox.starts));
        let kept: Vec<i64> = image.outbox.visits.iter().map(|(visit, _)| visit.at.0).collect();
        let now = self.boxes[edge].disk.outbox.visits.iter().map(|(visit, _)| visit.at.0);
        self.truth.excuse(now.filter(|sighting| !kept.contains(sighting)));
        self.boxes[edge].disk = image;
        self.boxes[edge].rows_are_others();
    }

    /// A second box with the same identity says something.
    fn clone_speaks(&mut self, edge: usize) {
        let Some(daemon) = &self.boxes[edge].daemon else { return };
        let start = Start { count: daemon.start.count, nonce: Nonce(self.dice.number()) };
        let system = self.boxes[edge].system(self.at);
        let Some(daemon) = &mut self.boxes[edge].daemon else { return };
        let now = daemon.now(system, self.at);
        let claim = daemon.core.claim(now);
        if let Some(Up::Applied(mut applied)) = daemon.reports(&claim, now).pop() {
            applied.start = start;
            applied.receipts.clear();
            self.tell(|| format!("a clone of edge {edge} speaks"));
            let generation = self.boxes[edge].generation;
            self.reaches(edge, generation, Up::Applied(applied));
        }
    }

    /// The website shuts an edge out; a person has it join anew after a while.
    pub(super) fn shut_out(&mut self, edge: usize) {
        self.tell(|| format!("edge {edge} is shut out"));
        self.broker.sessions[edge] = Default::default();
        self.step(edge, |edge, at, _, did| {
            edge.apply(Heard::SessionEnded, at, did);
        });
        let later = self.dice.between(5_000, 60_000);
        self.plan(later, Event::JoinAnew { edge });
    }

    pub(super) fn join_anew(&mut self, edge: usize) {
        if self.site.db.edges[edge].alarm.shuts_out() {
            self.replace(edge);
            self.start(edge);
        }
    }

    /// Clocks jump: the website's, and those of boxes.
    fn turn_clocks(&mut self, edge: usize) {
        match self.dice.below(3) {
            0 => self.site.clock_off_ms = self.dice.between(-30_000, 30_000),
            1 => self.boxes[edge].clock_off_ms = self.dice.between(-100_000_000, 60_000),
            _ => self.boxes[edge].clock_off_ms = 0,
        }
        self.tell(|| {
            format!(
                "clocks: website {}, edge {edge} {}",
                self.site.clock_off_ms, self.boxes[edge].clock_off_ms
            )
        });
    }

    pub(super) fn order_repair(&mut self) {
        let edge = self.dice.below(EDGES);
        if let Some(number) = self.broker.take_on(edge, Down::Inbox(Inbox::Command(Order::Repair)))
            && let Some(connection) = self.broker.sessions[edge].connection
        {
            let letter = Down::Inbox(Inbox::Command(Order::Repair));
            self.plan(100, Event::Arrives { edge, connection, number: Some(number), letter });
        }
    }
}
