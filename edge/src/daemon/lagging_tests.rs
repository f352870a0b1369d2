//! The rules task while the storage thread lags behind: whatever waits for the disk, a removed face is gone and does not come
//! back, nobody else goes, sightings are answered, and nothing is claimed that is not stored.

use super::{scene::*, storage::Done, *};
use crate::{Answer, Decision, Verdict};
use proptest::prelude::*;
use protocol::{Epoch, FaceId, Seq};
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Action {
    /// A customer comes, or gets another name.
    Put(u8),
    /// A customer is removed, for ever.
    Remove(u8),
    /// Everything so far is vouched for.
    Head,
    /// A message comes once more.
    Again(prop::sample::Index),
    /// A removal that the rules do not take: of another history, or from before the row.
    Nonsense(u8, bool),
    /// Somebody is seen, perhaps a stranger.
    See(u8),
    /// The storage thread is asked for what waits.
    HandOn,
    /// It does what it was asked for.
    Store,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..PEOPLE).prop_map(Action::Put),
        3 => (0..PEOPLE).prop_map(Action::Remove),
        2 => Just(Action::Head),
        1 => any::<prop::sample::Index>().prop_map(Action::Again),
        1 => (0..PEOPLE, any::<bool>()).prop_map(|(who, other)| Action::Nonsense(who, other)),
        2 => (0..PEOPLE + 2).prop_map(Action::See),
        2 => Just(Action::HandOn),
        4 => Just(Action::Store),
    ]
}

impl Scene {
    fn act(&mut self, action: &Action) {
        match action {
            Action::Put(who) => self.put(*who),
            Action::Remove(who) => self.remove(*who),
            Action::Head => self.head(),
            Action::Again(which) => {
                let event = which.get(&self.sent).clone();
                self.send(event);
            }
            Action::Nonsense(who, true) => self.send(removal(Epoch(2), face(*who), Seq(self.seq.0 + 1))),
            Action::Nonsense(who, false) => {
                let seq = self.rows.get(&face(*who)).map_or(Seq(0), |(seq, _)| Seq(seq.0 - 1));
                self.send(removal(EPOCH, face(*who), seq));
            }
            Action::See(who) => {
                let answer = self.see(*who, Asker::AtOnce).try_recv();
                assert!(answer.is_ok(), "a sighting waits for nothing");
            }
            Action::HandOn => self.hand_on(),
            Action::Store => drop(self.store()),
        }
    }
}

fn decision(answer: &Answer) -> Decision {
    match answer {
        Answer::Decided(Verdict { decision, .. }) => *decision,
        Answer::NoLease => panic!("no lease"),
    }
}

#[test]
fn a_removed_face_is_gone_before_anything_is_stored_and_that_is_notified_once() {
    let mut scene = Scene::set();
    scene.put(1);
    scene.head();
    scene.store_everything();
    assert!(scene.live.contains(&face(1)));
    scene.put(1);
    scene.hand_on();
    scene.put(2);
    scene.remove(1);
    assert!(!scene.live.contains(&face(1)) && scene.rules.busy, "what was before is being stored");
    scene.store_everything();
    assert_eq!((scene.known(), scene.forgotten()), ([face(2)].into(), 1));
}

#[test]
fn nothing_is_claimed_that_is_not_stored() {
    let mut scene = Scene::set();
    let floor = |scene: &Scene| scene.rules.stored.told(scene.rules.clock.now()).verified;
    scene.put(1);
    scene.head();
    scene.hand_on();
    assert_eq!((floor(&scene), scene.rules.core.rows().floor()), (Seq(0), Seq(1)));
    scene.remove(1);
    scene.head();
    assert!(scene.store());
    assert_eq!(floor(&scene), Seq(1), "the second head is in a batch of its own");
    assert!(scene.rules.core.receipts().is_empty());
    scene.store_everything();
    assert_eq!((floor(&scene), scene.rules.core.receipts().len()), (Seq(2), 1));
}

