//! Visits: each stored once, then settled.

use super::{Ingest, Sender};
use crate::{
    changes::{Actor, ChangeError, Held, Newcomer},
    decide::{
        settle,
        visit::{self, Queued, Reason, RowIs, Standing, Traces, Verdict},
    },
    points::Points,
    tables::{
        customers::{self, State, Tally},
        dead_letters, edges,
        edges::Alarm,
        erasures, merges, review_queue, spaces,
        visits::{self, Kind},
    },
};
use protocol::{
    Embedding, FaceId, LocationId, Name, Seq, SpaceId, StreamId, Topic,
    message::{Command, Customer as Content, Flag, Inbox, Seen, Settled, Similarity, Visit},
};
use std::collections::{BTreeMap, HashMap};

/// As many numbers as an edge could possibly have unsettled.
const SETTLE_WINDOW: u32 = 4_096;

/// Groups visits by location, each group in the order of arrival.
pub(super) fn by_location(visits: Vec<(Sender, Visit)>) -> BTreeMap<LocationId, Vec<(Sender, Visit)>> {
    let mut groups: BTreeMap<LocationId, Vec<(Sender, Visit)>> = BTreeMap::new();
    for (sender, visit) in visits {
        groups.entry(sender.location.clone()).or_default().push((sender, visit));
    }
    groups
}

impl Ingest {
    /// Stores a location's visits in one transaction under its lock; then tells the edges what is settled, and
    /// people what happened.
    pub(super) async fn store_visits(
        &mut self,
        location: &LocationId,
        visits: &[(Sender, Visit)],
    ) -> sqlx::Result<()> {
        let error = match self.store_in_one(location, visits).await {
            Ok(done) => {
                self.announce(location, done);
                return Ok(());
            }
            Err(error) => error,
        };
        // It may have learnt faces that were never committed.
        self.faces.forget(location);
        match (error, visits) {
            (ChangeError::Database(error), _) if !violates(&error) => Err(error),
            (ChangeError::Database(_), [(sender, visit)]) => {
                let mut held = match Held::begin(&self.app.db, location).await {
                    Ok(held) => held,
                    Err(ChangeError::Database(error)) => return Err(error),
                    Err(_) => return Ok(()),
                };
                self.bury(&mut held, sender, visit, Reason::Refused).await?;
                held.tx.commit().await
            }
            // One of them can never be stored: it must not take the others with it.
            (ChangeError::Database(_), _) => {
                for visit in visits.chunks(1) {
                    Box::pin(self.store_visits(location, visit)).await?;
                }
                Ok(())
            }
            (error, _) => {
                self.app.counters.not_ours.more(visits.len() as u64);
                tracing::warn!(%error, "visits were left alone");
                Ok(())
            }
        }
    }

    fn announce(&self, location: &LocationId, done: Done) {
        crash_point::reach("website_visits_stored_before_settled");
        self.app.counters.visits.more(done.stored);
        self.app.counters.visits_repeated.more(done.repeated);
        self.app.counters.stale_hits.more(done.suspects.len() as u64);
        done.settled.into_iter().for_each(|(sender, settled)| self.tell(&sender, &Inbox::Settled(settled)));
        done.suspects.iter().for_each(|sender| self.tell(sender, &Inbox::Command(Command::Repair)));
        done.lines.into_iter().for_each(|line| self.show(location, line));
        self.app.changed.notify_one();
    }

    async fn store_in_one(
        &mut self,
        location: &LocationId,
        visits: &[(Sender, Visit)],
    ) -> Result<Done, ChangeError> {
        let mut held = Held::begin(&self.app.db, location).await?;
        let mut done = Done::default();
        let mut unsettled: HashMap<(&Sender, StreamId), u64> = HashMap::new();
        for (sender, visit) in visits {
            if self.active(&mut held.tx, sender).await?.is_none() {
                continue;
            }
            let known = visits::stored(&mut held.tx, &sender.edge, visit.stream, visit.n, 1).await?;
            if known == [visit.n] {
                done.repeated += 1;
            } else {
                let row = self.store_one(&mut held, sender, visit).await?;
                done.stored += 1;
                if row.as_ref().is_some_and(|row| row.kind == Kind::StaleHit) {
                    done.suspects.push(sender.clone());
                }
                done.lines.extend(row);
            }
            // The edge's newest word: what lies below is settled.
            let first = unsettled.entry((sender, visit.stream)).or_default();
            *first = visit.first_unsettled.max(*first);
        }
        for ((sender, stream), first) in unsettled {
            let stored = visits::stored(&mut held.tx, &sender.edge, stream, first, SETTLE_WINDOW).await?;
            if let Some(through) = settle::through(first, &stored) {
                let (epoch, seq) = (held.location.totals.epoch, held.location.totals.seq);
                let at = settle::dated(held.now, held.location.backed_up_at);
                done.settled.push((sender.clone(), Settled { epoch, seq, stream, from: first, through, at }));
            }
        }
        held.commit().await?;
        Ok(done)
    }

