//! What a running edge has in mind: whom it recognises, and who is in the store. What each command means for it is said
//! here and nowhere else, for the daemon and for the simulator.

use crate::{
    face::{Decision, FaceVector, Grade, decide},
    live::{Answer, Live, Verdict, Who},
    presence::Presence,
    store::CountedVisit,
    sync::{Command, Core, Fate, Put, Rows},
};
use protocol::{
    FaceId, Name, Seq, UnixMs,
    message::{Flag, Similarity},
};
use std::sync::Arc;

/// Gallery and stays.
#[derive(Debug)]
pub struct Memory {
    /// Whom the edge recognises.
    pub live: Arc<Live>,
    /// Who is in the store.
    pub presence: Presence,
    /// The faces of the edge's own whose visits are being stored: the gallery knows them when that is done.
    unstored: Vec<(FaceId, FaceVector)>,
}

impl Memory {
    /// Nobody's visit is being stored.
    pub fn new(live: Arc<Live>, presence: Presence) -> Self {
        Self { live, presence, unstored: Vec::new() }
    }

    /// A face nobody knew becomes one of the edge's own; its visit is still to be stored.
    pub fn mint(&mut self, face_id: &FaceId, face: &FaceVector, at: UnixMs) {
        self.presence.minted(face_id, face.as_slice(), at);
        self.unstored.push((face_id.clone(), face.clone()));
    }

    /// The face's visit could not be stored: it is nobody's.
    pub fn take_back(&mut self, face_id: &FaceId) {
        self.unstored.retain(|(other, _)| other != face_id);
        self.presence.forget(face_id);
    }

    /// What `answer` of the gallery comes to for somebody whose face it will know in a moment: one stay is not counted twice
    /// because a disk is slow.
    pub fn recognise(&self, answer: Answer, face: &FaceVector, grade: Grade) -> Answer {
        let Answer::Decided(Verdict { decision: Decision::New, .. }) = answer else { return answer };
        let cosine = |other: &[f32]| other.iter().zip(face.as_slice()).map(|(a, b)| a * b).sum::<f32>();
        let alike = self.unstored.iter().map(|(face_id, other)| (cosine(other.as_slice()), face_id));
        let Some((cosine, face_id)) = alike.max_by(|(a, _), (b, _)| a.total_cmp(b)) else { return answer };
        let thresholds = &self.live.space().thresholds;
        if cosine < thresholds.new {
            return answer;
        }
        let decision = decide(grade, Some(cosine), thresholds);
        let who = (decision == Decision::Known).then(|| Who {
            face_id: face_id.clone(),
            name: Name::default(),
            flag: Flag::None,
        });
        Answer::Decided(Verdict { decision, similarity: Some(Similarity::from_cosine(cosine)), who })
    }

    /// Forgets whom `command` says must be forgotten, before anything of it is stored: nobody is recognised while a
    /// file is being written. Answers with whom the website had removed or does not have, as of which seq.
    pub fn forget<'c>(&mut self, command: &'c Command) -> Option<(&'c FaceId, Seq)> {
        if let Some(face_id) = command.takes_out() {
            self.live.remove(face_id);
            self.unstored.retain(|(other, _)| other != face_id);
        }
        match command {
            Command::Remove { key, merged_into } => {
                match merged_into {
                    Some(into) => self.presence.merged(&key.face_id, into),
                    None => self.presence.forget(&key.face_id),
                }
                return Some((&key.face_id, key.seq));
            }
            Command::Drop { face_id, as_of } => {
                self.presence.forget(face_id);
                return Some((face_id, *as_of));
            }
            Command::GiveUp(_) => {
                self.live.clear();
                self.unstored.clear();
            }
            Command::EndProvisional(face_id, Fate::Customer) => self.presence.confirmed(face_id),
            Command::EndProvisional(face_id, Fate::Declined) => self.presence.declined(face_id),
            Command::EndProvisional(face_id, Fate::Nobody) => self.presence.forget(face_id),
            _ => {}
        }
        None
    }

    /// Knows from now on whom `command` has stored, unless a later command has replaced or removed the row: `rows` are
    /// those after all of them. Answers with what was learned.
    pub fn learn<'c>(&self, command: &'c Command, rows: &Rows) -> Option<&'c Put> {
        let Command::Put(put) = command else { return None };
        // The hash is of the seq too. The epoch may have changed meanwhile, with the row as it was.
        let holds = rows.get(&put.face_id)?.hash == put.hash;
        holds.then(|| {
            self.live.put(&put.face_id, &put.customer);
            &**put
        })
    }

    /// Knows from now on the face that a stored visit proposes, if that is stored too and has not ended meanwhile.
    pub fn learn_own(&mut self, visit: &CountedVisit, core: &Core) {
        self.unstored.retain(|(other, _)| Some(other) != visit.who());
        let Some((face_id, own)) = visit.face() else { return };
        if core.provisional().contains(face_id) {
            self.live.put_own(face_id, &own.space, &own.embedding);
        }
    }
}
