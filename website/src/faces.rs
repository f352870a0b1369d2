//! Who a new face is most like: the live faces of each location in memory, caught up by seq under its lock.

use crate::{
    db::Tx,
    tables::{
        customers::{self, State},
        locations::Location,
        spaces::Space,
    },
};
use gallery::Gallery;
use protocol::{Embedding, Epoch, FaceId, LocationId, Seq, SpaceId};
use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
};
use tokio::sync::{Mutex, MutexGuard};

/// Faces kept over all locations; beyond that the other locations' are read again when needed.
const FACES_MAX: usize = 1_000_000;
const PAGE: u32 = 1_000;

/// The galleries that everybody shares who stores what boxes have seen.
#[derive(Debug, Default)]
pub(crate) struct SharedFaces(Mutex<Faces>);

/// The galleries in one transaction: until that is committed, what they learn of its location is nobody's to rely on.
/// Whoever holds this begins the transaction after, never before: the next one waits here.
pub(crate) struct Learning<'a> {
    faces: MutexGuard<'a, Faces>,
    /// What is to be forgotten, unless it is committed.
    location: Option<LocationId>,
}

impl SharedFaces {
    /// For a transaction that is about to hold `location`.
    pub(crate) async fn learn(&self, location: &LocationId) -> Learning<'_> {
        Learning { faces: self.0.lock().await, location: Some(location.clone()) }
    }
}

impl Learning<'_> {
    /// The transaction is committed.
    pub(crate) fn committed(mut self) {
        self.location = None;
    }
}

impl Deref for Learning<'_> {
    type Target = Faces;

    fn deref(&self) -> &Faces {
        &self.faces
    }
}

impl DerefMut for Learning<'_> {
    fn deref_mut(&mut self) -> &mut Faces {
        &mut self.faces
    }
}

impl Drop for Learning<'_> {
    /// Also of a request whose client has gone away in the middle.
    fn drop(&mut self) {
        if let Some(location) = self.location.take() {
            self.faces.forget(&location);
        }
    }
}

/// The galleries in use.
#[derive(Debug, Default)]
pub(crate) struct Faces(HashMap<(LocationId, SpaceId), Cached>);

#[derive(Debug)]
struct Cached {
    epoch: Epoch,
    seq: Seq,
    gallery: Gallery<FaceId>,
}

impl Faces {
    /// The live customer of `space` most like `face`, and the cosine, if that reaches the lower of the space's thresholds:
    /// below it they are different people, however unlike. The transaction holds the location's lock, so nobody can be
    /// enrolled beside this.
    pub(crate) async fn nearest(
        &mut self,
        tx: &mut Tx,
        location: &Location,
        space: &Space,
        face: &Embedding,
    ) -> sqlx::Result<Option<(FaceId, f32)>> {
        let (vector, at_least) = (face.to_f32(), space.new_below.cosine());
        let cached = self.caught_up(tx, location, space).await?;
        let found = cached.gallery.nearest(&vector, at_least).ok().flatten();
        let Some(found) = found else { return Ok(None) };
        let row = customers::get(tx, &location.id, &found.key).await?;
        if row.is_some_and(|row| row.live().is_some()) {
            return Ok(Some((found.key, found.similarity)));
        }
        // Its tombstone was cleared while this gallery slept: the rows are the truth.
        self.forget(&location.id);
        let cached = self.caught_up(tx, location, space).await?;
        let found = cached.gallery.nearest(&vector, at_least).ok().flatten();
        Ok(found.map(|found| (found.key, found.similarity)))
    }

    /// Lets go of a location's faces: what was read may never have been committed.
    fn forget(&mut self, location: &LocationId) {
        self.0.retain(|(id, _), _| id != location);
    }