    async fn store_one(
        &mut self,
        held: &mut Held,
        sender: &Sender,
        visit: &Visit,
    ) -> Result<Option<visits::Visit>, ChangeError> {
        let verdict = self.judge(held, visit).await?;
        let offset = visit.sent_at.since(held.now);
        let mut row = visits::Visit {
            edge: sender.edge.clone(),
            number: (visit.stream, visit.n),
            kind: Kind::Anonymous,
            face_id: None,
            similarity: similarity(visit),
            seen_at: visit.at,
            received_at: held.now,
            clock_offset_ms: offset,
            basis: visit.basis,
            points: Points::default(),
        };
        // By our clock, as well as it can be known; nobody was seen in the future.
        let seen_at = visit.at.plus_ms(offset.saturating_neg()).min(held.now);
        let (id, by) = (held.location.id.clone(), Actor::edge(&sender.edge));
        let worth = held.location.points_per_visit;
        let once = Tally::one(seen_at, worth);
        match (verdict, &visit.seen) {
            (Verdict::Of(kind, face_id), _) => {
                customers::count_visits(&mut held.tx, &id, &face_id, &once).await?;
                (row.kind, row.face_id) = (kind, Some(face_id));
            }
            (Verdict::MergeInto(winner), Seen::New { face_id, .. }) => {
                held.merge_unborn(face_id, &winner, &by).await?;
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
                    edge: sender.edge.clone(),
                    space: space.clone(),
                    embedding: embedding.clone(),
                    seen_at: visit.at,
                    received_at: held.now,
                };
                held.queue_for_review(&waiting).await?;
                (row.kind, row.face_id) = (Kind::Waiting, Some(face_id.clone()));
            }
            (Verdict::StaleHit, _) => {
                edges::set_alarm(&mut held.tx, &sender.edge, Alarm::StaleHit, held.now).await?;
                edges::order_repair(&mut held.tx, &sender.edge, held.now).await?;
                row.kind = Kind::StaleHit;
            }
            (Verdict::Dead(reason), _) => {
                self.bury(held, sender, visit, reason).await?;
                return Ok(None);
            }
            (Verdict::Nobody(kind), _) => row.kind = kind,
            // Only a new face is compared.
            (Verdict::MergeInto(_) | Verdict::Enrol { .. } | Verdict::Wait, _) => {}
        }
        // Without an identity there is nobody whom it was like, or to whom it is worth anything.
        row.similarity = row.similarity.filter(|_| row.face_id.is_some());
        row.points = row.face_id.as_ref().map_or_else(Points::default, |_| worth);
        visits::insert(&mut held.tx, &id, &row).await?;
        Ok(Some(row))
    }

    async fn bury(
        &self,
        held: &mut Held,
        sender: &Sender,
        visit: &Visit,
        reason: Reason,
    ) -> sqlx::Result<()> {
        let (number, id) = ((visit.stream, visit.n), held.location.id.clone());
        self.app.counters.dead_letters.one();
        dead_letters::insert(&mut held.tx, &sender.edge, number, &id, reason.as_str(), held.now).await
    }

    async fn judge(&mut self, held: &mut Held, visit: &Visit) -> sqlx::Result<Verdict> {
        let totals = held.location.totals;
        match &visit.seen {
            Seen::Anonymous => Ok(Verdict::Nobody(Kind::Anonymous)),
            Seen::Known { face_id, .. } => {
                let standing = standing(held, face_id).await?;
                Ok(visit::known(face_id, &standing, &visit.basis, &totals))
            }
            Seen::New { face_id, space, embedding } => {
                let standing = standing(held, face_id).await?;
                let space = spaces::get(&mut held.tx, space).await?;
                let (dimension, policy) = (embedding.dimension(), held.location.enrol);
                let early = visit::new_before_search(
                    &standing,
                    space.as_ref(),
                    dimension,
                    &visit.basis,
                    &totals,
                    policy,
                );
                let (None, Some(space)) = (&early, space) else {
                    return Ok(early.unwrap_or(Verdict::Dead(Reason::UnknownSpace)));
                };
                let nearest = self.faces.nearest(&mut held.tx, &held.location, &space, embedding).await?;
                let nearest = nearest.as_ref().map(|(face_id, similarity)| (face_id, *similarity));
                Ok(visit::new_after_search(nearest, &space, policy))
            }
        }
    }

    /// A line for people; whoever is not looking misses it.
    fn show(&self, location: &LocationId, visit: visits::Visit) {
        let line = serde_json::json!({
            "at": visit.seen_at,
            "edge": visit.edge,
            "kind": visit.kind,
            "face_id": visit.face_id,
            "similarity": visit.similarity.map(|similarity| similarity.cosine()),
        });
        // People's lines are not worth the connection.
        let _ = self.link.publish(&Topic::ViewVisits(location.clone()), line.to_string().into_bytes());
    }
}

#[derive(Default)]
struct Done {
    stored: u64,
    repeated: u64,
    settled: Vec<(Sender, Settled)>,
    suspects: Vec<Sender>,
    lines: Vec<visits::Visit>,
}

/// Whether the database refused the content, which no second attempt changes.
fn violates(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.is_unique_violation() || error.is_foreign_key_violation() || error.is_check_violation()
    })
}

async fn standing(held: &mut Held, face_id: &FaceId) -> sqlx::Result<Standing> {
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

async fn traces_row(held: &mut Held, face_id: &FaceId) -> sqlx::Result<Option<(Seq, RowIs)>> {
    let id = held.location.id.clone();
    let row = customers::get(&mut held.tx, &id, face_id).await?;
    Ok(row.map(|row| match row.state {
        State::Live(_) => (row.seq, RowIs::Live),
        State::Removed { merged_into: None, .. } => (row.seq, RowIs::Removed),
        State::Removed { merged_into: Some(_), .. } => (row.seq, RowIs::Merged),
    }))
}

fn similarity(visit: &Visit) -> Option<Similarity> {
    match &visit.seen {
        Seen::Known { similarity, .. } => Some(*similarity),
        Seen::New { .. } | Seen::Anonymous => None,
    }
}

fn unnamed(space: &SpaceId, embedding: &Embedding) -> Content {
    Content { name: Name::default(), flag: Flag::None, space: space.clone(), embedding: embedding.clone() }
}
