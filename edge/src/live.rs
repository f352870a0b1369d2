//! The live gallery: whom the edge recognises right now, and whether it may. The daemon's thread writes; whoever asks
//! reads, under the same lease.

use crate::face::{Decision, Grade, Manifest, Thresholds, decide};
use crate::store::HeldFace;
use crate::sync::{Freshness, Lease};
use gallery::{Gallery, WrongDimension};
use protocol::{
    Embedding, FaceId, Name, SpaceId, UnixMs,
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
    /// The cosine to the most alike face, if there is any.
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
}

impl Live {
    /// Nobody is known, and nothing may be said.
    pub fn new(space: Space) -> Self {
        let gallery = Gallery::new(space.dimension);
        Self { space, inner: RwLock::new(Inner { gallery, people: HashMap::new(), lease: None }) }
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
        let best = inner.gallery.nearest(vector, 1)?.into_iter().next();
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

    /// Asks for each of these faces with its very vector, and answers with those that come back. Exact, and so it
    /// compares every face there is: 100,000 of 512 components are 100 MB to be read.
    pub fn still_found(&self, faces: &[HeldFace]) -> Vec<FaceId> {
        let inner = self.read();
        let comes_back = |held: &&HeldFace| {
            let best = (held.space == self.space.id)
                .then(|| inner.gallery.nearest(&held.embedding.to_f32(), 1).ok()?.pop())
                .flatten();
            best.is_some_and(|best| best.key == held.face_id)
        };
        faces.iter().filter(comes_back).map(|held| held.face_id.clone()).collect()
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

    /// Whether this customer is recognised, or is not comparable and rightly is not.
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
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
