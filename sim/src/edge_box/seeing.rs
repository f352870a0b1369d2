//! A person comes in: the same decision as in the real daemon.

use super::{Did, EdgeBox};
use crate::people::{self, People};
use edge::{
    Answer, Decision, FaceVector, Grade, Verdict,
    presence::Arrival,
    store::{CountedVisit, NewVisit, OwnFace},
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
    pub fn see(&mut self, person: usize, sighting: i64, at: i64, people: &mut People, did: &mut Did) -> Saw {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return Saw::Off };
        let now = daemon.now(system, at);
        let Some(vector) = FaceVector::from_output(&people::seen(person, self.model)) else {
            return Saw::Nobody;
        };
        let answer = daemon.memory.live.decide(vector.as_slice(), Grade::Enrol, now.wall);
        let answer = answer.map(|answer| daemon.memory.recognise(answer, &vector, Grade::Enrol));
        let (Ok(Answer::Decided(verdict)), Some((lease, enrol)), Some(epoch)) =
            (answer, daemon.core.lease(), daemon.core.standing().epoch)
        else {
            return Saw::NoLease;
        };
        let verified = daemon.core.standing().floor;
        let basis = Basis { epoch, verified, staleness_s: lease.age_s(now.wall) };
        let time = UnixMs(at);
        let stay = Stay { sighting, basis };
        match (verdict, enrol) {
            (Verdict { decision: Decision::Known, who: Some(who), .. }, _) => {
                if daemon.memory.presence.seen(&who.face_id, time) == Arrival::Arrives {
                    let seen = Seen::Known { face_id: who.face_id.clone(), similarity: Similarity(9_900) };
                    self.count(stay, seen, None, at, did);
                }
                Saw::Known(who.face_id)
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Off) => {
                if daemon.memory.presence.stranger_seen(vector.as_slice(), time) == Arrival::Arrives {
                    self.count(stay, Seen::Anonymous, None, at, did);
                }
                Saw::Nobody
            }
            (Verdict { decision: Decision::New, .. }, _) => {
                if !daemon.memory.presence.stranger_stays(vector.as_slice(), time) {
                    let face_id = people.mint(person);
                    daemon.memory.mint(&face_id, &vector, time);
                    let (space, embedding) = (people::space(self.model), vector.to_embedding());
                    let rule = Provisional { basis: (basis.epoch, basis.verified), settled: None };
                    let own = OwnFace { rule, space: space.clone(), embedding: embedding.clone() };
                    self.count(stay, Seen::New { face_id, space, embedding }, Some(own), at, did);
                }
                Saw::Nobody
            }
            _ => Saw::Nobody,
        }
    }

    fn count(&mut self, stay: Stay, seen: Seen, own: Option<OwnFace>, at: i64, did: &mut Did) {
        let system = self.system(at);
        let Some(daemon) = &mut self.daemon else { return };
        let Stay { sighting, basis } = stay;
        let now = daemon.now(system, at);
        let weight = match &seen {
            Seen::Known { .. } => Weight::Known,
            Seen::New { face_id, .. } => Weight::New(face_id.clone()),
            Seen::Anonymous => Weight::Anonymous,
        };
        let mut commands = Vec::new();
        let key = daemon.core.visit(weight, (basis.epoch, basis.verified), &mut commands);
        let lost = commands.iter().filter_map(|command| match command {
            Command::ForgetVisits(keys) => Some(keys.clone()),
            _ => None,
        });
        let lost = lost.flatten().collect();
        let after = daemon.after(now);
        let visit = NewVisit { key, at: UnixMs(sighting), seen, basis };
        daemon.pending.count(CountedVisit { visit, lost, own }, after);
        if !commands.is_empty() {
            daemon.rule(commands, now);
        }
        did.changed = true;
    }
}

/// A stay that begins.
struct Stay {
    sighting: i64,
    basis: Basis,
}
