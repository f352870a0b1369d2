//! One round of repair: the question, the roster page by page, the rows asked for.

use super::now::Ran;
use protocol::{
    Epoch, FaceId, Round, Seq,
    message::{BucketRoster, PAGE_ITEMS, Roster, Want},
};
use std::collections::BTreeMap;

/// Rows asked for and not come, at most: what waits for the edge at the broker is bounded too.
const ASKED_MAX: usize = 4 * PAGE_ITEMS;
/// More pages than any location has: 5 million rows.
const PAGES_MAX: u32 = 16_384;

/// A round that goes on.
#[derive(Debug, Clone)]
pub struct Talk {
    epoch: Epoch,
    round: Round,
    /// As of which seq the roster is, and how many pages it has; from its first page on.
    roster: Option<(Seq, u32)>,
    next_page: u32,
    /// Pages that came before their turn.
    early: BTreeMap<u32, Vec<BucketRoster>>,
    /// A bucket whose rows may go on on the next page.
    open: Option<BucketRoster>,
    lacking: BTreeMap<FaceId, Seq>,
    asked: BTreeMap<FaceId, Seq>,
    heard_at: Ran,
}

/// What a page of a roster brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// It belongs to another round, or came before.
    Ignored,
    /// It is older than what the edge has verified: this round can help no more.
    Outdated,
    /// These buckets are complete now, as of this seq.
    Complete(Seq, Vec<BucketRoster>),
}

impl Talk {
    /// A question is asked at `now`.
    pub fn begin(epoch: Epoch, round: Round, now: Ran) -> Self {
        Self {
            epoch,
            round,
            roster: None,
            next_page: 0,
            early: BTreeMap::new(),
            open: None,
            lacking: BTreeMap::new(),
            asked: BTreeMap::new(),
            heard_at: now,
        }
    }

    /// When the round last got on.
    pub fn heard_at(&self) -> Ran {
        self.heard_at
    }

    /// Takes in a page. Pages of an answer given twice must not be mixed: the first that comes decides as of when.
    pub fn page(&mut self, page: Roster, floor: Seq, now: Ran) -> Page {
        let Roster { epoch, round, as_of_seq, page, pages, buckets } = page;
        let ours = (epoch, round) == (self.epoch, self.round) && page < pages && pages <= PAGES_MAX;
        if !ours || page < self.next_page || self.roster.is_some_and(|first| first != (as_of_seq, pages)) {
            return Page::Ignored;
        }
        if as_of_seq < floor {
            return Page::Outdated;
        }
        self.heard_at = now;
        self.roster = Some((as_of_seq, pages));
        self.early.insert(page, buckets);
        let mut complete = Vec::new();
        while let Some(buckets) = self.early.remove(&self.next_page) {
            self.next_page += 1;
            for bucket in buckets {
                match &mut self.open {
                    Some(open) if open.bucket == bucket.bucket => open.rows.extend(bucket.rows),
                    _ => complete.extend(self.open.replace(bucket)),
                }
            }
        }
        if self.next_page == pages {
            complete.extend(self.open.take());
        }
        Page::Complete(as_of_seq, complete)
    }

    /// These rows are lacking.
    pub fn lacks(&mut self, rows: Vec<(FaceId, Seq)>) {
        self.lacking.extend(rows);
    }

    /// Whether a row of this round was asked for; it has come then.
    pub fn came(&mut self, round: Round, face_id: &FaceId, seq: Seq, now: Ran) -> bool {
        let came = round == self.round && self.asked.get(face_id).is_some_and(|least| seq >= *least);
        if came {
            self.heard_at = now;
            self.asked.remove(face_id);
        }
        came
    }

    /// The row has come another way as of this seq: if that is enough, it is lacking no more.
    pub fn strike(&mut self, face_id: &FaceId, seq: Seq) {
        for rows in [&mut self.lacking, &mut self.asked] {
            if rows.get(face_id).is_some_and(|least| seq >= *least) {
                rows.remove(face_id);
            }
        }
    }

    /// The rows to ask for now: whole pages while more may follow, and no more at once than may be on their way.
    pub fn ask(&mut self) -> Vec<Want> {
        let mut wants = Vec::new();
        let last = self.roster.is_some_and(|(_, pages)| self.next_page == pages);
        while (self.lacking.len() >= PAGE_ITEMS || (last && !self.lacking.is_empty()))
            && self.asked.len() + self.lacking.len().min(PAGE_ITEMS) <= ASKED_MAX
        {
            let rows: Vec<(FaceId, Seq)> =
                std::iter::from_fn(|| self.lacking.pop_first()).take(PAGE_ITEMS).collect();
            let faces = rows.iter().map(|(face_id, _)| face_id.clone()).collect();
            wants.push(Want { epoch: self.epoch, round: self.round, faces });
            self.asked.extend(rows);
        }
        wants
    }