    async fn caught_up(
        &mut self,
        tx: &mut Tx,
        location: &Location,
        space: &Space,
    ) -> sqlx::Result<&mut Cached> {
        let key = (location.id.clone(), space.id.clone());
        if self.0.values().map(|cached| cached.gallery.len()).sum::<usize>() > FACES_MAX {
            self.0.retain(|other, _| *other == key);
        }
        let new =
            || Cached { epoch: location.totals.epoch, seq: Seq(0), gallery: Gallery::new(space.dimension) };
        let cached = self.0.entry(key).or_insert_with(new);
        if cached.epoch != location.totals.epoch || cached.seq > location.totals.seq {
            *cached = new();
        }
        while cached.seq < location.totals.seq {
            let rows = customers::newer_than(tx, &location.id, cached.seq, PAGE).await?;
            for row in &rows {
                match &row.state {
                    State::Live(live) if live.content.space == space.id => {
                        // Another dimension than its space has cannot have been stored.
                        let _ = cached.gallery.upsert(row.face_id.clone(), &live.content.embedding);
                    }
                    _ => {
                        cached.gallery.remove(&row.face_id);
                    }
                }
            }
            let last = rows.len() < PAGE as usize;
            cached.seq =
                if last { location.totals.seq } else { rows.last().map_or(cached.seq, |row| row.seq) };
        }
        Ok(cached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        App, Settings,
        changes::{Actor, Held, Newcomer},
        clock,
        locations::{self, NewLocation},
        points::Points,
        tables::{customers::Tally, spaces},
    };
    use protocol::message::{Customer as Content, EnrolPolicy, Flag, Similarity};

    fn picture(person: usize) -> Embedding {
        let mut vector = [0.0_f32; 8];
        vector[person] = 1.0;
        Embedding::from_f32(&vector).unwrap()
    }

    async fn enrol(held: &mut Held, space: &SpaceId, person: usize) {
        let (space, embedding) = (space.clone(), picture(person));
        let content = Content { name: "".parse().unwrap(), flag: Flag::None, space, embedding };
        let face_id = format!("face_{person}").parse().unwrap();
        let seen = Tally::default();
        let newcomer = Newcomer { face_id: &face_id, content, seen, duplicate_of: None };
        held.enrol(newcomer, &Actor::website()).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_was_enrolled_in_a_transaction_that_was_given_up_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::open(Settings::new(folder.path().to_owned())).await.unwrap();
        let new = NewLocation {
            id: "oslo".parse().unwrap(),
            name: "Oslo".to_owned(),
            time_zone: "Europe/Oslo".to_owned(),
            enrol: EnrolPolicy::Auto,
            points_per_visit: Points::default(),
        };
        let id = locations::add(&app, new, &Actor::website()).await.unwrap().id;
        let (match_at, new_below) = (Similarity(8000), Similarity(6000));
        let space = Space { id: "toy".parse().unwrap(), dimension: 8, match_at, new_below };
        let mut tx = app.db.write().await.unwrap();
        spaces::insert(&mut tx, &space, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        for (given_up, expected) in [(true, None), (false, Some("face_0"))] {
            // Somebody is enrolled and found, and the request's client goes away or waits for its end.
            let mut learning = app.faces.learn(&id).await;
            let mut held = Held::begin(&app.db, &id).await.unwrap();
            enrol(&mut held, &space.id, 0).await;
            let nearest = learning.nearest(&mut held.tx, &held.location, &space, &picture(0)).await.unwrap();
            assert_eq!(nearest.unwrap().0.as_str(), "face_0");
            if given_up {
                drop((held, learning));
            } else {
                held.commit().await.unwrap();
                learning.committed();
            }
            // Somebody else takes the seq that came to nothing, unseen by the galleries.
            let mut held = Held::begin(&app.db, &id).await.unwrap();
            enrol(&mut held, &space.id, if given_up { 1 } else { 2 }).await;
            held.commit().await.unwrap();
            let mut learning = app.faces.learn(&id).await;
            let mut held = Held::begin(&app.db, &id).await.unwrap();
            let nearest = learning.nearest(&mut held.tx, &held.location, &space, &picture(0)).await.unwrap();
            assert_eq!(nearest.map(|(face_id, _)| face_id.to_string()).as_deref(), expected, "{given_up}");
        }
    }
}
