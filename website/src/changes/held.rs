//! A location under its lock while its customers change: the one transaction that every change goes through.

use super::{Actor, ChangeError};
use crate::{
    clock,
    db::{Db, Tx},
    decide::{
        epoch,
        erasure::{self, Apply, Erasure, Known},
        issue::next_issued_at,
        totals::{Effect, Totals},
    },
    tables::{
        audit,
        change_log::{self, Verb},
        consents,
        customers::{self, Customer, Live, Tally},
        erasures, faces,
        locations::{self, Location},
        merges,
        review_queue::{self, Waiting},
        visits,
    },
};
use protocol::{
    Digest, Epoch, FaceId, LocationId, Seq, UnixMs,
    message::{Customer as Content, Flag},
};

/// A location under its lock. Dropped without [`Held::commit`] nothing has happened.
pub struct Held {
    /// The transaction.
    pub tx: Tx,
    /// The location as it is inside the transaction.
    pub location: Location,
    /// The moment of every change made here, taken after the lock: later seqs are not earlier.
    pub now: UnixMs,
    before: Seq,
    /// What was changed here; it is written with the counters.
    log: Vec<change_log::Entry>,
}

/// A live row about to be added.
pub struct Newcomer<'a> {
    /// Minted by the edge.
    pub face_id: &'a FaceId,
    /// Name, flag, space and face.
    pub content: Content,
    /// What its visits so far leave with it.
    pub seen: Tally,
    /// Whom it may be.
    pub duplicate_of: Option<FaceId>,
}

impl Held {
    /// Begins a transaction that holds the lock of `location`.
    pub async fn begin(db: &Db, location: &LocationId) -> Result<Held, ChangeError> {
        Held::inside(db.write().await?, location).await
    }

    /// The same inside a transaction that has begun.
    pub(crate) async fn inside(mut tx: Tx, location: &LocationId) -> Result<Held, ChangeError> {
        let found = locations::lock(&mut tx, location).await?;
        let location = found.ok_or_else(|| ChangeError::UnknownLocation(location.clone()))?;
        let before = location.totals.seq;
        Ok(Held { tx, location, now: clock::now(), before, log: Vec::new() })
    }

    /// The row of `face_id`, which must be live.
    pub async fn live(&mut self, face_id: &FaceId) -> Result<Customer, ChangeError> {
        let row = customers::get(&mut self.tx, &self.location.id, face_id).await?;
        let row = row.ok_or_else(|| ChangeError::UnknownCustomer(face_id.clone()))?;
        match row.state {
            customers::State::Live(_) => Ok(row),
            customers::State::Removed { merged_into: None, .. } => Err(ChangeError::Removed(face_id.clone())),
            customers::State::Removed { merged_into: Some(into), .. } => {
                Err(ChangeError::Merged { face_id: face_id.clone(), into })
            }
        }
    }

    /// Adds a live row.
    pub async fn enrol(&mut self, newcomer: Newcomer<'_>, by: &Actor) -> Result<Seq, ChangeError> {
        let Newcomer { face_id, content, seen: Tally { visits, points, last_seen_at }, duplicate_of } =
            newcomer;
        let seq = self.location.totals.seq.next();
        let row_hash = self.location.digest_key.hash(face_id, seq, &content);
        let slot = faces::put(&mut self.tx, content.embedding.as_bytes()).await?;
        let live = Live { content, slot, row_hash, points, visits, last_seen_at, duplicate_of };
        customers::insert_live(&mut self.tx, &self.location.id, face_id, seq, &live, self.now).await?;
        Ok(self.took(Effect::Added { new: row_hash }, face_id, Verb::Enrolled, by))
    }

    /// Begins a new history: the counters go on in it, digest and count are those of the rows as they are.
    pub(crate) async fn begin_epoch(&mut self, new: Epoch) -> Result<(), ChangeError> {
        let id = self.location.id.clone();
        let rows = customers::hashes(&mut self.tx, &id).await?;
        let totals = epoch::begun(self.location.totals, new);
        let digest = Digest::of(rows.iter().map(|(_, _, hash)| *hash));
        self.location.totals = Totals { count: rows.len() as u64, digest, ..totals };
        Ok(locations::set_unpublished(&mut self.tx, &id).await?)
    }

