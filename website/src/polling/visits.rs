//! Visits and new faces of boxes that poll: each stored once, by the id that its box gave it.

use super::{Caller, Since};
use crate::{
    app::App,
    changes::{ChangeError, Held},
    decide::{
        polled::{self, Status},
        visit::Reason,
    },
    faces::Faces,
    points::Points,
    random,
    sightings::{self, NewId, Outcome, Sighting},
    tables::{
        edges, polled_visits, polling_answers,
        visits::{self, Kind},
    },
};
use protocol::{
    Embedding, FaceId, LocationId, UnixMs,
    message::{Basis, Seen, Similarity},
};
use sha2::{Digest as _, Sha256};
use std::str::FromStr;

/// Above the number of every question: a visit comes after the answer that it names.
const EVERY_QUESTION: u64 = i64::MAX as u64;
/// By so much a box's clock may be ahead of ours without harm.
const CLOCK_MARGIN_MS: i64 = 5_000;

/// A box's own id of a visit: 1 to 64 characters that can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitId(String);

/// The text is no [`VisitId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a visit's id has 1 to 64 characters that can be printed")]
pub struct VisitIdError;

impl FromStr for VisitId {
    type Err = VisitIdError;

    fn from_str(text: &str) -> Result<Self, VisitIdError> {
        let good = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if good { Ok(VisitId(text.to_owned())) } else { Err(VisitIdError) }
    }
}

impl VisitId {
    /// As its box wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored of it: a box may have put the number of a face into it, and that is to be forgotten.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

/// One visit as a box sends it.
#[derive(Debug, Clone)]
pub struct PolledVisit {
    /// The box's own id of it.
    pub id: VisitId,
    /// When, by the box's clock.
    pub seen_at: UnixMs,
    /// Whom.
    pub who: Who,
    /// What it is worth, where the box says so instead of the store.
    pub worth: Option<Points>,
    /// What the box had been told when it decided, where it says so.
    pub since: Since,
}

/// Whom a box saw.
#[derive(Debug, Clone)]
pub enum Who {
    /// Somebody it knew.
    Known {
        /// By this id.
        face_id: FaceId,
        /// How alike, where it says so.
        similarity: Option<Similarity>,
    },
    /// Somebody it took for new.
    New {
        /// The id it would like: its own number.
        wanted: Option<FaceId>,
        /// The face, of the space of the box's model.
        embedding: Embedding,
    },
}

/// Why none of a box's visits was looked at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was shut out while it sent.
    #[error("this box has been revoked or shut out: nothing of this is stored")]
    ShutOut,
    /// The change did not go through.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        StoreError::Change(error.into())
    }
}

