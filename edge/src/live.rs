//! The live gallery: whom the edge recognises right now, and whether it may. Only the rules task writes; whoever asks
//! reads, under the same lease.

use crate::face::{Decision, Grade, Manifest, Thresholds, decide};
use crate::store::{HeldFace, Owed};
use crate::sync::{Freshness, Lease};
use gallery::{Gallery, Match, WrongDimension};
use protocol::{
    Embedding, FaceId, Name, SpaceId, UnixMs,
    message::{Customer, Flag, Probe, Receipt, Similarity},
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
    version: Version,
}

/// Goes up with every change of the gallery: an answer is as good as new while it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version(u64);

impl Live {
    /// Nobody is known, and nothing may be said.
    pub fn new(space: Space) -> Self {
        let gallery = Gallery::new(space.dimension);
        let people = HashMap::new();
        Self {
            space,
            inner: RwLock::new(Inner { gallery, people, lease: None, version: Version::default() }),
        }
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
        self.decide_at(vector, grade, now).map(|(answer, _)| answer)
    }

    /// The same, and which version of the gallery has answered.
    ///
    /// # Errors
    /// The same.
    pub fn decide_at(
        &self,
        vector: &[f32],
        grade: Grade,
        now: UnixMs,
    ) -> Result<(Answer, Version), WrongDimension> {
        let inner = self.read();
        let version = inner.version;
        if inner.lease.is_none_or(|lease| lease.freshness(now) == Freshness::Expired) {
            return Ok((Answer::NoLease, version));
        }
        let best = self.recognised(&inner, vector)?;
        let decision = decide(grade, best.as_ref().map(|best| best.similarity), &self.space.thresholds);
        let similarity = best.as_ref().map(|best| Similarity::from_cosine(best.similarity));
        let who = best.filter(|_| decision == Decision::Known).map(|best| {
            let (name, flag) = inner.people.get(&best.key).cloned().unwrap_or_default();
            Who { face_id: best.key, name, flag }
        });
        Ok((Answer::Decided(Verdict { decision, similarity, who }), version))
    }

    /// Which version the gallery is.
    pub fn version(&self) -> Version {
        self.read().version
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

    /// Knows nobody.
    pub fn clear(&self) {
        let mut inner = self.write();
        inner.gallery = Gallery::new(self.space.dimension);
        inner.people.clear();
    }

    /// Knows from now on whom `other` knows, but for those that `gone` names. The lease stays.
    pub fn replace(&self, other: Live, gone: &[&FaceId]) {
        let Inner { gallery, people, .. } = other.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.write();
        (inner.gallery, inner.people) = (gallery, people);
        for face_id in gone {
            inner.people.remove(*face_id);
            inner.gallery.remove(*face_id);
        }
    }

    /// Asks for each of these faces with its very vector, and answers with those that come back. It is the search that
    /// recognises, over every face there is: what is not found here is recognised nowhere. A removal that comes
    /// meanwhile waits for one of these searches at most.
    pub fn still_found(&self, faces: &[HeldFace]) -> Vec<FaceId> {
        let comes_back = |held: &&HeldFace| {
            let best = || self.recognised(&self.read(), &held.embedding.to_f32());
            held.space == self.space.id && matches!(best(), Ok(Some(best)) if best.key == held.face_id)
        };
        faces.iter().filter(comes_back).map(|held| held.face_id.clone()).collect()
    }

    /// The most alike face that is not as good as new.
    fn recognised(&self, inner: &Inner, vector: &[f32]) -> Result<Option<Match<FaceId>>, WrongDimension> {
        inner.gallery.nearest(vector, self.space.thresholds.new)
    }

    /// The receipt of a removal that is durable. `found` are the removed faces that the gallery still answered with
    /// when it was asked for their very vectors.
    pub fn receipt(&self, owed: Owed, found: &[FaceId], removed_at: UnixMs) -> Receipt {
        let Owed { key, held } = owed;
        let still = found.contains(&key.face_id) || self.contains(&key.face_id);
        let probe = match (still, held) {
            (true, _) => Probe::StillFound,
            (false, true) => Probe::Gone,
            (false, false) => Probe::NeverHeld,
        };
        Receipt { key, removed_at, probe }
    }

    /// Recognition may go on under this lease.
    pub fn renew(&self, lease: Option<Lease>) {
        self.write().lease = lease;
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

    /// Whether this customer is recognised, or rightly is not, because it is not comparable.
    pub fn agrees(&self, face_id: &FaceId, customer: &Customer) -> bool {
        let Customer { name: _, flag: _, space, embedding } = customer;
        let comparable = *space == self.space.id && embedding.dimension() == self.space.dimension;
        self.contains(face_id) == comparable
    }

    // A panic while writing ends the process; a reader that comes first may still read.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.version.0 += 1;
        inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000);

    fn live() -> Live {
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let live = Live::new(Space { id: "m".parse().unwrap(), dimension: 2, thresholds });
        live.renew(Some(Lease { issued_at: NOW, lease_s: 60 }));
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

    #[test]
    fn another_gallery_takes_the_place_of_this_one_but_for_whom_it_must_not_know() {
        let (ours, other) = (live(), live());
        let faces = [held(&ours, "east", &[1.0, 0.0]), held(&ours, "north", &[0.0, 1.0])];
        ours.put_own(&"lost".parse().unwrap(), &faces[0].space, &faces[0].embedding);
        faces.iter().for_each(|face| other.put_own(&face.face_id, &face.space, &face.embedding));
        let before = ours.version();
        ours.replace(other, &[&faces[1].face_id]);
        assert_eq!((ours.len(), ours.contains(&faces[0].face_id)), (1, true));
        assert!(ours.version() != before && ours.lease().is_some());
    }
}
