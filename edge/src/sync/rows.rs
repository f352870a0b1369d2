//! The rows an edge holds, as far as the rules need them: whose, of which epoch and seq, and their hash.

use super::history::{History, Total};
use protocol::{
    BUCKETS, BucketDigests, Epoch, FaceId, RowHash, Seq, bucket_of,
    message::{BucketRoster, Head},
};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
};

/// One live row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// The seq of its last change.
    pub seq: Seq,
    /// The keyed hash of its content.
    pub hash: RowHash,
}

/// Everything an edge holds of its location, and how far it has been verified.
#[derive(Debug, Clone)]
pub struct Rows {
    epoch: Option<Epoch>,
    floor: Seq,
    top: Seq,
    /// By bucket, as a repair compares them.
    live: Vec<BTreeMap<FaceId, Row>>,
    /// What was removed or dropped, until the floor has passed it: an older message must not bring it back.
    dropped: BTreeMap<FaceId, (Epoch, Seq)>,
    total: Total,
    history: History,
    /// Whether a row of an older epoch may be left.
    mixed: bool,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It says nothing new, or nothing that may be believed.
    Ignored,
    /// The row is in.
    Put,
    /// The face is out; it may not have been in.
    Removed,
}

/// A head held against the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// At the head's seq the rows were right.
    Equal,
    /// They are not.
    Differs,
    /// The rows are ahead of the head, and what they were at its seq is not known.
    Ahead,
}

impl Rows {
    /// Rows as they were stored, of the epoch and down to the floor that were stored apart from them.
    pub fn load(
        epoch: Option<Epoch>,
        floor: Seq,
        live: impl IntoIterator<Item = (FaceId, Row)>,
        dropped: BTreeMap<FaceId, (Epoch, Seq)>,
    ) -> Self {
        let mut rows = Self {
            epoch,
            floor,
            top: Seq(0),
            live: vec![BTreeMap::new(); BUCKETS],
            dropped,
            total: Total::default(),
            history: History::default(),
            mixed: false,
        };
        live.into_iter().for_each(|(face_id, row)| rows.put_in(face_id, row));
        rows.top = rows.highest_of_epoch().max(floor);
        rows.mixed = rows.any_of_other_epoch();
        rows
    }

    /// The epoch, once a head has told it.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The highest verified seq.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// The highest seq that the rows may have come to.
    pub fn top(&self) -> Seq {
        self.top
    }

    /// What the rows add up to.
    pub fn total(&self) -> Total {
        self.total
    }

    /// What the rows of each bucket add up to.
    pub fn buckets(&self) -> BucketDigests {
        BucketDigests::of(self.iter().map(|(face_id, row)| (face_id, row.hash)))
    }

    /// The row of a face.
    pub fn get(&self, face_id: &FaceId) -> Option<&Row> {
        self.bucket(face_id).get(face_id)
    }

