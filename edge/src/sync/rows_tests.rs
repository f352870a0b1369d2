use super::*;
use protocol::{
    Digest, UnixMs, bucket_of,
    message::{BucketRoster, EnrolPolicy, Head, RosterRow},
};

const OURS: Epoch = Epoch(1);
const OTHER: Epoch = Epoch(2);

fn face(id: &str) -> FaceId {
    id.parse().unwrap()
}

fn hash(n: u128) -> Option<RowHash> {
    Some(RowHash(n))
}

fn head(seq: u64, rows: &[u128]) -> Head {
    Head {
        epoch: OURS,
        seq: Seq(seq),
        count: rows.len() as u64,
        digest: Digest::of(rows.iter().map(|n| RowHash(*n))),
        last_removal: Seq(0),
        issued_at: UnixMs(seq as i64),
        lease_s: 60,
        enrol: EnrolPolicy::Auto,
        backed_up_at: None,
    }
}

fn verify(rows: &mut Rows, head: &Head) {
    assert_eq!(rows.compare(head), Comparison::Equal);
    rows.verified(head.seq, Total { digest: head.digest, count: head.count });
}

#[test]
fn only_what_is_newer_and_of_this_epoch_and_above_the_floor_is_believed() {
    let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
    let ada = face("ada");
    for (epoch, seq, content, expected, why) in [
        (OURS, 5, hash(5), Ruling::Put, "the first"),
        (OURS, 5, hash(6), Ruling::Ignored, "the same seq again"),
        (OURS, 4, hash(4), Ruling::Ignored, "an older one"),
        (OTHER, 9, hash(9), Ruling::Ignored, "another epoch's"),
        (OURS, 7, None, Ruling::Removed, "a removal"),
        (OURS, 6, hash(6), Ruling::Ignored, "late, after the removal"),
        (OURS, 8, hash(8), Ruling::Put, "newer than the removal"),
    ] {
        assert_eq!(rows.change(epoch, &ada, Seq(seq), content), expected, "{why}");
    }
    verify(&mut rows, &head(10, &[8]));
    assert_eq!(
        rows.change(OURS, &face("bob"), Seq(10), hash(1)),
        Ruling::Ignored,
        "at the floor: a stale replay"
    );
    assert_eq!(rows.change(OURS, &face("bob"), Seq(11), hash(1)), Ruling::Put);
}

#[test]
fn a_removed_face_stays_out_when_its_memory_has_been_passed_by_the_floor() {
    let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
    rows.change(OURS, &face("ada"), Seq(1), hash(1));
    rows.change(OURS, &face("ada"), Seq(2), None);
    verify(&mut rows, &head(2, &[]));
    assert!(rows.take_dropped().is_empty(), "nothing is remembered below the floor");
    assert_eq!(rows.change(OURS, &face("ada"), Seq(1), hash(1)), Ruling::Ignored);
}

#[test]
fn every_order_of_delivery_ends_in_the_same_rows() {
    let changes =
        [("a", 1, hash(1)), ("b", 2, hash(2)), ("a", 3, hash(3)), ("b", 4, None), ("c", 5, hash(5))];
    for start in 0..120_usize {
        let mut left = changes.to_vec();
        let mut pick = start;
        let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
        while !left.is_empty() {
            let (id, seq, content) = left.remove(pick % left.len());
            pick = pick / 2 + 7;
            rows.change(OURS, &face(id), Seq(seq), content);
            rows.change(OURS, &face(id), Seq(seq), content);
        }
        assert_eq!(rows.compare(&head(5, &[3, 5])), Comparison::Equal, "order {start}");
    }
}

#[test]
fn a_head_is_compared_with_the_rows_as_they_were_at_its_seq() {
    let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
    for seq in [1, 2, 4] {
        rows.change(OURS, &face(&format!("f{seq}")), Seq(seq), hash(u128::from(seq)));
    }
    for (head, expected, why) in [
        (head(4, &[1, 2, 4]), Comparison::Equal, "now"),
        (
            head(9, &[1, 2, 4]),
            Comparison::Equal,
            "nothing of 5 to 9 was ever seen, and nothing is left of it",
        ),
        (head(9, &[1, 2]), Comparison::Differs, "now, differently"),
        (head(2, &[1, 2]), Comparison::Equal, "late"),
        (head(3, &[1, 2]), Comparison::Equal, "late, between two seqs"),
        (head(3, &[1]), Comparison::Ahead, "late and different says nothing of now"),
    ] {
        assert_eq!(rows.compare(&head), expected, "{why}");
    }
    rows.change(OURS, &face("f3"), Seq(3), hash(3));
    assert_eq!(
        rows.compare(&head(2, &[1, 2])),
        Comparison::Ahead,
        "a change below the highest clears the past"
    );
    assert_eq!(rows.compare(&head(4, &[1, 2, 3, 4])), Comparison::Equal);
}

