//! From a face to a visit.

use super::Daemon;
use crate::{
    face::Decision,
    input::Sighting,
    live::{Answer, Verdict, Who},
    notice::Notice,
    presence::Arrival,
    store::{NewVisit, OwnFace},
    sync::{Command, Provisional, Weight},
};
use anyhow::{Context, Result};
use protocol::{
    FaceId,
    message::{Basis, EnrolPolicy, Seen, Similarity},
};

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// It is in the outbox.
    Stored,
    /// There was no room for it; it is counted as such.
    NotStored,
}

impl Daemon {
    /// Decides on a face under the lease, and counts the visit when a stay begins.
    pub(super) fn see(&mut self, sighting: Sighting) -> Result<Answer> {
        let now = self.clock.wall();
        let Ok(answer) = self.memory.live.decide(sighting.vector.as_slice(), sighting.grade, now) else {
            tracing::error!("a face of another model was shown to this edge, and not looked at");
            return Ok(Answer::NoLease);
        };
        let (Answer::Decided(verdict), Some((lease, enrol)), Some(epoch)) =
            (&answer, self.core.lease(), self.core.standing().epoch)
        else {
            return Ok(answer);
        };
        let basis = Basis { epoch, verified: self.core.standing().floor, staleness_s: lease.age_s(now) };
        match (verdict, enrol) {
            (Verdict { decision: Decision::Known, who: Some(who), similarity }, _) => {
                let Who { face_id, .. } = who;
                if self.memory.presence.seen(face_id, sighting.at) == Arrival::Arrives {
                    let similarity = similarity.unwrap_or(Similarity(0));
                    let seen = Seen::Known { face_id: face_id.clone(), similarity };
                    self.count(seen, Weight::Known, basis, &sighting)?;
                }
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Auto | EnrolPolicy::Approve) => {
                self.mint(basis, &sighting)?;
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Off) => {
                self.count_stranger(basis, &sighting)?
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Where nobody is enrolled, a stay is counted and the face is kept for as long as it lasts, in memory only.
    fn count_stranger(&mut self, basis: Basis, sighting: &Sighting) -> Result<()> {
        match self.memory.presence.stranger_seen(sighting.vector.as_slice(), sighting.at) {
            Arrival::Arrives => self.count(Seen::Anonymous, Weight::Anonymous, basis, sighting).map(|_| ()),
            Arrival::Stays => Ok(()),
        }
    }

    /// A face nobody knows becomes one of the edge's own, until the website answers.
    fn mint(&mut self, basis: Basis, sighting: &Sighting) -> Result<()> {
        if self.memory.presence.stranger_stays(sighting.vector.as_slice(), sighting.at) {
            return Ok(());
        }
        let mut random = [0; 12];
        getrandom::fill(&mut random).context("the system gives no random numbers")?;
        let face_id = FaceId::from_random(random);
        let space = self.memory.live.space().id.clone();
        let embedding = sighting.vector.to_embedding();
        self.memory.presence.minted(&face_id, sighting.vector.as_slice(), sighting.at);
        let seen = Seen::New { face_id: face_id.clone(), space: space.clone(), embedding: embedding.clone() };
        if self.count(seen, Weight::New(face_id.clone()), basis, sighting)? == Counted::NotStored {
            return Ok(());
        }
        crash_point::reach("edge_visit_stored_before_face");
        // The visit first: a face without one would wait for an answer for ever.
        let rule = Provisional { basis: (basis.epoch, basis.verified), settled: None };
        let own = OwnFace { rule, space, embedding };
        match self.store.cache.mint(&face_id, &own).context("the cache cannot be written") {
            Ok(()) => self.memory.live.put_own(&face_id, &own.space, &own.embedding),
            // The visit proposes the face all the same; until it comes back as a customer it is not recognised.
            Err(error) => self.bear(error)?,
        }
        Ok(())
    }

    fn count(&mut self, seen: Seen, weight: Weight, basis: Basis, sighting: &Sighting) -> Result<Counted> {
        if !self.unstored.is_empty() {
            self.counters.not_stored += 1;
            return Ok(Counted::NotStored);
        }
        let face_id = match &seen {
            Seen::Known { face_id, .. } | Seen::New { face_id, .. } => Some(face_id.clone()),
            Seen::Anonymous => None,
        };
        let mut commands = Vec::new();
        let key = self.core.visit(weight.clone(), (basis.epoch, basis.verified), &mut commands);
        let lost: Vec<_> = commands
            .iter()
            .filter_map(|command| if let Command::ForgetVisits(keys) = command { Some(keys) } else { None })
            .flatten()
            .copied()
            .collect();
        let visit = NewVisit { key, at: sighting.at, seen, basis };
        if let Err(error) = self.store.outbox.add(&visit, &lost).context("the visit cannot be written") {
            self.core.take_back(&weight);
            self.counters.not_stored += 1;
            self.bear(error)?;
            return Ok(Counted::NotStored);
        }
        self.could_store();
        self.counters.lost_visits += lost.len() as u64;
        self.forget_at_once(&commands);
        self.carry_out(super::Batch { commands, ..super::Batch::default() })?;
        self.tell(Notice::Counted { face_id });
        Ok(Counted::Stored)
    }
}
