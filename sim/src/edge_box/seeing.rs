//! A person comes in: the same decision and the same order as in the real daemon.

use super::{Did, EdgeBox};
use crate::people::{self, People};
use edge::{
    Answer, Decision, FaceVector, Grade, Verdict,
    presence::Arrival,
    store::{NewVisit, OwnFace},
    sync::{Command, Provisional, Weight},
};
use protocol::{
    FaceId, UnixMs,
    message::{Basis, EnrolPolicy, Seen, Similarity},
};

/// What the edge made of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// It does not run.
    Off,
    /// It may recognise nobody.
    NoLease,
    /// A face it knows.
    Known(FaceId),
    /// Nobody it knows.
    Nobody,
}

impl EdgeBox {
    /// Shows a person. `sighting` is a number that no other sighting has; it travels as the time of the visit.
    pub fn see(
        &mut self,
        person: usize,
        sighting: i64,
        at: i64,
        people: &mut People,
        power: &mut dyn FnMut() -> bool,
        did: &mut Did,
    ) -> Saw {
        // The decision and its basis are on what is stored.
        self.commit(at, power, did);
        let system = self.system(at);
        if did.killed {
            return Saw::Off;
        }
        let Some(daemon) = &mut self.daemon else { return Saw::Off };
        let now = daemon.now(system, at);
        let Some(vector) = FaceVector::from_output(&people::seen(person, self.model)) else {
            return Saw::Nobody;
        };
        let answer = daemon.memory.live.decide(vector.as_slice(), Grade::Enrol, now.wall);
        let (Ok(Answer::Decided(verdict)), Some((lease, enrol)), Some(epoch)) =
            (answer, daemon.core.lease(), daemon.core.standing().epoch)
        else {
            return Saw::NoLease;
        };
        let verified = daemon.core.standing().floor;
        let basis = Basis { epoch, verified, staleness_s: lease.age_s(now.wall) };
        let time = UnixMs(at);
        match (verdict, enrol) {
            (Verdict { decision: Decision::Known, who: Some(who), .. }, _) => {
                if daemon.memory.presence.seen(&who.face_id, time) == Arrival::Arrives {
                    let seen = Seen::Known { face_id: who.face_id.clone(), similarity: Similarity(9_900) };
                    self.count(seen, Weight::Known, basis, sighting, at, did);
                }
                Saw::Known(who.face_id)
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Off) => {
                if daemon.memory.presence.stranger_seen(vector.as_slice(), time) == Arrival::Arrives {
                    self.count(Seen::Anonymous, Weight::Anonymous, basis, sighting, at, did);
                }
                Saw::Nobody
            }
            (Verdict { decision: Decision::New, .. }, _) => {
                if !daemon.memory.presence.stranger_stays(vector.as_slice(), time) {
                    let face_id = people.mint(person);
                    daemon.memory.presence.minted(&face_id, vector.as_slice(), time);
                    self.mint(face_id, &vector, basis, sighting, at, power, did);
                }
                Saw::Nobody
            }
            _ => Saw::Nobody,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the daemon, with what a kill between its parts needs"
    )]
    fn mint(
        &mut self,
        face_id: FaceId,
        vector: &FaceVector,
        basis: Basis,
        sighting: i64,
        at: i64,
        power: &mut dyn FnMut() -> bool,
        did: &mut Did,
    ) {
        let (space, embedding) = (people::space(self.model), vector.to_embedding());
        let seen = Seen::New { face_id: face_id.clone(), space: space.clone(), embedding: embedding.clone() };
        self.count(seen, Weight::New(face_id.clone()), basis, sighting, at, did);
        if !power() {
            did.killed = true;
            return;
        }
        let rule = Provisional { basis: (basis.epoch, basis.verified), settled: None };
        let own = OwnFace { rule, space, embedding };
        if let Some(daemon) = &self.daemon {
            daemon.memory.live.put_own(&face_id, &own.space, &own.embedding);
        }
        self.disk.cache.own.insert(face_id, own);
    }

    fn count(&mut self, seen: Seen, weight: Weight, basis: Basis, sighting: i64, at: i64, did: &mut Did) {
        let Some(daemon) = &mut self.daemon else { return };
        let mut commands = Vec::new();
        let key = daemon.core.visit(weight, (basis.epoch, basis.verified), &mut commands);
        let lost: Vec<_> = commands
            .iter()
            .filter_map(
                |command| if let Command::ForgetVisits(keys) = command { Some(keys.clone()) } else { None },
            )
            .flatten()
            .collect();
        let goes = self.disk.outbox.visits.extract_if(.., |(visit, _)| lost.contains(&visit.key));
        did.lost.extend(goes.map(|(visit, _)| visit.at.0));
        self.disk.outbox.visits.push((NewVisit { key, at: UnixMs(sighting), seen, basis }, None));
        self.disk.flush();
        did.counted.push(sighting);
        did.changed = true;
        daemon.forget_at_once(&commands);
        daemon.ruled.extend(commands);
        self.commit(at, &mut || true, did);
    }
}