#[test]
fn floor_is_never_lowered_and_rows_of_an_older_epoch_count_as_seq_zero() {
    let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
    rows.change(OURS, &face("a"), Seq(1), hash(1));
    rows.change(OURS, &face("b"), Seq(8), hash(8));
    verify(&mut rows, &head(8, &[1, 8]));
    verify(&mut rows, &head(8, &[1, 8]));
    rows.verified(Seq(3), Total::default());
    assert_eq!(rows.floor(), Seq(8));

    rows.begin_epoch(OTHER);
    assert_eq!((rows.floor(), rows.top()), (Seq(0), Seq(0)));
    assert!(rows.mixed());
    assert_eq!(rows.change(OTHER, &face("a"), Seq(1), hash(11)), Ruling::Put, "the old seq 1 counts as 0");
    let vouched = Head { epoch: OTHER, ..head(6, &[11, 8]) };
    assert_eq!(rows.compare(&vouched), Comparison::Equal);
    rows.adopt_epoch();
    assert!(!rows.mixed());
}

#[test]
fn stored_rows_load_to_the_same_digest_and_never_below_the_floor() {
    let row = |seq, n| Row { epoch: OURS, seq: Seq(seq), hash: RowHash(n) };
    let live = BTreeMap::from([(face("a"), row(3, 1)), (face("b"), row(5, 2))]);
    let rows = Rows::load(Some(OURS), Seq(9), live, BTreeMap::from([(face("c"), (OURS, Seq(12)))]));
    assert_eq!((rows.floor(), rows.top()), (Seq(9), Seq(12)));
    assert_eq!(rows.compare(&head(12, &[1, 2])), Comparison::Equal);
}

fn roster(bucket: u16, rows: &[(&str, u64, u128)]) -> BucketRoster {
    let row = |&(id, seq, n): &(&str, u64, u128)| RosterRow {
        face_id: face(id),
        seq: Seq(seq),
        hash: RowHash(n).short(),
    };
    let mut rows: Vec<RosterRow> = rows.iter().map(row).collect();
    rows.sort_by(|a, b| a.face_id.cmp(&b.face_id));
    BucketRoster { bucket, rows }
}

#[test]
fn a_roster_drops_what_it_does_not_name_unless_that_is_newer_and_remembers_it() {
    let mut rows = Rows::load(Some(OURS), Seq(0), [], BTreeMap::new());
    let old = Row { epoch: OTHER, seq: Seq(99), hash: RowHash(7) };
    let mut rows_of = |id: &str, epoch, seq, n| {
        let before = std::mem::replace(&mut rows, Rows::load(None, Seq(0), [], BTreeMap::new()));
        let live: Vec<_> = before.iter().map(|(f, r)| (f.clone(), *r)).collect();
        let row = Row { epoch, seq: Seq(seq), hash: RowHash(n) };
        rows = Rows::load(Some(OURS), Seq(0), live.into_iter().chain([(face(id), row)]), BTreeMap::new());
    };
    rows_of("gone", OURS, 20, 1);
    rows_of("newer", OURS, 21, 2);
    rows_of("stays", OURS, 3, 3);
    rows_of("before", OTHER, old.seq.0, 7);
    for (id, expected) in [("gone", true), ("newer", false), ("stays", false), ("before", true)] {
        let listed: &[_] = if id == "stays" { &[("stays", 3, 3)] } else { &[] };
        let dropped = rows.drop_unlisted(&roster(bucket_of(&face(id)), listed), Seq(20));
        assert_eq!(dropped.contains(&face(id)), expected, "{id}");
    }
    assert_eq!(rows.compare(&head(21, &[2, 3])), Comparison::Equal);
    assert_eq!(rows.change(OURS, &face("gone"), Seq(19), hash(1)), Ruling::Ignored, "a late message");
    assert_eq!(rows.change(OURS, &face("gone"), Seq(22), hash(1)), Ruling::Put);
}

#[test]
fn a_roster_tells_what_is_lacking_and_a_wanted_row_passes_below_the_floor() {
    let row = |epoch, seq, n| Row { epoch, seq: Seq(seq), hash: RowHash(n) };
    let live = [
        (face("same"), row(OURS, 4, 4)),
        (face("newer"), row(OURS, 9, 9)),
        (face("damaged"), row(OURS, 5, 55)),
        (face("adopted"), row(OTHER, 6, 6)),
        (face("other"), row(OTHER, 8, 8)),
    ];
    let dropped = BTreeMap::from([(face("removed"), (OURS, Seq(30)))]);
    let mut rows = Rows::load(Some(OURS), Seq(20), live, dropped);
    for (id, seq, n, lacking) in [
        ("same", 4, 4, false),
        ("newer", 7, 7, false),
        ("damaged", 5, 5, true),
        ("adopted", 6, 6, false),
        ("other", 8, 88, true),
        ("missing", 3, 3, true),
        ("removed", 12, 12, false),
    ] {
        let roster = roster(bucket_of(&face(id)), &[(id, seq, n)]);
        assert_eq!(!rows.lacking(&roster).is_empty(), lacking, "{id}");
        assert_eq!(
            rows.change(OURS, &face(id), Seq(seq), hash(n)),
            Ruling::Ignored,
            "{id} is below the floor"
        );
        let expected = if lacking { Ruling::Put } else { Ruling::Ignored };
        let epoch_of_row = if id == "adopted" { OTHER } else { OURS };
        assert_eq!(rows.wanted(epoch_of_row, &face(id), Seq(seq), hash(n)), expected, "{id}");
        assert_eq!(rows.wanted(epoch_of_row, &face(id), Seq(seq), hash(n)), Ruling::Ignored, "{id} again");
    }
}
