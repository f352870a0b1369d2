//! The live gallery: whom the edge recognises right now, and whether it may. The daemon's thread writes, but for one
//! thing: whoever hears a removal takes the face out at once ([`Live::hear_removal`]), because the daemon may be waiting
//! for a disk. Whoever asks reads, under the same lease.

use crate::face::{Decision, Grade, Manifest, Thresholds, decide};
use crate::store::HeldFace;
use crate::sync::{Freshness, Lease, Standing};
use gallery::{Gallery, Match, WrongDimension};
use protocol::{
    Embedding, Epoch, FaceId, Name, Seq, SpaceId, UnixMs,
    message::{Customer, Flag, Similarity},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// How the edge's model sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// Travels with every vector.
    pub id: SpaceId,
    /// How many components a vector has.
    pub dimension: usize,
    /// What a cosine means.
    pub thresholds: Thresholds,
}

impl From<&Manifest> for Space {
    fn from(manifest: &Manifest) -> Self {
        Self {
            id: manifest.space_id(),
            dimension: manifest.embedder.dimension,
            thresholds: manifest.thresholds,
        }
    }
}

/// What the edge says of one face.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It may say something.
    Decided(Verdict),
    /// Its lease is over, or no head was ever verified: it recognises nobody.
    NoLease,
}

/// A decision, and on what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Known, ambiguous, new or poor.
    pub decision: Decision,
    /// The cosine to the most alike face, if it reaches the space's threshold `new`: below that everybody is as new, and
    /// how unlike is not asked.
    pub similarity: Option<Similarity>,
    /// Who it is; only of a known face.
    pub who: Option<Who>,
}

/// A face that was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// Whose.
    pub face_id: FaceId,
    /// As people call them; empty until somebody gave a name.
    pub name: Name,
    /// What staff should see at once.
    pub flag: Flag,
}

/// Faces in memory, behind a lock.
#[derive(Debug)]
pub struct Live {
    space: Space,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    gallery: Gallery<FaceId>,
    people: HashMap<FaceId, (Name, Flag)>,
    lease: Option<Lease>,
    /// In which epoch, and above which verified seq, a removal is news.
    news: Option<(Epoch, Seq)>,
    /// Faces whose removal was heard and not ruled on yet: the newest of each. What was ruled on before it cannot bring
    /// them back.
    heard: HashMap<FaceId, (Epoch, Seq)>,
}

impl Live {
    /// Nobody is known, and nothing may be said.
    pub fn new(space: Space) -> Self {
        let gallery = Gallery::new(space.dimension);
        let (people, heard) = (HashMap::new(), HashMap::new());
        Self { space, inner: RwLock::new(Inner { gallery, people, lease: None, news: None, heard }) }
    }

    /// How the edge's model sees.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Decides on a face of `grade` at `now`. `vector` may have any length but zero.
    ///
    /// # Errors
    /// When the vector is not of this edge's model.
    pub fn decide(&self, vector: &[f32], grade: Grade, now: UnixMs) -> Result<Answer, WrongDimension> {
        let inner = self.read();
        if inner.lease.is_none_or(|lease| lease.freshness(now) == Freshness::Expired) {
            return Ok(Answer::NoLease);
        }
        let best = self.recognised(&inner, vector)?;
        let decision = decide(grade, best.as_ref().map(|best| best.similarity), &self.space.thresholds);
        let similarity = best.as_ref().map(|best| Similarity::from_cosine(best.similarity));
        let who = best.filter(|_| decision == Decision::Known).map(|best| {
            let (name, flag) = inner.people.get(&best.key).cloned().unwrap_or_default();
            Who { face_id: best.key, name, flag }
        });
        Ok(Answer::Decided(Verdict { decision, similarity, who }))
    }

    /// Knows a customer from now on; one of another space is not comparable, and is known no more.
    pub fn put(&self, face_id: &FaceId, customer: &Customer) {
        self.keep(face_id, &customer.space, &customer.embedding, (customer.name.clone(), customer.flag));
    }

    /// Knows a face of the edge's own from now on.
    pub fn put_own(&self, face_id: &FaceId, space: &SpaceId, embedding: &Embedding) {
        self.keep(face_id, space, embedding, (Name::default(), Flag::None));
    }

    fn keep(&self, face_id: &FaceId, space: &SpaceId, embedding: &Embedding, person: (Name, Flag)) {
        let mut inner = self.write();
        if inner.heard.contains_key(face_id) {
            return;
        }
        let comparable = *space == self.space.id && inner.gallery.upsert(face_id.clone(), embedding).is_ok();
        if comparable {
            inner.people.insert(face_id.clone(), person);
        } else {
            inner.gallery.remove(face_id);
            inner.people.remove(face_id);
        }
    }

    /// Knows this face no more; tells whether it did.
    pub fn remove(&self, face_id: &FaceId) -> bool {
        let mut inner = self.write();
        inner.people.remove(face_id);
        inner.gallery.remove(face_id)
    }

    /// Hears that the website has removed a face, ahead of the rules: it is known no more from now on, however long the
    /// daemon takes to come to it, and stays so until [`Live::ruled_on`]. A face never comes back after its removal in
    /// one epoch, so the rules will say the same of it; a removal of another epoch, or one that is no news, has to wait
    /// for them. Tells whether it was heard for the first time.
    pub fn hear_removal(&self, face_id: &FaceId, epoch: Epoch, seq: Seq) -> bool {
        let mut inner = self.write();
        let heard = inner.heard.get(face_id);
        let known = heard.is_some_and(|(of, newest)| *of == epoch && *newest >= seq);
        if known || !inner.news.is_some_and(|(ours, floor)| ours == epoch && floor < seq) {
            return false;
        }
        inner.people.remove(face_id);
        inner.gallery.remove(face_id);
        inner.heard.insert(face_id.clone(), (epoch, seq)).is_none()
    }