    /// All rows, bucket by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (&FaceId, &Row)> {
        self.live.iter().flatten()
    }

    /// Whether `stored` is just what is here behind the id `after` (from the first on, where there is none) up to `through`, included (to
    /// the last, where there is none), in the order of ids.
    pub fn are(&self, after: Option<&FaceId>, through: Option<&FaceId>, stored: &[(FaceId, Row)]) -> bool {
        let ids = || after.into_iter().chain(stored.iter().map(|(face_id, _)| face_id));
        // What a damaged file has out of order would be no range.
        if !ids().is_sorted_by(|one, next| one < next) {
            return false;
        }
        let range = (after.map_or(Unbounded, Excluded), through.map_or(Unbounded, Included));
        let here: usize = self.live.iter().map(|bucket| bucket.range::<FaceId, _>(range).count()).sum();
        here == stored.len() && stored.iter().all(|(face_id, row)| self.get(face_id) == Some(row))
    }

    /// Rules on a pushed change: `hash` is that of its content, `None` for a removal.
    ///
    /// Another epoch's change is ignored, so is one at or below the floor (a stale replay), and one that is not newer
    /// than what is known of the face. A row of an older epoch counts as seq 0.
    pub fn change(&mut self, epoch: Epoch, face_id: &FaceId, seq: Seq, hash: Option<RowHash>) -> Ruling {
        let stale = self.epoch.is_some_and(|ours| ours != epoch || seq <= self.floor);
        if stale || self.known_seq(face_id).is_some_and(|known| known >= seq) {
            return Ruling::Ignored;
        }
        self.enter(epoch, face_id, seq, hash)
    }

    /// Rules on a change that a repair has asked for: the floor does not hold it back, and one of the same seq takes
    /// the place of a row with other content.
    pub fn wanted(&mut self, epoch: Epoch, face_id: &FaceId, seq: Seq, hash: Option<RowHash>) -> Ruling {
        let other = self.get(face_id).is_some_and(|row| Some(row.hash) != hash);
        let known = self.known_seq(face_id);
        if self.epoch != Some(epoch) || known.is_some_and(|known| known > seq || (known == seq && !other)) {
            return Ruling::Ignored;
        }
        self.enter(epoch, face_id, seq, hash)
    }

    fn enter(&mut self, epoch: Epoch, face_id: &FaceId, seq: Seq, hash: Option<RowHash>) -> Ruling {
        self.take_out(face_id);
        let ruling = match hash {
            Some(hash) => {
                self.dropped.remove(face_id);
                self.put_in(face_id.clone(), Row { epoch, seq, hash });
                Ruling::Put
            }
            None => {
                self.dropped.insert(face_id.clone(), (epoch, seq));
                Ruling::Removed
            }
        };
        self.reached(seq);
        ruling
    }

    /// Drops what is not on the roster of its bucket and not newer than `as_of`, and answers with it. What goes is
    /// remembered as dropped at `as_of`.
    pub fn drop_unlisted(&mut self, roster: &BucketRoster, as_of: Seq) -> Vec<FaceId> {
        let (Some(epoch), Some(bucket)) = (self.epoch, self.live.get(usize::from(roster.bucket))) else {
            return Vec::new();
        };
        let gone: Vec<FaceId> = bucket
            .iter()
            .filter(|(_, row)| row.epoch != epoch || row.seq <= as_of)
            .filter(|(face, _)| roster.rows.binary_search_by(|row| row.face_id.cmp(face)).is_err())
            .map(|(face, _)| face.clone())
            .collect();
        for face_id in &gone {
            self.take_out(face_id);
            self.dropped.insert(face_id.clone(), (epoch, as_of));
            self.history.clear();
        }
        gone
    }

    /// The rows of a roster that are lacking here, older, or of other content.
    pub fn lacking(&self, roster: &BucketRoster) -> Vec<(FaceId, Seq)> {
        let lacks = |face_id: &FaceId, seq: Seq, hash: u64| {
            let other = self.get(face_id).is_none_or(|row| row.hash.short() != hash);
            let newer = self.known_seq(face_id).is_some_and(|known| known > seq);
            other && !newer
        };
        let rows = roster.rows.iter().filter(|row| lacks(&row.face_id, row.seq, row.hash));
        rows.map(|row| (row.face_id.clone(), row.seq)).collect()
    }

    /// Gives up every row and every memory of what was dropped. Epoch and floor stay.
    pub fn wipe(&mut self) {
        *self = Self::load(self.epoch, self.floor, [], BTreeMap::new());
    }

    /// What was dropped and is remembered; it is forgotten here.
    pub fn take_dropped(&mut self) -> BTreeMap<FaceId, (Epoch, Seq)> {
        std::mem::take(&mut self.dropped)
    }

    /// Holds a head of this epoch against the rows.
    pub fn compare(&self, head: &Head) -> Comparison {
        let told = Total { digest: head.digest, count: head.count };
        if head.seq >= self.top {
            return if self.total == told { Comparison::Equal } else { Comparison::Differs };
        }
        match self.history.at(head.seq) {
            Some(then) if then == told => Comparison::Equal,
            _ => Comparison::Ahead,
        }
    }

    /// Whether the rows as they are now are what `head` tells.
    pub fn equal_now(&self, head: &Head) -> bool {
        self.total == Total { digest: head.digest, count: head.count }
    }

    /// Takes note that a head at `seq` was found right. The floor only rises; what was dropped up to it need not be
    /// remembered any longer.
    pub fn verified(&mut self, seq: Seq, total: Total) {
        self.floor = self.floor.max(seq);
        self.top = self.top.max(seq);
        self.history.note(seq, total);
        self.dropped.retain(|_, (_, dropped)| *dropped > self.floor);
    }

    /// Begins a new epoch: nothing is verified in it, rows of the old one count as seq 0, memory of it is gone.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        // What came before the first head counts: only that the epoch is this one was not known.
        if self.epoch.is_some() {
            self.history.clear();
        }
        self.epoch = Some(epoch);
        self.floor = Seq(0);
        self.dropped.retain(|_, (of, _)| *of == epoch);
        self.top = self.highest_of_epoch();
        self.mixed = self.any_of_other_epoch();
    }

    /// Whether a row of an older epoch may be left.
    pub fn mixed(&self) -> bool {
        self.mixed
    }

    /// Counts all rows to the present epoch: a head of it has vouched for them.
    pub fn adopt_epoch(&mut self) {
        let Some(epoch) = self.epoch else { return };
        self.live.iter_mut().flat_map(BTreeMap::values_mut).for_each(|row| row.epoch = epoch);
        self.mixed = false;
    }

    /// The highest seq known of a face in this epoch.
    fn known_seq(&self, face_id: &FaceId) -> Option<Seq> {
        let of_epoch = |epoch: Epoch| self.epoch.is_none_or(|ours| ours == epoch);
        let live = self.get(face_id).filter(|row| of_epoch(row.epoch)).map(|row| row.seq);
        let dropped = self.dropped.get(face_id).filter(|(epoch, _)| of_epoch(*epoch)).map(|(_, seq)| *seq);
        live.max(dropped)
    }

    fn highest_of_epoch(&self) -> Seq {
        let live = self.iter().map(|(_, row)| (row.epoch, row.seq));
        let known = live.chain(self.dropped.values().copied());
        known.filter(|(epoch, _)| Some(*epoch) == self.epoch).map(|(_, seq)| seq).max().unwrap_or_default()
    }

    fn any_of_other_epoch(&self) -> bool {
        self.iter().any(|(_, row)| Some(row.epoch) != self.epoch)
    }

    fn reached(&mut self, seq: Seq) {
        if seq < self.top {
            self.history.clear();
        }
        self.top = self.top.max(seq);
        self.history.note(self.top, self.total);
    }

    fn bucket(&self, face_id: &FaceId) -> &BTreeMap<FaceId, Row> {
        &self.live[usize::from(bucket_of(face_id))]
    }

    fn put_in(&mut self, face_id: FaceId, row: Row) {
        self.total = Total { digest: self.total.digest.plus(row.hash), count: self.total.count + 1 };
        self.live[usize::from(bucket_of(&face_id))].insert(face_id, row);
    }

    fn take_out(&mut self, face_id: &FaceId) {
        if let Some(row) = self.live[usize::from(bucket_of(face_id))].remove(face_id) {
            self.total = Total { digest: self.total.digest.minus(row.hash), count: self.total.count - 1 };
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