    /// Makes a removal again that only the ledger knows, of the face and of all that were merged into it.
    pub(crate) async fn remove_again(&mut self, lost: &Erasure, by: &Actor) -> Result<(), ChangeError> {
        for face_id in std::iter::once(&lost.face_id).chain(&lost.also) {
            let row = customers::get(&mut self.tx, &self.location.id, face_id).await?;
            let waiting = review_queue::get(&mut self.tx, &self.location.id, face_id).await?.is_some();
            let known = match &row {
                Some(row) if row.live().is_some() => Known::Live,
                Some(_) => Known::Gone,
                None if waiting => Known::Waiting,
                None => Known::Nothing,
            };
            match (erasure::again(known), &row) {
                (Apply::Remove, Some(row)) => drop(self.remove(row, by).await?),
                (Apply::Withdraw | Apply::Bury, _) => drop(self.withdraw(face_id, by).await?),
                (Apply::Remove, None) => {}
                // Its tombstone stands for the record that was lost.
                (Apply::Nothing, _) if *face_id == lost.face_id => self.record(face_id, by).await?,
                (Apply::Nothing, _) => {}
            }
        }
        Ok(())
    }

    /// Lets a new face wait for a manager.
    pub async fn queue_for_review(&mut self, waiting: &Waiting) -> Result<(), ChangeError> {
        let slot = faces::put(&mut self.tx, waiting.embedding.as_bytes()).await?;
        Ok(review_queue::insert(&mut self.tx, &self.location.id, waiting, slot).await?)
    }

    /// Takes a face out of the review queue, if it waits there, and erases it.
    pub async fn take_from_review(&mut self, face_id: &FaceId) -> Result<(), ChangeError> {
        if let Some(slot) = review_queue::delete(&mut self.tx, &self.location.id, face_id).await? {
            faces::free(&mut self.tx, slot).await?;
        }
        Ok(())
    }

    /// Says that a face without a row must never have one: what waits of it in the review queue is destroyed, its
    /// visits are nobody's, and edges that hold it let go.
    pub async fn withdraw(&mut self, face_id: &FaceId, by: &Actor) -> Result<Seq, ChangeError> {
        let (id, seq) = (self.location.id.clone(), self.location.totals.seq.next());
        self.take_from_review(face_id).await?;
        customers::insert_tombstone(&mut self.tx, &id, face_id, seq, None, self.now).await?;
        visits::anonymise(&mut self.tx, &id, face_id).await?;
        let seq = self.took(Effect::RemovedUnborn, face_id, Verb::Removed, by);
        self.record(face_id, by).await?;
        Ok(seq)
    }

    /// Records that a face was removed at the newest seq.
    async fn record(&mut self, face_id: &FaceId, by: &Actor) -> Result<(), ChangeError> {
        let location = &self.location;
        let also = merges::losers(&mut self.tx, &location.id, face_id).await?;
        let recognised_until =
            erasure::recognised_until(self.now, location.issued_at, location.lease_s, location.lease_out);
        let erasure = Erasure {
            location: location.id.clone(),
            face_id: face_id.clone(),
            also,
            epoch: location.totals.epoch,
            seq: location.totals.seq,
            at: self.now,
        };
        let recorded = erasures::Recorded { erasure, actor: by.to_string(), recognised_until };
        Ok(erasures::insert(&mut self.tx, &recorded).await?)
    }

    /// Erases a live row and takes the identity from its visits.
    pub async fn remove(&mut self, row: &Customer, by: &Actor) -> Result<Seq, ChangeError> {
        let live = row.live().ok_or_else(|| ChangeError::Removed(row.face_id.clone()))?;
        let seq = self.location.totals.seq.next();
        customers::bury(&mut self.tx, &self.location.id, &row.face_id, seq, None, self.now).await?;
        faces::free(&mut self.tx, live.slot).await?;
        visits::anonymise(&mut self.tx, &self.location.id, &row.face_id).await?;
        consents::delete(&mut self.tx, &self.location.id, &row.face_id).await?;
        let seq = self.took(Effect::Removed { old: live.row_hash }, &row.face_id, Verb::Removed, by);
        self.record(&row.face_id, by).await?;
        Ok(seq)
    }

    /// Turns a live row into another one, as the last thing done here, and makes everything durable: points and visits
    /// go over, and name and flag where the winner has none.
    pub async fn merge(
        mut self,
        loser: &Customer,
        winner: &Customer,
        by: &Actor,
    ) -> Result<Seq, ChangeError> {
        let lost = loser.live().ok_or_else(|| ChangeError::Removed(loser.face_id.clone()))?;
        let kept = winner.live().ok_or_else(|| ChangeError::Removed(winner.face_id.clone()))?;
        let (id, seq) = (self.location.id.clone(), self.location.totals.seq.next());
        customers::bury(&mut self.tx, &id, &loser.face_id, seq, Some(&winner.face_id), self.now).await?;
        faces::free(&mut self.tx, lost.slot).await?;
        merges::insert(&mut self.tx, &id, &loser.face_id, &winner.face_id, seq, self.now).await?;
        visits::reassign(&mut self.tx, &id, &loser.face_id, &winner.face_id).await?;
        if let Some(consent) = consents::get(&mut self.tx, &id, &loser.face_id).await? {
            consents::insert(&mut self.tx, &id, &winner.face_id, &consent).await?;
            consents::delete(&mut self.tx, &id, &loser.face_id).await?;
        }
        let more = Tally { visits: lost.visits, points: lost.points, last_seen_at: lost.last_seen_at };
        customers::count_visits(&mut self.tx, &id, &winner.face_id, &more).await?;
        if kept.duplicate_of.as_ref() == Some(&loser.face_id) {
            customers::clear_duplicate(&mut self.tx, &id, &winner.face_id).await?;
        }
        let seq = self.took(Effect::Merged { old: lost.row_hash }, &loser.face_id, Verb::Merged, by);
        let content = inherited(&kept.content, &lost.content);
        if content != kept.content {
            return self.rewrite(winner, &content, Verb::Edited, by).await;
        }
        self.commit().await?;
        Ok(seq)
    }

