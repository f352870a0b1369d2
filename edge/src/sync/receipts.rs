//! Receipts of removals that the website has not said it holds.

use protocol::message::{PAGE_ITEMS, Receipt, ReceiptKey};
use std::collections::{BTreeMap, HashMap, hash_map::Entry};

/// How many pages a report has at most; what is left follows when these are stored.
const PAGES_MAX: usize = 8;
/// How many receipts wait at most; beyond it the oldest are lost, and counted.
const WAITING_MAX: usize = 100_000;

/// Waiting receipts, oldest first. They leave when the website has stored them, so no kill can lose one, or when too
/// many wait. What a lost one would have proved, the edge's next verified report proves as well.
#[derive(Debug, Clone, Default)]
pub struct Receipts {
    waiting: BTreeMap<u64, Receipt>,
    places: HashMap<ReceiptKey, u64>,
    next_place: u64,
}

impl Receipts {
    /// As they were stored, oldest first.
    pub fn load(receipts: Vec<Receipt>) -> Self {
        let mut loaded = Self::default();
        receipts.into_iter().for_each(|receipt| loaded.add(receipt));
        loaded
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One more; of the same removal the first is kept.
    pub fn add(&mut self, receipt: Receipt) {
        if let Entry::Vacant(place) = self.places.entry(receipt.key.clone()) {
            place.insert(self.next_place);
            self.waiting.insert(self.next_place, receipt);
            self.next_place += 1;
        }
    }

    /// The website holds these; answers with those that waited. A receipt is exactly its face, epoch and seq.
    pub fn stored(&mut self, keys: &[ReceiptKey]) -> Vec<ReceiptKey> {
        let mut stored = Vec::new();
        for key in keys {
            if let Some((key, place)) = self.places.remove_entry(key) {
                self.waiting.remove(&place);
                stored.push(key);
            }
        }
        stored
    }

    /// Lets go of the oldest beyond those that may wait, and answers with them.
    pub fn shed(&mut self) -> Vec<ReceiptKey> {
        let mut lost = Vec::new();
        while self.waiting.len() > WAITING_MAX
            && let Some((_, Receipt { key, .. })) = self.waiting.pop_first()
        {
            self.places.remove(&key);
            lost.push(key);
        }
        lost
    }

    /// The receipts for a report, in pages; at least one page, which may be empty.
    pub fn pages(&self) -> Vec<Vec<Receipt>> {
        let told: Vec<Receipt> = self.waiting.values().take(PAGE_ITEMS * PAGES_MAX).cloned().collect();
        if told.is_empty() {
            return vec![told];
        }
        told.chunks(PAGE_ITEMS).map(<[Receipt]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Epoch, Seq, UnixMs, message::Probe};

    fn receipt(n: u64) -> Receipt {
        let key = ReceiptKey { face_id: format!("face_{n}").parse().unwrap(), epoch: Epoch(1), seq: Seq(n) };
        Receipt { key, removed_at: UnixMs(0), probe: Probe::Gone }
    }

    #[test]
    fn receipts_wait_until_exactly_they_are_stored() {
        let mut receipts = Receipts::load((0..700).map(receipt).collect());
        receipts.add(receipt(3));
        assert_eq!(receipts.pages().iter().map(Vec::len).collect::<Vec<_>>(), [320, 320, 60]);
        let other_epoch = ReceiptKey { epoch: Epoch(2), ..receipt(5).key };
        let stored = receipts.stored(&[receipt(4).key, other_epoch, receipt(9999).key]);
        assert_eq!((stored, receipts.len()), (vec![receipt(4).key], 699));
        assert_eq!(Receipts::default().pages(), [vec![]], "an empty report is still a report");
    }

    #[test]
    fn of_too_many_receipts_the_oldest_are_lost() {
        let max = WAITING_MAX as u64;
        let mut receipts = Receipts::load((0..max).map(receipt).collect());
        assert_eq!(receipts.shed(), []);
        receipts.add(receipt(max));
        receipts.add(receipt(max + 1));
        assert_eq!(receipts.shed(), [receipt(0).key, receipt(1).key]);
        assert_eq!((receipts.len(), receipts.shed()), (WAITING_MAX, Vec::new()));
        assert_eq!(receipts.pages()[0][0], receipt(2), "the oldest that is left is told first");
    }
}
