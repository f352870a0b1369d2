//! What people do at the website.

use super::{Event, World};
use protocol::{FaceId, message::EnrolPolicy};

impl World {
    pub(super) fn manage(&mut self) {
        if !self.noise {
            return;
        }
        let pause = self.about(self.weather.changes_ms);
        self.plan(pause, Event::Manage);
        if !self.site.up {
            return;
        }
        let soon = self.dice.pick(&[100, 500, 2_000]);
        self.plan(soon, Event::Publish);
        let now = self.site.now(self.at);
        let waiting: Vec<FaceId> = self.site.db.review.keys().cloned().collect();
        if !waiting.is_empty() && self.dice.chance(600) {
            let face_id = waiting[self.dice.below(waiting.len())].clone();
            return self.review(&face_id);
        }
        let faces: Vec<FaceId> = self.site.db.live().map(|(face_id, ..)| face_id.clone()).collect();
        if faces.is_empty() {
            return;
        }
        let face_id = faces[self.dice.below(faces.len())].clone();
        match self.dice.below(100) {
            0..55 => self.rename(&face_id),
            55..78 => {
                self.site.remove(&face_id, now);
                self.truth.removed(&face_id, &self.site, &self.people);
                self.tell(|| format!("{face_id} is removed at {}", self.site.db.totals.seq));
            }
            78..94 => self.merge(&face_id, &faces),
            94..97 => {
                let date = now;
                self.site.db.policy = match self.site.db.policy {
                    EnrolPolicy::Auto => EnrolPolicy::Off,
                    EnrolPolicy::Off => EnrolPolicy::Approve,
                    EnrolPolicy::Approve => EnrolPolicy::Auto,
                };
                self.site.db.date_head(date);
            }
            _ => self.order_repair(),
        }
    }

    fn review(&mut self, face_id: &FaceId) {
        let now = self.site.now(self.at);
        if self.dice.chance(700) {
            let enrolled = self.site.accept(face_id, now, &mut self.dice);
            self.tell(|| format!("{face_id} is accepted"));
            if let Some(face_id) = enrolled {
                self.truth.enrolled(&face_id, &self.site, &self.people, self.at);
            }
        } else {
            self.site.remove(face_id, now);
            self.truth.removed(face_id, &self.site, &self.people);
            self.tell(|| format!("{face_id} is refused at {}", self.site.db.totals.seq));
        }
    }

    fn rename(&mut self, face_id: &FaceId) {
        let now = self.site.now(self.at);
        let name = format!("Name {}", self.dice.below(1_000));
        let found = self
            .site
            .db
            .live()
            .find(|(face, ..)| *face == face_id)
            .map(|(_, _, customer, _)| customer.clone());
        if let (Some(mut customer), Ok(name)) = (found, name.parse()) {
            customer.name = name;
            self.site.db.put(face_id, customer, now);
            self.tell(|| format!("{face_id} is renamed at {}", self.site.db.totals.seq));
        }
    }

    /// Two customers who are the same person become one.
    fn merge(&mut self, winner: &FaceId, faces: &[FaceId]) {
        let person = self.people.person(winner);
        let loser = faces.iter().find(|face| *face != winner && self.people.person(face) == person).cloned();
        if let Some(loser) = loser {
            let now = self.site.now(self.at);
            self.site.db.merge(&loser, winner, now);
            self.tell(|| format!("{loser} is merged into {winner} at {}", self.site.db.totals.seq));
        }
    }
}
