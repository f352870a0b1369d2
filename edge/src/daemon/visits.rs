//! From a face to a visit.

use super::rules::Rules;
use crate::{
    face::Decision,
    input::Sighting,
    live::{Answer, Verdict, Version, Who},
    presence::Arrival,
    store::{CountedVisit, NewVisit, OwnFace},
    sync::{Command, Provisional, Weight},
};
use protocol::{
    FaceId,
    message::{Basis, EnrolPolicy, Seen as SeenAs, Similarity},
};
use tokio::sync::oneshot;

/// Visits that wait to be stored at most; beyond it they are counted as not stored, as when the disk is full.
const UNSTORED_MAX: usize = 1_024;

/// A face that the gallery was asked about, and what it said. Whoever shows it has asked, so that the rules task need not
/// search.
#[derive(Debug)]
pub struct Seen {
    /// The face.
    pub sighting: Sighting,
    /// What the gallery said.
    pub answer: Answer,
    /// Which version of it.
    pub version: Version,
    /// Who wants to know what came of it.
    pub asker: Asker,
}

/// Who wants to know what came of a sighting.
#[derive(Debug)]
pub enum Asker {
    /// Somebody who goes on at once: a camera.
    AtOnce(oneshot::Sender<Answer>),
    /// Somebody who counts on the visit: it is on the disk, or counted as not stored, when the answer comes.
    OnceStored(oneshot::Sender<Answer>),
}

/// An answer that waits until a visit is stored.
#[derive(Debug)]
pub(super) struct Awaited {
    /// In this batch.
    pub(super) batch: u64,
    asker: oneshot::Sender<Answer>,
    answer: Answer,
}

impl Awaited {
    pub(super) fn answer(self) {
        // Whoever asked may have gone.
        let _ = self.asker.send(self.answer);
    }
}

impl Rules {
    /// Decides on a face under the lease, and counts the visit when a stay begins. Waits for no disk: the decision is on
    /// the gallery as it is, and what it is on is stored before the visit.
    pub(super) fn see(&mut self, seen: Seen) {
        let Seen { sighting, answer, version, asker } = seen;
        let answer =
            if version == self.memory.live.version() { answer } else { self.decide_again(&sighting) };
        let answer = self.memory.recognise(answer, &sighting.vector, sighting.grade);
        let counted = self.visit(&answer, &sighting).map(|visit| self.count(visit));
        match (asker, counted) {
            (Asker::OnceStored(asker), Some(Counted::InBatch(batch))) => {
                self.answers.push(Awaited { batch, asker, answer });
            }
            (Asker::OnceStored(asker) | Asker::AtOnce(asker), _) => {
                let _ = asker.send(answer);
            }
        }
    }

    /// The gallery has changed since it was asked.
    fn decide_again(&self, sighting: &Sighting) -> Answer {
        let Sighting { vector, grade, at: _ } = sighting;
        // It was of this model before.
        self.memory.live.decide(vector.as_slice(), *grade, self.clock.wall()).unwrap_or(Answer::NoLease)
    }

    /// The visit that begins, if one does.
    fn visit(&mut self, answer: &Answer, sighting: &Sighting) -> Option<NewStay> {
        let (Answer::Decided(verdict), Some((lease, enrol)), Some(epoch)) =
            (answer, self.core.lease(), self.core.standing().epoch)
        else {
            return None;
        };
        let (face, at) = (sighting.vector.as_slice(), sighting.at);
        let presence = &mut self.memory.presence;
        let (seen, own) = match (verdict, enrol) {
            (Verdict { decision: Decision::Known, who: Some(who), similarity }, _) => {
                let Who { face_id, .. } = who;
                if presence.seen(face_id, at) == Arrival::Stays {
                    return None;
                }
                let similarity = similarity.unwrap_or(Similarity(0));
                (SeenAs::Known { face_id: face_id.clone(), similarity }, None)
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Off) => {
                // A stay is counted, and the face is kept for as long as it lasts, in memory only.
                if presence.stranger_seen(face, at) == Arrival::Stays {
                    return None;
                }
                (SeenAs::Anonymous, None)
            }
            (Verdict { decision: Decision::New, .. }, EnrolPolicy::Auto | EnrolPolicy::Approve) => {
                if presence.stranger_stays(face, at) {
                    return None;
                }
                // A face nobody knows becomes one of the edge's own, until the website answers.
                let face_id = random_face_id()?;
                self.memory.mint(&face_id, &sighting.vector, at);
                let (space, embedding) =
                    (self.memory.live.space().id.clone(), sighting.vector.to_embedding());
                let basis = (epoch, self.core.standing().floor);
                let rule = Provisional { basis, settled: None };
                let own = OwnFace { rule, space: space.clone(), embedding: embedding.clone() };
                (SeenAs::New { face_id, space, embedding }, Some(own))
            }
            _ => return None,
        };
        let staleness_s = lease.age_s(self.clock.wall());
        let basis = Basis { epoch, verified: self.core.standing().floor, staleness_s };
        Some(NewStay { at, seen, basis, own })
    }

    fn count(&mut self, stay: NewStay) -> Counted {
        let NewStay { at, seen, basis, own } = stay;
        let weight = match &seen {
            SeenAs::Known { .. } => Weight::Known,
            SeenAs::New { face_id, .. } => Weight::New(face_id.clone()),
            SeenAs::Anonymous => Weight::Anonymous,
        };
        if self.is_blocked() || self.unstored_visits >= UNSTORED_MAX {
            self.counters.not_stored += 1;
            if let Weight::New(face_id) = &weight {
                self.memory.take_back(face_id);
            }
            return Counted::NotStored;
        }
        let mut commands = Vec::new();
        let key = self.core.visit(weight, (basis.epoch, basis.verified), &mut commands);
        let lost = commands.iter().filter_map(|command| match command {
            Command::ForgetVisits(keys) => Some(keys),
            _ => None,
        });
        let lost = lost.flatten().copied().collect();
        let after = self.after();
        let visit = CountedVisit { visit: NewVisit { key, at, seen, basis }, lost, own };
        let batch = self.pending.count(visit, after);
        self.unstored_visits += 1;
        if !commands.is_empty() {
            self.rule(commands);
        }
        Counted::InBatch(batch)
    }

    /// A visit could not be stored: it was never made, and is counted as such.
    pub(super) fn take_back(&mut self, visit: &CountedVisit) {
        let proposed = visit.face().map(|(face_id, _)| face_id);
        self.core.take_back(visit.visit.key, proposed);
        if let Some(face_id) = proposed {
            self.memory.take_back(face_id);
        }
        self.unstored_visits -= 1;
        self.counters.not_stored += 1;
    }
}

/// A stay that begins.
struct NewStay {
    at: protocol::UnixMs,
    seen: SeenAs,
    basis: Basis,
    own: Option<OwnFace>,
}

/// What became of a visit.
enum Counted {
    /// It is stored with this batch.
    InBatch(u64),
    /// There is no room for it; it is counted as such.
    NotStored,
}

/// An id that nobody has. A system that gives no random numbers lets nobody be enrolled; it says so.
fn random_face_id() -> Option<FaceId> {
    let mut random = [0; 12];
    match getrandom::fill(&mut random) {
        Ok(()) => Some(FaceId::from_random(random)),
        Err(error) => {
            tracing::error!(%error, "the system gives no random numbers: a new face was not counted");
            None
        }
    }
}
