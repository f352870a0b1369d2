//! What a box has seen, however it came in: judged, and stored as a visit, inside a transaction that holds the location.

use crate::{
    changes::{Actor, ChangeError, Held, Newcomer},
    decide::visit::{self, Queued, Reason, RowIs, Standing, Traces, Verdict},
    faces::Faces,
    points::Points,
    session::Link,
    tables::{
        customers::{self, State, Tally},
        edges,
        edges::Alarm,
        erasures, merges, review_queue, spaces,
        visits::{self, Kind},
    },
};
use protocol::{
    EdgeId, Embedding, FaceId, LocationId, Name, Seq, SpaceId, StreamId, Topic, UnixMs,
    message::{Basis, Customer as Content, Flag, Seen, Similarity},
};

/// One sighting. That its number is new is the caller's to ask.
pub(crate) struct Sighting<'a> {
    /// Whose box saw it.
    pub(crate) edge: &'a EdgeId,
    /// Its number among that edge's.
    pub(crate) number: (StreamId, u64),
    /// Whom.
    pub(crate) seen: &'a Seen,
    /// How alike, where the box compared.
    pub(crate) similarity: Option<Similarity>,
    /// Whether the box holds a new face under the id it comes with.
    pub(crate) new_id: NewId,
    /// When, by the box's clock.
    pub(crate) at: UnixMs,
    /// The box's clock minus ours, as far as known.
    pub(crate) clock_offset_ms: i64,
    /// What the box decided on.
    pub(crate) basis: Basis,
    /// What it is worth to whom it is counted for.
    pub(crate) worth: Points,
}

/// Whether a box holds a new face under the id with which it sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewId {
    /// It does: where the face is another one's, it is told so by a tombstone.
    Held,
    /// It is told the id in the answer and holds it from then on.
    Answered,
}

/// What became of a sighting.
pub(crate) enum Outcome {
    /// It is this visit.
    Stored(visits::Visit),
    /// It can never be one; nothing is stored of it.
    Dead(Reason),
}

/// Judges a sighting and stores what follows.
pub(crate) async fn store(
    held: &mut Held,
    faces: &mut Faces,
    sighting: &Sighting<'_>,
) -> Result<Outcome, ChangeError> {
    let verdict = judge(held, faces, sighting).await?;
    let mut row = visits::Visit {
        edge: sighting.edge.clone(),
        number: sighting.number,
        kind: Kind::Anonymous,
        face_id: None,
        similarity: sighting.similarity,
        seen_at: sighting.at,
        received_at: held.now,
        clock_offset_ms: sighting.clock_offset_ms,
        basis: sighting.basis,
        points: Points::default(),
    };
    // By our clock, as well as it can be known; nobody was seen in the future.
    let seen_at = sighting.at.plus_ms(sighting.clock_offset_ms.saturating_neg()).min(held.now);
    let (id, by) = (held.location.id.clone(), Actor::edge(sighting.edge));
    let once = Tally::one(seen_at, sighting.worth);
    match (verdict, sighting.seen) {
        (Verdict::Of(kind, face_id), _) => {
            customers::count_visits(&mut held.tx, &id, &face_id, &once).await?;
            (row.kind, row.face_id) = (kind, Some(face_id));
        }
        (Verdict::MergeInto(winner), Seen::New { face_id, .. }) => {
            if sighting.new_id == NewId::Held {
                held.merge_unborn(face_id, &winner, &by).await?;
            }
            customers::count_visits(&mut held.tx, &id, &winner, &once).await?;
            (row.kind, row.face_id) = (Kind::Merged, Some(winner));
        }
        (Verdict::Enrol { duplicate_of }, Seen::New { face_id, space, embedding }) => {
            let content = unnamed(space, embedding);
            let newcomer = Newcomer { face_id, content, seen: once, duplicate_of };
            held.enrol(newcomer, &by).await?;
            (row.kind, row.face_id) = (Kind::Enrolled, Some(face_id.clone()));
        }
        (Verdict::Wait, Seen::New { face_id, space, embedding }) => {
            let waiting = review_queue::Waiting {
                face_id: face_id.clone(),
                edge: sighting.edge.clone(),
                space: space.clone(),
                embedding: embedding.clone(),
                seen_at: sighting.at,
                received_at: held.now,
            };
            held.queue_for_review(&waiting).await?;
            (row.kind, row.face_id) = (Kind::Waiting, Some(face_id.clone()));
        }
        (Verdict::StaleHit, _) => {
            edges::set_alarm(&mut held.tx, sighting.edge, Alarm::StaleHit, held.now).await?;
            row.kind = Kind::StaleHit;
        }
        (Verdict::Dead(reason), _) => return Ok(Outcome::Dead(reason)),
        (Verdict::Nobody(kind), _) => row.kind = kind,
        // Only a new face is compared.
        (Verdict::MergeInto(_) | Verdict::Enrol { .. } | Verdict::Wait, _) => {}
    }
    // Without an identity there is nobody whom it was like, or to whom it is worth anything.
    if row.face_id.is_some() {
        row.points = sighting.worth;
    } else {
        row.similarity = None;
    }
    visits::insert(&mut held.tx, &id, &row).await?;
    Ok(Outcome::Stored(row))
}

