use super::*;
use protocol::{Epoch, Seq};

const STREAM: StreamId = StreamId(7);

fn outbox() -> Outbox {
    Outbox::load(STREAM, vec![])
}

fn settled(stream: StreamId, through: u64) -> Settled {
    Settled { epoch: Epoch(1), seq: Seq(1), stream, from: 1, through, at: UnixMs(1_000) }
}

fn numbers(sent: Vec<(VisitKey, u64)>) -> Vec<(u64, u64)> {
    sent.into_iter().map(|(key, first)| (key.n, first)).collect()
}

#[test]
fn at_most_sixty_four_are_in_flight_and_come_again_after_a_while_or_a_new_session() {
    let mut outbox = outbox();
    (0..100).for_each(|_| drop(outbox.add(Weight::Known)));
    let first = numbers(outbox.to_send(Ran(0)));
    assert_eq!((first.len(), first[0], first[63]), (64, (1, 1), (64, 1)));
    assert!(outbox.to_send(Ran(29_999)).is_empty());
    assert_eq!(outbox.settle(&settled(STREAM, 10)).marked.len(), 10);
    assert_eq!(numbers(outbox.to_send(Ran(1))), (65..=74).map(|n| (n, 11)).collect::<Vec<_>>());
    assert_eq!(outbox.to_send(Ran(30_000)).len(), 54, "those of the beginning are late by now");
    outbox.begin_session();
    assert_eq!(outbox.to_send(Ran(30_001)).len(), 64);
}

#[test]
fn what_an_older_start_left_keeps_its_numbers_and_its_own_first_unsettled() {
    let old = StreamId(3);
    let entry = |n| Entry { key: VisitKey { stream: old, n }, weight: Weight::Known, settled_at: None };
    let mut outbox = Outbox::load(STREAM, vec![entry(41), entry(42)]);
    let (key, _) = outbox.add(Weight::Known);
    assert_eq!(key, VisitKey { stream: STREAM, n: 1 });
    assert_eq!(numbers(outbox.to_send(Ran(0))), [(41, 41), (42, 41), (1, 1)]);
    assert_eq!(outbox.settle(&settled(old, 42)).marked.len(), 2);
    assert_eq!(outbox.waiting(), 1, "another stream's word settles nothing here");
}

#[test]
fn what_lies_before_the_first_number_of_a_settlement_is_not_settled_by_it() {
    let mut outbox = outbox();
    (0..4).for_each(|_| drop(outbox.add(Weight::Known)));
    outbox.settle(&settled(STREAM, 3));
    // A new epoch: 1 to 3 wait again, while the answer to visit 4 was given on less.
    assert_eq!(outbox.begin_epoch(), 3);
    let late = Settled { from: 4, ..settled(STREAM, 4) };
    assert_eq!((outbox.settle(&late).marked.len(), outbox.waiting()), (1, 3));
}

#[test]
fn settled_visits_wait_for_a_backup_or_for_a_new_epoch() {
    let mut outbox = outbox();
    let key = outbox.add(Weight::New("ada".parse().unwrap())).0;
    let settlement = outbox.settle(&settled(STREAM, 1));
    assert_eq!((settlement.marked, settlement.enrolled), (vec![key], vec!["ada".parse().unwrap()]));
    assert!(outbox.to_send(Ran(0)).is_empty());
    assert_eq!(outbox.backed_up(UnixMs(1_000)), [], "the backup was begun at the moment of settling");
    assert_eq!(outbox.begin_epoch(), 1);
    assert_eq!(numbers(outbox.to_send(Ran(0))), [(1, 1)], "the restored website may not have it");
    outbox.settle(&settled(STREAM, 1));
    assert_eq!(outbox.backed_up(UnixMs(1_001)), [key]);
    assert_eq!(outbox.begin_epoch(), 0);
}

#[test]
fn the_oldest_without_identity_is_lost_first_and_a_gap_does_not_hold_the_others_up() {
    let mut outbox = outbox();
    outbox.bound(3);
    outbox.add(Weight::Known);
    outbox.add(Weight::Anonymous);
    outbox.add(Weight::New("ada".parse().unwrap()));
    assert_eq!(outbox.to_send(Ran(0)).len(), 3);
    let lost = |added: (VisitKey, Option<Overflow>)| added.1.map(|lost| (lost.key.n, lost.weight));
    assert_eq!(lost(outbox.add(Weight::Known)), Some((2, Weight::Anonymous)));
    outbox.to_send(Ran(1));
    outbox.settle(&settled(STREAM, 1));
    assert_eq!(numbers(outbox.to_send(Ran(2))), [(3, 3)], "told at once that it is the first now");
    outbox.add(Weight::Known);
    assert_eq!(lost(outbox.add(Weight::Known)), Some((3, Weight::New("ada".parse().unwrap()))));
}

#[test]
fn a_face_that_is_nobodys_is_proposed_no_more() {
    let ada: FaceId = "ada".parse().unwrap();
    let mut outbox = outbox();
    outbox.add(Weight::New(ada.clone()));
    assert!(outbox.scrub(&ada));
    assert!(!outbox.scrub(&ada));
    assert_eq!(outbox.settle(&settled(STREAM, 1)).enrolled, [], "settling it concerns no face any more");
}
