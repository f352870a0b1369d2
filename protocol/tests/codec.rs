//! Every message survives its encoding, and what is not exactly one message is refused.
#![allow(clippy::unwrap_used)]

mod samples;

use proptest::prelude::*;
use protocol::{
    codec::{DecodeError, Message},
    message::*,
    *,
};
use samples::*;

#[test]
fn trailing_bytes_unknown_versions_and_oversize_are_refused() {
    let bytes = live().encode();
    assert_eq!(Change::decode(&[&bytes[..], &[0]].concat()), Err(DecodeError::TrailingBytes(1)));
    assert_eq!(Change::decode(&[&[1], &bytes[1..]].concat()), Err(DecodeError::UnknownVersion(2)));
    assert_eq!(Change::decode(&[]), Err(DecodeError::Empty));
    let long = vec![0; Change::MAX_BYTES + 1];
    assert_eq!(Change::decode(&long), Err(DecodeError::TooLong { len: long.len(), max: Change::MAX_BYTES }));
    for cut in 0..bytes.len() {
        assert!(Change::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_full_page_of_the_longest_ids_fits_its_limit() {
    let longest = |n: usize| format!("{n:0>64}").parse::<FaceId>().unwrap();
    let key = |n| ReceiptKey { face_id: longest(n), epoch: Epoch(u64::MAX), seq: Seq(u64::MAX) };
    let receipt = |n| Receipt { key: key(n), removed_at: UnixMs(i64::MAX), probe: Probe::StillFound };
    let full = Applied { receipts: (0..PAGE_ITEMS).map(receipt).collect(), ..applied() };
    let signed = SignedApplied::sign(full, &location(), &edge(), &edge_key());
    let row = |n| RosterRow { face_id: longest(n), seq: Seq(u64::MAX), hash: u64::MAX };
    let mut buckets: Vec<_> = (0..1023).map(|bucket| BucketRoster { bucket, rows: vec![] }).collect();
    buckets.push(BucketRoster { bucket: 1023, rows: (0..PAGE_ITEMS).map(row).collect() });
    let (epoch, round) = (Epoch(u64::MAX), Round(u64::MAX));
    let roster = Roster { epoch, round, as_of_seq: Seq(u64::MAX), page: 0, pages: u32::MAX, buckets };
    let want = Want { epoch, round, faces: (0..PAGE_ITEMS).map(longest).collect() };

    let report = Report::Applied(Box::new(signed));
    for (bytes, what) in [
        (report.encode(), "applied"),
        (Inbox::Roster(roster).encode(), "roster"),
        (Report::Want(want).encode(), "want"),
        (
            Inbox::ReceiptsStored(ReceiptsStored { receipts: (0..PAGE_ITEMS).map(key).collect() }).encode(),
            "stored",
        ),
    ] {
        assert!(bytes.len() <= 32 * 1024, "{what} has {} bytes", bytes.len());
    }
}

#[test]
fn a_list_longer_than_a_page_is_refused() {
    let faces: Vec<FaceId> = (0..PAGE_ITEMS as u32 + 1).map(face).collect();
    let want = Report::Want(Want { epoch: Epoch(1), round: Round(2), faces });
    assert_eq!(Report::decode(&want.encode()), Err(DecodeError::Malformed));
}

fn ids() -> impl Strategy<Value = FaceId> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn embeddings() -> impl Strategy<Value = Embedding> {
    prop::collection::vec(-1.0_f32..1.0, 1..600)
        .prop_filter_map("a vector of no length", |values| Embedding::from_f32(&values).ok())
}

fn customers() -> impl Strategy<Value = Customer> {
    (any::<String>(), 0..4_usize, "[a-z0-9-]{1,64}", embeddings()).prop_filter_map(
        "a name with control characters",
        |(name, flag, space, embedding)| {
            let name = name.parse().ok()?;
            Some(Customer { name, flag: Flag::ALL[flag], space: space.parse().unwrap(), embedding })
        },
    )
}

fn states() -> impl Strategy<Value = CustomerState> {
    prop_oneof![
        customers().prop_map(CustomerState::Live),
        prop::option::of(ids()).prop_map(|merged_into| CustomerState::Removed { merged_into }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_change_survives(epoch: u64, face_id in ids(), seq: u64, state in states(), round: u64) {
        let change = Change { epoch: Epoch(epoch), face_id, seq: Seq(seq), state };
        prop_assert_eq!(Change::decode(&change.encode()).unwrap(), change.clone());
        let inbox = Inbox::Change { round: Round(round), change };
        prop_assert_eq!(Inbox::decode(&inbox.encode()).unwrap(), inbox);
    }

    #[test]
    fn every_visit_survives(
        (stream, n, first_unsettled, at, sent_at) in any::<(u64, u64, u64, i64, i64)>(),
        (face_id, similarity, embedding) in (ids(), any::<i16>(), embeddings()),
        (epoch, verified, staleness_s, kind) in any::<(u64, u64, u32, u8)>(),
    ) {
        let seen = match kind % 3 {
            0 => Seen::Known { face_id, similarity: Similarity(similarity) },
            1 => Seen::New { face_id, space: "s".parse().unwrap(), embedding },
            _ => Seen::Anonymous,
        };
        let basis = Basis { epoch: Epoch(epoch), verified: Seq(verified), staleness_s };
        let (at, sent_at) = (UnixMs(at), UnixMs(sent_at));
        let visit = Visit { stream: StreamId(stream), n, first_unsettled, at, sent_at, seen, basis };
        prop_assert_eq!(Visit::decode(&visit.encode()).unwrap(), visit);
    }
}