    /// Whether a removal of this face was heard and not ruled on yet.
    pub fn has_heard(&self, face_id: &FaceId) -> bool {
        self.read().heard.contains_key(face_id)
    }

    /// The rules have come to this removal. Tells whether it was the newest one heard of the face, so that nothing keeps
    /// the face out any longer.
    pub fn ruled_on(&self, face_id: &FaceId, epoch: Epoch, seq: Seq) -> bool {
        let mut inner = self.write();
        let newest = inner.heard.get(face_id) == Some(&(epoch, seq));
        newest && inner.heard.remove(face_id).is_some()
    }

    /// Knows nobody.
    pub fn clear(&self) {
        let mut inner = self.write();
        inner.gallery = Gallery::new(self.space.dimension);
        inner.people.clear();
    }

    /// Asks for each of these faces with its very vector, and answers with those that come back. It is the search that
    /// recognises, over every face there is: what is not found here is recognised nowhere.
    pub fn still_found(&self, faces: &[HeldFace]) -> Vec<FaceId> {
        let inner = self.read();
        let comes_back = |held: &&HeldFace| {
            let best = || self.recognised(&inner, &held.embedding.to_f32());
            held.space == self.space.id && matches!(best(), Ok(Some(best)) if best.key == held.face_id)
        };
        faces.iter().filter(comes_back).map(|held| held.face_id.clone()).collect()
    }

    /// The most alike face that is not as good as new.
    fn recognised(&self, inner: &Inner, vector: &[f32]) -> Result<Option<Match<FaceId>>, WrongDimension> {
        inner.gallery.nearest(vector, self.space.thresholds.new)
    }

    /// Recognition may go on under this lease, which was given at this standing.
    pub fn renew(&self, lease: Option<Lease>, standing: &Standing) {
        let mut inner = self.write();
        inner.lease = lease;
        inner.news = standing.epoch.map(|epoch| (epoch, standing.floor));
    }

    /// Under which lease recognition goes on.
    pub fn lease(&self) -> Option<Lease> {
        self.read().lease
    }

    /// How many faces are recognised.
    pub fn len(&self) -> usize {
        self.read().gallery.len()
    }

    /// Whether nobody is recognised.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this face is recognised.
    pub fn contains(&self, face_id: &FaceId) -> bool {
        self.read().gallery.contains(face_id)
    }

    /// Whether this customer is recognised, or rightly is not: not comparable, or its removal was heard.
    pub fn agrees(&self, face_id: &FaceId, customer: &Customer) -> bool {
        let Customer { name: _, flag: _, space, embedding } = customer;
        let comparable = *space == self.space.id && embedding.dimension() == self.space.dimension;
        let inner = self.read();
        inner.heard.contains_key(face_id) || inner.gallery.contains(face_id) == comparable
    }

    // A panic while writing ends the process; a reader that comes first may still read.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000);

    fn live() -> Live {
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let live = Live::new(Space { id: "m".parse().unwrap(), dimension: 2, thresholds });
        live.renew(Some(Lease { issued_at: NOW, lease_s: 60 }), &Standing::default());
        live
    }

    fn held(live: &Live, face_id: &str, vector: &[f32]) -> HeldFace {
        let embedding = Embedding::from_f32(vector).unwrap();
        HeldFace { face_id: face_id.parse().unwrap(), space: live.space().id.clone(), embedding }
    }

    #[test]
    fn below_the_threshold_new_everybody_is_as_new() {
        let live = live();
        let east = held(&live, "east", &[1.0, 0.0]);
        live.put_own(&east.face_id, &east.space, &east.embedding);
        for (cosine, decision, similarity) in [
            (0.56_f32, Decision::Known, Some(Similarity(5_600))),
            (0.54, Decision::Ambiguous, Some(Similarity(5_400))),
            (0.46, Decision::Ambiguous, Some(Similarity(4_600))),
            (0.44, Decision::New, None),
            (-1.0, Decision::New, None),
        ] {
            let vector = [cosine, (1.0 - cosine * cosine).sqrt()];
            let answer = live.decide(&vector, Grade::Enrol, NOW).unwrap();
            let Answer::Decided(verdict) = answer else { panic!("{cosine}: {answer:?}") };
            assert_eq!((verdict.decision, verdict.similarity), (decision, similarity), "{cosine}");
            assert_eq!(verdict.who.is_some(), decision == Decision::Known, "{cosine}");
        }
    }

    #[test]
    fn the_probe_finds_a_face_until_it_is_removed() {
        let live = live();
        let faces = [held(&live, "east", &[1.0, 0.0]), held(&live, "north", &[0.0, 1.0])];
        faces.iter().for_each(|face| live.put_own(&face.face_id, &face.space, &face.embedding));
        let other_model = HeldFace { space: "other".parse().unwrap(), ..faces[0].clone() };
        assert_eq!(live.still_found(&[other_model]), []);
        assert_eq!(live.still_found(&faces), [faces[0].face_id.clone(), faces[1].face_id.clone()]);
        assert!(live.remove(&faces[0].face_id));
        assert_eq!(live.still_found(&faces), [faces[1].face_id.clone()]);
    }
}