    /// Marks a face that was never live as another one.
    pub async fn merge_unborn(
        &mut self,
        face_id: &FaceId,
        winner: &FaceId,
        by: &Actor,
    ) -> Result<Seq, ChangeError> {
        let (id, seq) = (self.location.id.clone(), self.location.totals.seq.next());
        customers::insert_tombstone(&mut self.tx, &id, face_id, seq, Some(winner), self.now).await?;
        merges::insert(&mut self.tx, &id, face_id, winner, seq, self.now).await?;
        visits::reassign(&mut self.tx, &id, face_id, winner).await?;
        Ok(self.took(Effect::MergedUnborn, face_id, Verb::Merged, by))
    }

    /// Notes in the audit what is no change of a row.
    pub async fn note(&mut self, action: &str, subject: &str, by: &Actor) -> Result<(), ChangeError> {
        let location = Some(self.location.id.clone());
        let entry = audit::Entry {
            at: self.now,
            actor: by.to_string(),
            action: action.to_owned(),
            location,
            subject: subject.to_owned(),
        };
        Ok(audit::insert(&mut self.tx, &entry).await?)
    }

    fn took(&mut self, effect: Effect, face_id: &FaceId, verb: Verb, by: &Actor) -> Seq {
        self.location.totals = self.location.totals.after(effect);
        let (seq, epoch) = (self.location.totals.seq, self.location.totals.epoch);
        let (face_id, actor) = (face_id.clone(), by.to_string());
        self.log.push(change_log::Entry { seq, epoch, face_id, verb, actor, at: self.now });
        seq
    }

    /// Makes everything done here durable, the counters with it.
    pub async fn commit(self) -> Result<(), ChangeError> {
        Ok(self.finish().await?.commit().await?)
    }

    /// Stores the counters and the log, and gives the transaction back.
    pub(crate) async fn finish(mut self) -> Result<Tx, ChangeError> {
        let (id, totals, issued_at) = (&self.location.id, &self.location.totals, self.issued_at());
        match self.log.split_last() {
            Some((newest, others)) => {
                for entry in others {
                    change_log::insert(&mut self.tx, id, entry).await?;
                }
                change_log::insert_with_totals(&mut self.tx, id, newest, totals, issued_at).await?;
            }
            // A new history takes a seq without changing anybody.
            None if totals.seq > self.before => {
                locations::set_totals(&mut self.tx, id, totals, issued_at).await?;
            }
            None => {}
        }
        Ok(self.tx)
    }

    /// Gives a live row new content, as the last thing done here, and makes everything durable.
    pub async fn rewrite(
        mut self,
        row: &Customer,
        content: &Content,
        verb: Verb,
        by: &Actor,
    ) -> Result<Seq, ChangeError> {
        let live = row.live().ok_or_else(|| ChangeError::Removed(row.face_id.clone()))?;
        let new = self.location.digest_key.hash(&row.face_id, self.location.totals.seq.next(), content);
        let seq = self.took(Effect::Replaced { old: live.row_hash, new }, &row.face_id, verb, by);
        let (id, totals, issued_at) = (&self.location.id, &self.location.totals, self.issued_at());
        if let Some((newest, others)) = self.log.split_last() {
            for entry in others {
                change_log::insert(&mut self.tx, id, entry).await?;
            }
            let rewritten = (content, new);
            change_log::insert_with_rewrite(&mut self.tx, id, newest, rewritten, totals, issued_at).await?;
        }
        self.tx.commit().await?;
        Ok(seq)
    }

    fn issued_at(&self) -> UnixMs {
        next_issued_at(self.now, self.location.issued_at)
    }
}

fn inherited(winner: &Content, loser: &Content) -> Content {
    Content {
        name: if winner.name.is_empty() { loser.name.clone() } else { winner.name.clone() },
        flag: if winner.flag == Flag::None { loser.flag } else { winner.flag },
        space: winner.space.clone(),
        embedding: winner.embedding.clone(),
    }
}
