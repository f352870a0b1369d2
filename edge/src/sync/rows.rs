//! The rows an edge holds, as far as the rules need them: whose, of which epoch and seq, and their hash.

use super::history::{History, Total};
use protocol::{Epoch, FaceId, RowHash, Seq, message::Head};
use std::collections::HashMap;

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
#[derive(Debug, Clone, Default)]
pub struct Rows {
    epoch: Option<Epoch>,
    floor: Seq,
    top: Seq,
    live: HashMap<FaceId, Row>,
    /// What was removed or dropped, until the floor has passed it: an older message must not bring it back.
    dropped: HashMap<FaceId, (Epoch, Seq)>,
    total: Total,
    history: History,
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
        live: HashMap<FaceId, Row>,
        dropped: HashMap<FaceId, (Epoch, Seq)>,
    ) -> Self {
        let total = live.values().fold(Total::default(), |all, row| Total {
            digest: all.digest.plus(row.hash),
            count: all.count + 1,
        });
        let mut rows = Self { epoch, floor, top: Seq(0), live, dropped, total, history: History::default() };
        rows.top = rows.highest_of_epoch().max(floor);
        rows
    }

    /// Rows that start from nothing within an epoch, and believe everything of it.
    pub fn empty(epoch: Option<Epoch>) -> Self {
        Self { epoch, ..Self::default() }
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

    /// The row of a face.
    pub fn get(&self, face_id: &FaceId) -> Option<&Row> {
        self.live.get(face_id)
    }

    /// All rows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&FaceId, &Row)> {
        self.live.iter()
    }

    /// Rules on a pushed change: `hash` is that of its content, `None` for a removal.
    ///
    /// Another epoch's change is ignored, so is one at or below the floor (a stale replay), and one that is not newer
    /// than what is known of the face. A row of an older epoch counts as seq 0.
    pub fn change(&mut self, epoch: Epoch, face_id: &FaceId, seq: Seq, hash: Option<RowHash>) -> Ruling {
        if self.epoch.is_some_and(|ours| ours != epoch || seq <= self.floor) {
            return Ruling::Ignored;
        }
        if self.known_seq(face_id).is_some_and(|known| known >= seq) {
            return Ruling::Ignored;
        }
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
    }

    /// Whether a row is left of an older epoch.
    pub fn any_of_older_epoch(&self) -> bool {
        self.live.values().any(|row| Some(row.epoch) != self.epoch)
    }

    /// Counts all rows to the present epoch: a head of it has vouched for them.
    pub fn adopt_epoch(&mut self) {
        let Some(epoch) = self.epoch else { return };
        self.live.values_mut().for_each(|row| row.epoch = epoch);
    }

    /// What was removed or dropped and is newer than `seq` within the epoch.
    pub fn dropped_after(&self, face_id: &FaceId, seq: Seq) -> bool {
        self.dropped.get(face_id).is_some_and(|(of, dropped)| Some(*of) == self.epoch && *dropped > seq)
    }

    /// Becomes `other`, whose rows a signed head has vouched for at `as_of`, except for faces that are known to have
    /// been removed later; those are answered. What goes is remembered as dropped at `as_of`.
    pub fn become_as_of(&mut self, other: Rows, as_of: Seq) -> Vec<FaceId> {
        let kept_out: Vec<FaceId> = other
            .live
            .iter()
            .filter(|(face, row)| self.dropped_after(face, row.seq))
            .map(|(f, _)| f.clone())
            .collect();
        let epoch = other.epoch.or(self.epoch);
        let mut dropped = std::mem::take(&mut self.dropped);
        for face in self.live.keys().filter(|face| !other.live.contains_key(*face)) {
            if let Some(epoch) = epoch {
                dropped.insert(face.clone(), (epoch, as_of));
            }
        }
        dropped.extend(other.dropped);
        dropped.retain(|face, _| !other.live.contains_key(face) || kept_out.contains(face));
        let floor = self.floor;
        *self = Self {
            epoch,
            floor,
            top: other.top.max(as_of).max(floor),
            live: other.live,
            dropped,
            total: other.total,
            history: other.history,
        };
        for face in &kept_out {
            self.take_out(face);
        }
        if !kept_out.is_empty() {
            self.history.clear();
        }
        kept_out
    }

    /// The highest seq known of a face in this epoch.
    fn known_seq(&self, face_id: &FaceId) -> Option<Seq> {
        let of_epoch = |epoch: Epoch| self.epoch.is_none_or(|ours| ours == epoch);
        let live = self.live.get(face_id).filter(|row| of_epoch(row.epoch)).map(|row| row.seq);
        let dropped = self.dropped.get(face_id).filter(|(epoch, _)| of_epoch(*epoch)).map(|(_, seq)| *seq);
        live.max(dropped)
    }

    fn highest_of_epoch(&self) -> Seq {
        let of_epoch = self.live.values().filter(|row| Some(row.epoch) == self.epoch).map(|row| row.seq);
        let dropped =
            self.dropped.values().filter(|(epoch, _)| Some(*epoch) == self.epoch).map(|(_, seq)| *seq);
        of_epoch.chain(dropped).max().unwrap_or_default()
    }

    fn reached(&mut self, seq: Seq) {
        if seq < self.top {
            self.history.clear();
        }
        self.top = self.top.max(seq);
        self.history.note(self.top, self.total);
    }

    fn put_in(&mut self, face_id: FaceId, row: Row) {
        self.total = Total { digest: self.total.digest.plus(row.hash), count: self.total.count + 1 };
        self.live.insert(face_id, row);
    }

    fn take_out(&mut self, face_id: &FaceId) {
        if let Some(row) = self.live.remove(face_id) {
            self.total = Total { digest: self.total.digest.minus(row.hash), count: self.total.count - 1 };
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
