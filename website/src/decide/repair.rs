//! What an edge that differs is told.

use super::totals::Totals;
use protocol::{
    BucketDigests, FaceId, Round, RowHash, Seq, bucket_of,
    message::{BucketRoster, Change, CustomerState, PAGE_ITEMS, Repair, Roster, RosterRow, Want},
};

/// The pages of the answer to `repair`, from the location's live rows in one snapshot; `None` when the edge speaks
/// of another history: it needs the head. When nothing differs, one page without a bucket.
pub fn rosters(repair: &Repair, totals: &Totals, rows: &[(FaceId, Seq, RowHash)]) -> Option<Vec<Roster>> {
    if repair.epoch != totals.epoch {
        return None;
    }
    let ours = BucketDigests::of(rows.iter().map(|(face_id, _, hash)| (face_id, *hash)));
    let differing = ours.differing(&repair.buckets);
    let mut by_bucket: Vec<(u16, &FaceId, Seq, RowHash)> = rows
        .iter()
        .map(|(face_id, seq, hash)| (bucket_of(face_id), face_id, *seq, *hash))
        .filter(|(bucket, ..)| differing.binary_search(bucket).is_ok())
        .collect();
    by_bucket.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let pages = paged(&differing, &by_bucket);
    let count = pages.len() as u32;
    let roster = |(page, buckets)| Roster {
        epoch: totals.epoch,
        round: repair.round,
        as_of_seq: totals.seq,
        page: page as u32,
        pages: count,
        buckets,
    };
    Some(pages.into_iter().enumerate().map(roster).collect())
}

fn paged(differing: &[u16], rows: &[(u16, &FaceId, Seq, RowHash)]) -> Vec<Vec<BucketRoster>> {
    let (mut pages, mut page, mut on_page) = (Vec::new(), Vec::new(), 0);
    let mut rest = rows;
    for bucket in differing {
        let (mut of_bucket, others) = rest.split_at(rest.partition_point(|row| row.0 == *bucket));
        rest = others;
        loop {
            let (now, later) = of_bucket.split_at(of_bucket.len().min(PAGE_ITEMS - on_page));
            on_page += now.len();
            page.push(BucketRoster { bucket: *bucket, rows: now.iter().map(row).collect() });
            if on_page == PAGE_ITEMS {
                pages.push(std::mem::take(&mut page));
                on_page = 0;
            }
            of_bucket = later;
            if of_bucket.is_empty() {
                break;
            }
        }
    }
    if !page.is_empty() || pages.is_empty() {
        pages.push(page);
    }
    pages
}

fn row((_, face_id, seq, hash): &(u16, &FaceId, Seq, RowHash)) -> RosterRow {
    RosterRow { face_id: (*face_id).clone(), seq: *seq, hash: hash.short() }
}

/// The answer to one face of a `Want`: the row as it is (`known`), or that there is none at the current seq.
pub fn wanted(face_id: &FaceId, known: Option<Change>, totals: &Totals) -> Change {
    known.unwrap_or_else(|| Change {
        epoch: totals.epoch,
        face_id: face_id.clone(),
        seq: totals.seq,
        state: CustomerState::Removed { merged_into: None },
    })
}

/// Whether a `Want` can be answered, and under which round; one of another history is not.
pub fn wants(want: &Want, totals: &Totals) -> Option<Round> {
    (want.epoch == totals.epoch).then_some(want.round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{BUCKETS, Digest, Epoch, codec::Message, message::Inbox};

    const TOTALS: Totals =
        Totals { epoch: Epoch(7), seq: Seq(90_000), count: 0, digest: Digest::EMPTY, last_removal: Seq(0) };

    fn rows(count: u64, name: impl Fn(u64) -> String) -> Vec<(FaceId, Seq, RowHash)> {
        let mut rows: Vec<(FaceId, Seq, RowHash)> = (0..count)
            .map(|n| (name(n).parse().unwrap(), Seq(n), RowHash(u128::from(n) * 0x9E37_79B9_7F4A_7C15)))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    fn repair(epoch: u64, held: &[(FaceId, Seq, RowHash)]) -> Repair {
        let buckets = BucketDigests::of(held.iter().map(|(face_id, _, hash)| (face_id, *hash)));
        Repair { epoch: Epoch(epoch), round: Round(3), buckets }
    }

    #[test]
    fn the_roster_names_every_row_of_the_buckets_that_differ_and_no_other() {
        let ours = rows(5000, |n| format!("face_{n}"));
        let mut theirs = ours.clone();
        theirs.retain(|(_, seq, _)| ![17, 4000].contains(&seq.0));
        let pages = rosters(&repair(7, &theirs), &TOTALS, &ours).unwrap();
        let listed: Vec<&BucketRoster> = pages.iter().flat_map(|page| &page.buckets).collect();
        let mut expected: Vec<u16> =
            ["face_17", "face_4000"].iter().map(|face| bucket_of(&face.parse().unwrap())).collect();
        expected.sort_unstable();
        assert_eq!(listed.iter().map(|bucket| bucket.bucket).collect::<Vec<_>>(), expected);
        for bucket in listed {
            let of_bucket = ours.iter().filter(|row| bucket_of(&row.0) == bucket.bucket);
            assert!(of_bucket.map(|row| &row.0).eq(bucket.rows.iter().map(|row| &row.face_id)));
        }
        assert_eq!((pages[0].as_of_seq, pages[0].round), (Seq(90_000), Round(3)));
    }

    #[test]
    fn an_edge_without_rows_gets_every_one_once_on_pages_that_fit() {
        let ours = rows(3000, |n| format!("{n:064}"));
        let pages = rosters(&repair(7, &[]), &TOTALS, &ours).unwrap();
        assert!(pages.iter().enumerate().all(|(n, page)| page.page == n as u32));
        assert!(pages.iter().all(|page| page.pages == pages.len() as u32));
        let mut faces: Vec<&FaceId> = pages
            .iter()
            .flat_map(|page| &page.buckets)
            .flat_map(|b| &b.rows)
            .map(|row| &row.face_id)
            .collect();
        faces.sort();
        assert!(faces.into_iter().eq(ours.iter().map(|row| &row.0)));
        for page in pages {
            assert!(Inbox::Roster(page).encode().len() <= 32 * 1024);
        }
    }

    #[test]
    fn nothing_different_is_an_empty_roster_and_another_history_is_none() {
        let ours = rows(100, |n| format!("face_{n}"));
        let pages = rosters(&repair(7, &ours), &TOTALS, &ours).unwrap();
        assert_eq!((pages.len(), pages[0].buckets.len()), (1, 0));
        assert_eq!(rosters(&repair(6, &ours), &TOTALS, &ours), None);
        // Everything is superfluous: every bucket is named, with no row in it.
        let pages = rosters(&repair(7, &rows(20_000, |n| format!("old_{n}"))), &TOTALS, &[]).unwrap();
        assert_eq!((pages.len(), pages[0].buckets.len()), (1, BUCKETS));
    }

    #[test]
    fn a_face_that_is_not_there_is_answered_as_removed_now() {
        let face: FaceId = "a".parse().unwrap();
        let gone = wanted(&face, None, &TOTALS);
        assert_eq!((gone.seq, gone.state), (Seq(90_000), CustomerState::Removed { merged_into: None }));
        let want = Want { epoch: Epoch(6), round: Round(1), faces: vec![face] };
        assert_eq!(wants(&want, &TOTALS), None);
        assert_eq!(wants(&Want { epoch: Epoch(7), ..want }, &TOTALS), Some(Round(1)));
    }
}