    /// As of when the roster is, once a page of it has come.
    pub fn as_of(&self) -> Option<Seq> {
        self.roster.map(|(as_of, _)| as_of)
    }

    /// As of when the roster was, once all of it and every row has come.
    pub fn complete(&self) -> Option<Seq> {
        let (as_of, pages) = self.roster?;
        let all = self.next_page == pages && self.lacking.is_empty() && self.asked.is_empty();
        all.then_some(as_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::RosterRow;

    fn bucket(bucket: u16, rows: &[u64]) -> BucketRoster {
        let row = |n: &u64| RosterRow { face_id: face(*n), seq: Seq(*n), hash: *n };
        BucketRoster { bucket, rows: rows.iter().map(row).collect() }
    }

    fn face(n: u64) -> FaceId {
        format!("f{n:06}").parse().unwrap()
    }

    fn page(page: u32, buckets: &[BucketRoster]) -> Roster {
        let (epoch, round, as_of_seq) = (Epoch(1), Round(2), Seq(50));
        Roster { epoch, round, as_of_seq, page, pages: 3, buckets: buckets.to_vec() }
    }

    fn talk() -> Talk {
        Talk::begin(Epoch(1), Round(2), Ran(0))
    }

    #[test]
    fn a_bucket_is_complete_after_its_last_page_in_whatever_order_they_come() {
        let pages = [
            page(0, &[bucket(1, &[1]), bucket(2, &[2, 3])]),
            page(1, &[bucket(2, &[4])]),
            page(2, &[bucket(2, &[5]), bucket(9, &[])]),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let (mut talk, mut complete) = (talk(), Vec::new());
            for n in order {
                match talk.page(pages[n].clone(), Seq(50), Ran(1)) {
                    Page::Complete(Seq(50), buckets) => complete.extend(buckets),
                    other => panic!("{other:?}"),
                }
                assert_ne!(talk.page(pages[0].clone(), Seq(51), Ran(1)), Page::Complete(Seq(50), vec![]));
            }
            assert_eq!(complete, [bucket(1, &[1]), bucket(2, &[2, 3, 4, 5]), bucket(9, &[])], "{order:?}");
            assert_eq!(talk.complete(), Some(Seq(50)));
        }
    }

    #[test]
    fn pages_of_another_round_or_answer_and_older_ones_than_the_floor_are_not_taken_in() {
        let mut talk = talk();
        let first = page(0, &[bucket(1, &[1])]);
        for (other, expected) in [
            (Roster { epoch: Epoch(9), ..first.clone() }, Page::Ignored),
            (Roster { round: Round(9), ..first.clone() }, Page::Ignored),
            (Roster { page: 3, ..first.clone() }, Page::Ignored),
            (Roster { pages: u32::MAX, ..first.clone() }, Page::Ignored),
            (Roster { as_of_seq: Seq(19), ..first.clone() }, Page::Outdated),
            (first.clone(), Page::Complete(Seq(50), vec![])),
            (first.clone(), Page::Ignored),
            (Roster { as_of_seq: Seq(51), page: 1, ..first }, Page::Ignored),
        ] {
            assert_eq!(talk.page(other.clone(), Seq(20), Ran(0)), expected, "{other:?}");
        }
    }

    #[test]
    fn rows_are_asked_for_in_pages_and_only_what_was_asked_for_comes() {
        let mut talk = talk();
        talk.lacks((0..3_000).map(|n| (face(n), Seq(n))).collect());
        let asked = |wants: Vec<Want>| wants.iter().map(|want| want.faces.len()).collect::<Vec<_>>();
        assert_eq!(asked(talk.ask()), [320; 4]);
        assert!(!talk.came(Round(9), &face(7), Seq(7), Ran(5)), "another round");
        assert!(!talk.came(Round(2), &face(7), Seq(6), Ran(5)), "older than the roster");
        assert!(!talk.came(Round(2), &face(2_999), Seq(2_999), Ran(5)), "not asked for yet");
        for n in 0..320 {
            assert!(asked(talk.ask()).is_empty());
            match n {
                7 => talk.strike(&face(n), Seq(7)),
                _ => assert!(talk.came(Round(2), &face(n), Seq(n + 1), Ran(5))),
            }
        }
        assert!(!talk.came(Round(2), &face(7), Seq(8), Ran(5)), "it was removed meanwhile");
        assert_eq!((asked(talk.ask()), talk.heard_at()), (vec![320], Ran(5)));
        assert_eq!(talk.complete(), None);
    }
}
