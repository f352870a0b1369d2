//! Visits: each stored once, then settled.

use super::{Ingest, Sender};
use crate::{
    changes::{ChangeError, Held},
    decide::{settle, visit::Reason},
    faces::Faces,
    sightings::{self, NewId, Outcome, Sighting},
    tables::{
        dead_letters, edges,
        visits::{self, Kind},
    },
};
use protocol::{
    LocationId, StreamId,
    message::{Command, Inbox, Seen, Settled, Similarity, Visit},
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
        &self,
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
        match (error, visits) {
            (ChangeError::Database(error), _) if !sightings::violates(&error) => Err(error),
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
        done.lines.iter().for_each(|visit| sightings::show(&self.link, location, visit));
        self.app.changed.notify_one();
    }

    async fn store_in_one(
        &self,
        location: &LocationId,
        visits: &[(Sender, Visit)],
    ) -> Result<Done, ChangeError> {
        let mut learning = self.app.faces.learn(location).await;
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
                let row = self.store_one(&mut held, &mut learning, sender, visit).await?;
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
        learning.committed();
        Ok(done)
    }

    async fn store_one(
        &self,
        held: &mut Held,
        faces: &mut Faces,
        sender: &Sender,
        visit: &Visit,
    ) -> Result<Option<visits::Visit>, ChangeError> {
        let sighting = Sighting {
            edge: &sender.edge,
            number: (visit.stream, visit.n),
            seen: &visit.seen,
            similarity: similarity(&visit.seen),
            new_id: NewId::Held,
            at: visit.at,
            clock_offset_ms: visit.sent_at.since(held.now),
            basis: visit.basis,
            worth: held.location.points_per_visit,
        };
        match sightings::store(held, faces, &sighting).await? {
            Outcome::Stored(row) => {
                if row.kind == Kind::StaleHit {
                    edges::order_repair(&mut held.tx, &sender.edge, held.now).await?;
                }
                Ok(Some(row))
            }
            Outcome::Dead(reason) => {
                self.bury(held, sender, visit, reason).await?;
                Ok(None)
            }
        }
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
}

fn similarity(seen: &Seen) -> Option<Similarity> {
    match seen {
        Seen::Known { similarity, .. } => Some(*similarity),
        Seen::New { .. } | Seen::Anonymous => None,
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