#[test]
fn somebody_new_is_seen_twice_and_counted_once_while_the_disk_is_waited_for() {
    let mut scene = Scene::set();
    let mut first = scene.see(6, Asker::OnceStored);
    let mut second = scene.see(6, Asker::AtOnce);
    assert_eq!(decision(&second.try_recv().unwrap()), Decision::Known, "it will be in a moment");
    assert!(first.try_recv().is_err(), "whoever counts on the visit waits for it");
    scene.store_everything();
    assert_eq!(decision(&first.try_recv().unwrap()), Decision::New);
    assert_eq!(decision(&scene.see(6, Asker::AtOnce).try_recv().unwrap()), Decision::Known);
    assert_eq!((scene.rules.unstored_visits, scene.live.len()), (0, 1));
    let opened = scene.reopened();
    assert_eq!((opened.loaded.visits.len(), opened.own.len()), (1, 1));
}

#[test]
fn a_removal_takes_the_face_from_a_visit_that_was_counted_before_it_and_is_not_stored_yet() {
    let mut scene = Scene::set();
    scene.put(1);
    scene.head();
    scene.store_everything();
    // The storage thread is busy, so that visit and removal wait together.
    scene.put(2);
    scene.hand_on();
    scene.see(6, Asker::AtOnce);
    scene.remove(1);
    scene.store_everything();
    assert_eq!((scene.known(), scene.live.len()), ([face(2)].into(), 1));
    let opened = scene.reopened();
    let visits: Vec<_> = opened.loaded.visits.iter().map(|visit| visit.weight.clone()).collect();
    assert_eq!((visits, opened.own.len()), (vec![crate::sync::Weight::Anonymous], 0));
}

#[test]
fn visits_that_a_full_disk_does_not_take_were_never_made_and_are_counted_as_such() {
    let mut scene = Scene::set();
    let mut answer = scene.see(6, Asker::OnceStored);
    scene.see(7, Asker::AtOnce);
    let Ok(Request::Store { mut batch, .. }) = scene.storage.requests.try_recv() else {
        panic!("the first visit is being stored")
    };
    let visits = std::mem::take(&mut batch.visits);
    scene.rules.done(Done::DiskFull { why: "full".to_owned(), visits });
    assert_eq!(decision(&answer.try_recv().unwrap()), Decision::New, "nobody waits for the disk");
    assert_eq!((scene.rules.core.outbox().waiting(), scene.rules.core.provisional().len()), (0, 0));
    scene.see(5, Asker::AtOnce);
    assert_eq!((scene.rules.counters.not_stored, scene.rules.pending.visits()), (3, 0));
    let wrote = storage::Wrote::Something;
    scene.rules.done(Done::Stored { batch: *batch, receipts: vec![], wrote });
    let mut again = scene.see(6, Asker::OnceStored);
    scene.store_everything();
    assert_eq!(
        decision(&again.try_recv().unwrap()),
        Decision::New,
        "a stay that was not counted begins again"
    );
    assert_eq!((scene.rules.counters.not_stored, scene.rules.counters.storage_trouble.clone()), (3, None));
    let opened = scene.reopened();
    assert_eq!(opened.loaded.visits.iter().map(|visit| visit.key.n).collect::<Vec<_>>(), [1]);
}

#[test]
fn rows_that_are_read_again_do_not_bring_back_what_was_ruled_meanwhile() {
    let mut scene = Scene::set();
    (1..4).for_each(|who| scene.put(who));
    scene.head();
    scene.store_everything();
    scene.rules.reads_again = true;
    scene.rules.hand_on();
    scene.remove(1);
    scene.put(2);
    scene.head();
    let total = scene.rules.core.rows().total();
    assert!(scene.store(), "the rows as they were");
    assert_eq!((scene.known(), scene.rules.core.rows().total()), ([face(2), face(3)].into(), total));
    scene.store_everything();
    assert_eq!(scene.known(), [face(2), face(3)].into());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn however_far_the_storage_lags_a_removed_face_stays_gone_and_nobody_else_goes(
        actions in prop::collection::vec(action(), 1..40),
    ) {
        let mut scene = Scene::set();
        let mut known = BTreeSet::new();
        for action in &actions {
            scene.act(action);
            let kept: BTreeSet<FaceId> = &known - &scene.removed;
            known = scene.known();
            prop_assert!(known.is_disjoint(&scene.removed), "after {action:?}");
            prop_assert!(kept.is_subset(&known), "after {action:?}");
        }
        scene.store_everything();
        let rows: BTreeSet<FaceId> = scene.rows.keys().cloned().collect();
        prop_assert_eq!(scene.known(), rows);
        prop_assert!(scene.rules.pending.is_empty() && scene.rules.unstored_visits == 0);
    }
}
