//! Visits at the website: judged, stored once, settled.

use super::{Answer, Site};
use crate::{dice::Dice, people, rules::Rule};
use protocol::{
    Embedding, FaceId, SpaceId, UnixMs,
    message::{Basis, Customer, EnrolPolicy, Inbox, Seen, Settled, Similarity, Visit},
};
use website::{
    decide::{
        settle,
        visit::{self, Verdict},
    },
    tables::spaces::Space,
};

/// The thresholds that both models registered.
fn space(id: &SpaceId) -> Space {
    let model = usize::from(*id == people::space(1));
    let dimension = people::DIMENSIONS[model];
    Space { id: id.clone(), dimension, match_at: Similarity(5_500), new_below: Similarity(4_500) }
}

impl Site {
    pub(super) fn visit(&mut self, edge: usize, visit: &Visit, now: UnixMs, dice: &mut Dice) -> Answer {
        let mut answer = Answer::default();
        let key = (edge, visit.stream, visit.n);
        match self.db.visits.get(&key) {
            Some(sighting) if *sighting != visit.at.0 => answer.collision = Some(visit.at.0),
            Some(_) => {}
            None => {
                self.db.visits.insert(key, visit.at.0);
                self.store(visit, now, dice, &mut answer);
            }
        }
        let stored: Vec<u64> = self
            .db
            .visits
            .range((edge, visit.stream, visit.first_unsettled)..=(edge, visit.stream, u64::MAX))
            .map(|((_, _, n), _)| *n)
            .collect();
        if let Some(through) = settle::through(visit.first_unsettled, &stored) {
            let (epoch, seq) = (self.db.totals.epoch, self.db.totals.seq);
            answer.inbox.push(Inbox::Settled(Settled {
                epoch,
                seq,
                stream: visit.stream,
                from: visit.first_unsettled,
                through,
                at: settle::dated(now, self.db.backed_up_at),
            }));
        }
        answer
    }

    fn store(&mut self, visit: &Visit, now: UnixMs, dice: &mut Dice, answer: &mut Answer) {
        let totals = self.db.totals;
        let basis = match self.rules.lack(Rule::Basis) {
            true => Basis { epoch: totals.epoch, verified: totals.seq, staleness_s: 0 },
            false => visit.basis,
        };
        match &visit.seen {
            Seen::Anonymous => {}
            Seen::Known { face_id, .. } => {
                let standing = visit::standing(self.db.traces(face_id), &totals);
                answer.stale_hit =
                    visit::known(face_id, &standing, &visit.basis, &totals) == Verdict::StaleHit;
            }
            Seen::New { face_id, space: id, embedding } => {
                let standing = visit::standing(self.db.traces(face_id), &totals);
                let (space, policy) = (space(id), self.db.policy);
                let dimension = embedding.dimension();
                let early =
                    visit::new_before_search(&standing, Some(&space), dimension, &basis, &totals, policy);
                let customer = customer(id, embedding);
                let verdict = early.unwrap_or_else(|| self.compare(&customer, &space, policy, dice));
                self.take(face_id, customer, verdict, now, answer);
            }
        }
    }

    fn compare(&self, new: &Customer, space: &Space, policy: EnrolPolicy, dice: &mut Dice) -> Verdict {
        let same = self
            .db
            .live()
            .find(|(_, _, customer, _)| customer.space == new.space && customer.embedding == new.embedding);
        // Now and then a person is not seen well enough to be told from a stranger.
        let similarity = if dice.chance(60) { 0.5 } else { 0.99 };
        visit::new_after_search(same.map(|(face_id, ..)| (face_id, similarity)), space, policy)
    }

    fn take(
        &mut self,
        face_id: &FaceId,
        customer: Customer,
        verdict: Verdict,
        now: UnixMs,
        answer: &mut Answer,
    ) {
        match verdict {
            Verdict::MergeInto(winner) => self.db.merge(face_id, &winner, now),
            Verdict::Enrol { .. } => {
                self.db.put(face_id, customer, now);
                answer.enrolled = Some(face_id.clone());
            }
            Verdict::Wait => drop(self.db.review.insert(face_id.clone(), customer)),
            Verdict::Of(..) | Verdict::Nobody(_) | Verdict::StaleHit | Verdict::Dead(_) => {}
        }
    }

    /// A manager accepts a face of the review queue: it is compared once more.
    pub fn accept(&mut self, face_id: &FaceId, now: UnixMs, dice: &mut Dice) -> Option<FaceId> {
        let customer = self.db.review.remove(face_id)?;
        let space = space(&customer.space);
        match self.compare(&customer, &space, EnrolPolicy::Auto, dice) {
            Verdict::MergeInto(winner) => {
                self.db.merge(face_id, &winner, now);
                None
            }
            _ => {
                self.db.put(face_id, customer, now);
                Some(face_id.clone())
            }
        }
    }
}

fn customer(space: &SpaceId, embedding: &Embedding) -> Customer {
    let (name, flag) = Default::default();
    Customer { name, flag, space: space.clone(), embedding: embedding.clone() }
}