async fn judge(held: &mut Held, faces: &mut Faces, sighting: &Sighting<'_>) -> sqlx::Result<Verdict> {
    let (totals, basis) = (held.location.totals, &sighting.basis);
    match sighting.seen {
        Seen::Anonymous => Ok(Verdict::Nobody(Kind::Anonymous)),
        Seen::Known { face_id, .. } => {
            let standing = standing(held, face_id).await?;
            Ok(visit::known(face_id, &standing, basis, &totals))
        }
        Seen::New { face_id, space, embedding } => {
            let standing = standing(held, face_id).await?;
            let space = spaces::get(&mut held.tx, space).await?;
            let (dimension, policy) = (embedding.dimension(), held.location.enrol);
            let early =
                visit::new_before_search(&standing, space.as_ref(), dimension, basis, &totals, policy);
            let (None, Some(space)) = (&early, space) else {
                return Ok(early.unwrap_or(Verdict::Dead(Reason::UnknownSpace)));
            };
            let nearest = faces.nearest(&mut held.tx, &held.location, &space, embedding).await?;
            let nearest = nearest.as_ref().map(|(face_id, similarity)| (face_id, *similarity));
            Ok(visit::new_after_search(nearest, &space, policy))
        }
    }
}

/// What the website knows of a face.
pub(crate) async fn standing(held: &mut Held, face_id: &FaceId) -> sqlx::Result<Standing> {
    let (id, totals) = (held.location.id.clone(), held.location.totals);
    let row = traces_row(held, face_id).await?;
    if matches!(row, Some((_, RowIs::Live | RowIs::Removed))) {
        return Ok(visit::standing(Traces { row, ..Traces::default() }, &totals));
    }
    let winner = match merges::winner(&mut held.tx, &id, face_id).await? {
        Some(winner) => Some((winner.clone(), traces_row(held, &winner).await?)),
        None => None,
    };
    let erased = erasures::get(&mut held.tx, &id, face_id).await?;
    let erased = erased.map(|recorded| (recorded.erasure.epoch, recorded.erasure.seq));
    let waits = review_queue::get(&mut held.tx, &id, face_id).await?.is_some();
    let queued = if waits { Queued::Waiting } else { Queued::No };
    Ok(visit::standing(Traces { row, winner, erased, queued }, &totals))
}

/// A line for people about a visit that is stored; whoever is not looking misses it.
pub(crate) fn show(link: &Link, location: &LocationId, visit: &visits::Visit) {
    let line = serde_json::json!({
        "at": visit.seen_at,
        "edge": visit.edge,
        "kind": visit.kind,
        "face_id": visit.face_id,
        "similarity": visit.similarity.map(|similarity| similarity.cosine()),
    });
    // People's lines are not worth the connection.
    let _ = link.publish(&Topic::ViewVisits(location.clone()), line.to_string().into_bytes());
}

/// Whether the database refused the content, which no second attempt changes.
pub(crate) fn violates(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.is_unique_violation() || error.is_foreign_key_violation() || error.is_check_violation()
    })
}

async fn traces_row(held: &mut Held, face_id: &FaceId) -> sqlx::Result<Option<(Seq, RowIs)>> {
    let id = held.location.id.clone();
    let row = customers::get(&mut held.tx, &id, face_id).await?;
    Ok(row.map(|row| match row.state {
        State::Live(_) => (row.seq, RowIs::Live),
        State::Removed { merged_into: None, .. } => (row.seq, RowIs::Removed),
        State::Removed { merged_into: Some(_), .. } => (row.seq, RowIs::Merged),
    }))
}

fn unnamed(space: &SpaceId, embedding: &Embedding) -> Content {
    Content { name: Name::default(), flag: Flag::None, space: space.clone(), embedding: embedding.clone() }
}