/// Stores visits and tells what became of each, in their order. One that is stored already is answered as before, unless its
/// person has been merged or removed since.
///
/// # Errors
/// When the box was shut out meanwhile, or the database did not do it: then nothing of them is stored, or an earlier part of
/// them, and all can be sent again.
pub async fn store(app: &App, from: Caller<'_>, visits: &[PolledVisit]) -> Result<Vec<Status>, StoreError> {
    let error = match store_in_one(app, from, visits).await {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    match (error, visits) {
        (StoreError::Change(ChangeError::Database(error)), _) if sightings::violates(&error) => {
            if let [_] = visits {
                return Ok(vec![Status::Refused(Reason::Refused)]);
            }
            // One of them can never be stored: it must not take the others with it.
            let mut done = Vec::new();
            for visit in visits.chunks(1) {
                done.extend(Box::pin(store(app, from, visit)).await?);
            }
            Ok(done)
        }
        (error, _) => Err(error),
    }
}

async fn store_in_one(
    app: &App,
    from: Caller<'_>,
    visits: &[PolledVisit],
) -> Result<Vec<Status>, StoreError> {
    let mut learning = app.faces.learn(from.location).await;
    let mut held = Held::begin(&app.db, from.location).await?;
    let edge = edges::get(&mut held.tx, from.edge).await?;
    if edge.is_none_or(|edge| edge.revoked_at.is_some() || edge.alarm.shuts_out()) {
        return Err(StoreError::ShutOut);
    }
    let (mut done, mut rows, mut repeated) = (Vec::new(), Vec::new(), 0);
    let mut newest = polled_visits::newest(&mut held.tx, from.edge).await?;
    for visit in visits {
        if let Some((kind, face_id)) = polled_visits::get(&mut held.tx, from.edge, &visit.id).await? {
            repeated += 1;
            done.push(polled::status(kind, face_id));
            continue;
        }
        match store_one(&mut held, &mut learning, from, visit, newest + 1).await? {
            Outcome::Stored(row) => {
                newest += 1;
                polled_visits::insert(&mut held.tx, from.edge, &visit.id, newest).await?;
                done.push(polled::status(row.kind, row.face_id.clone()));
                rows.push(row);
            }
            Outcome::Dead(reason) => done.push(Status::Refused(reason)),
        }
    }
    held.commit().await?;
    learning.committed();
    announce(app, from.location, &rows, repeated);
    Ok(done)
}

async fn store_one(
    held: &mut Held,
    faces: &mut Faces,
    from: Caller<'_>,
    visit: &PolledVisit,
    n: u64,
) -> Result<Outcome, ChangeError> {
    let (seen, similarity) = match &visit.who {
        Who::Known { face_id, similarity } => {
            let said = similarity.unwrap_or(Similarity(0));
            (Seen::Known { face_id: face_id.clone(), similarity: said }, *similarity)
        }
        Who::New { wanted, embedding } => {
            let (face_id, space) = (given(held, wanted.as_ref()).await?, from.space.clone());
            (Seen::New { face_id, space, embedding: embedding.clone() }, None)
        }
    };
    let sighting = Sighting {
        edge: from.edge,
        number: (polled_visits::STREAM, n),
        seen: &seen,
        similarity,
        new_id: NewId::Answered,
        at: visit.seen_at,
        // Nobody was seen in the future: by so much, at least, the box's clock is ahead.
        clock_offset_ms: visit.seen_at.since(held.now).max(0),
        basis: basis(held, from, visit).await?,
        worth: visit.worth.unwrap_or(held.location.points_per_visit),
    };
    sightings::store(held, faces, &sighting).await
}

/// The id that a new face gets: the one its box would like, if that is free.
async fn given(held: &mut Held, wanted: Option<&FaceId>) -> sqlx::Result<FaceId> {
    if let Some(wanted) = wanted
        && polled::is_free(&sightings::standing(held, wanted).await?)
    {
        return Ok(wanted.clone());
    }
    Ok(FaceId::from_random(random::bytes()))
}

/// What a visit was decided on: the answer whose time it names. Of one that names none, a new face counts as decided on what
/// its box had been told by the moment it was seen, and somebody known on nothing: the box's clock must not raise an alarm.
async fn basis(held: &mut Held, from: Caller<'_>, visit: &PolledVisit) -> sqlx::Result<Basis> {
    let named = match visit.since.stamp() {
        Some(stamp) => polling_answers::at(&mut held.tx, from.edge, stamp, EVERY_QUESTION).await?,
        None => None,
    };
    let had = match (named, &visit.who) {
        (Some(named), _) => Some(named),
        // A moment ahead of us says that the box's clock is wrong, and nothing else.
        (None, Who::New { .. }) if visit.seen_at <= held.now.plus_ms(CLOCK_MARGIN_MS) => {
            // An answer bears whole seconds: before its second is over it may not have been given.
            let second = visit.seen_at.plus_ms(-CLOCK_MARGIN_MS).0.div_euclid(1_000) - 1;
            polling_answers::newest_through(&mut held.tx, from.edge, second).await?
        }
        (None, _) => None,
    };
    Ok(polled::basis(had.as_ref(), &held.location.totals))
}

fn announce(app: &App, location: &LocationId, rows: &[visits::Visit], repeated: u64) {
    app.counters.visits.more(rows.len() as u64);
    app.counters.visits_repeated.more(repeated);
    let stale = rows.iter().filter(|row| row.kind == Kind::StaleHit).count();
    app.counters.stale_hits.more(stale as u64);
    if let Some(link) = app.link.get() {
        rows.iter().for_each(|row| sightings::show(link, location, row));
    }
    app.changed.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_has_an_id_that_can_be_printed() {
        let long = "é".repeat(64);
        for (text, good) in [
            ("v1", true),
            ("2026-12-01 08:00 / 7", true),
            (&*long, true),
            ("", false),
            ("a\nb", false),
            ("a\0", false),
            (&*format!("{long}x"), false),
        ] {
            assert_eq!(text.parse::<VisitId>().is_ok(), good, "{text:?}");
        }
    }
}
