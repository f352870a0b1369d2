//! How the small website answers an edge that differs.

use super::{EPOCH, digest_key};
use protocol::{
    BucketDigests, FaceId, RowHash, Seq, bucket_of,
    message::{BucketRoster, Change, CustomerState, Inbox, Repair, Roster, RosterRow, Want},
};
use std::collections::BTreeMap;

/// The rows as they were said last.
#[derive(Debug, Default)]
pub struct Held {
    pub seq: Seq,
    pub rows: BTreeMap<FaceId, Change>,
    /// The newest head, signed: it is said again after every answer.
    pub head: Vec<u8>,
}

impl Held {
    fn hash(change: &Change) -> RowHash {
        match &change.state {
            CustomerState::Live(customer) => digest_key().hash(&change.face_id, change.seq, customer),
            CustomerState::Removed { .. } => panic!("only live rows are held"),
        }
    }

    /// Every bucket that differs has a page of its own here, so that an edge has to put pages together.
    pub fn rosters(&self, asked: &Repair) -> Vec<Inbox> {
        let ours = BucketDigests::of(self.rows.iter().map(|(face, change)| (face, Self::hash(change))));
        let differing = ours.differing(&asked.buckets);
        let row = |change: &Change| RosterRow {
            face_id: change.face_id.clone(),
            seq: change.seq,
            hash: Self::hash(change).short(),
        };
        let bucket = |bucket: u16| {
            let rows = self.rows.values().filter(|change| bucket_of(&change.face_id) == bucket);
            vec![BucketRoster { bucket, rows: rows.map(row).collect() }]
        };
        let mut pages: Vec<Vec<BucketRoster>> = differing.into_iter().map(bucket).collect();
        if pages.is_empty() {
            pages.push(vec![]);
        }
        let count = pages.len() as u32;
        let roster = |(page, buckets)| {
            let (epoch, round, as_of_seq) = (EPOCH, asked.round, self.seq);
            Inbox::Roster(Roster { epoch, round, as_of_seq, page, pages: count, buckets })
        };
        (0..).zip(pages).map(roster).collect()
    }

    pub fn wanted(&self, want: &Want) -> Vec<Inbox> {
        let gone = |face: &FaceId| Change {
            epoch: EPOCH,
            face_id: face.clone(),
            seq: self.seq,
            state: CustomerState::Removed { merged_into: None },
        };
        let change = |face: &FaceId| self.rows.get(face).cloned().unwrap_or_else(|| gone(face));
        want.faces.iter().map(|face| Inbox::Change { round: want.round, change: change(face) }).collect()
    }
}
