//! Every visit is stored once, as what it is, and settled.

use crate::{
    changes::assert_true_to_its_rows,
    edge::visit,
    scene::scene,
    stage::{Stage, actor, enrol, face, location, picture, space, until},
};
use protocol::{
    Embedding, Epoch, Seq, Topic,
    message::{CustomerState, EnrolPolicy, Head, Inbox, Seen, Similarity},
};
use website::{
    Website, changes,
    tables::{consents::How, customers, review_queue, visits},
};

crate::on_both!(
    new_faces_become_customers_once,
    removal_wins_over_late_visits,
    a_visit_is_counted_once_whatever_is_repeated,
    what_can_never_be_stored_blocks_nothing,
    with_approval_a_face_waits_for_a_manager,
);

fn new(n: u32, embedding: Embedding) -> Seen {
    Seen::New { face_id: face(n), space: space().id, embedding }
}

fn known(n: u32) -> Seen {
    Seen::Known { face_id: face(n), similarity: Similarity(9000) }
}

async fn kinds(website: &Website) -> Vec<(String, i64)> {
    let mut tx = website.app.db.read().await.unwrap();
    let kinds = visits::by_kind(&mut tx, &location()).await.unwrap();
    kinds.into_iter().map(|(kind, count)| (kind.to_string(), count)).collect()
}

fn expected(kinds: &[(&str, i64)]) -> Vec<(String, i64)> {
    kinds.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

async fn new_faces_become_customers_once(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 0).await;
    edge.visit(&visit(5, 1, new(0, picture(0, 0)), &head));
    edge.visit(&visit(5, 2, new(1, picture(1, 0)), &head));
    // The same person under another id, seen by an edge that did not know yet: one customer.
    edge.visit(&visit(5, 3, new(2, picture(0, 1)), &head));
    edge.visit(&visit(5, 4, known(2), &head));
    edge.until_settled(5, 4).await;
    let head = edge.until_verified(3).await;
    assert_eq!(head.count, 2);
    assert_eq!(head.last_removal, Seq(0), "a merge is no removal");
    let state = edge.told.lock().unwrap().rows[&face(2)].state.clone();
    assert_eq!(state, CustomerState::Removed { merged_into: Some(face(0)) });
    assert_eq!(kinds(&website).await, expected(&[("enrolled", 2), ("known", 1), ("merged", 1)]));
    let mut tx = website.app.db.read().await.unwrap();
    let winner = customers::get(&mut tx, &location(), &face(0)).await.unwrap().unwrap();
    assert_eq!(winner.live().unwrap().visits, 3);
    drop(tx);
    assert_true_to_its_rows(&website.app).await;
    website.stop().await;
}

async fn removal_wins_over_late_visits(stage: Stage) {
    let (website, edge, early) = scene(&stage, EnrolPolicy::Auto, 0).await;
    enrol(&website.app, &location(), 0..2).await;
    let before = edge.until_verified(2).await;
    changes::remove(&website.app, &location(), &face(0), &actor()).await.unwrap();
    let after = edge.until_verified(3).await;
    edge.visit(&visit(5, 1, known(0), &before));
    // Somebody new, decided on less than the removal: it may be the removed person.
    edge.visit(&visit(5, 2, new(8, picture(0, 1)), &before));
    edge.visit(&visit(
        5,
        3,
        new(9, picture(0, 2)),
        &Head { epoch: Epoch(early.epoch.0 ^ 1), ..after.clone() },
    ));
    edge.until_settled(5, 3).await;
    assert_eq!(kinds(&website).await, expected(&[("lag_hit", 1), ("untrusted", 2)]));
    assert_eq!(website.app.counters.stale_hits.get(), 0);
    // An edge that had verified the removal and still recognises: an alarm, and it is told to compare.
    edge.visit(&visit(5, 4, known(0), &after));
    edge.until_settled(5, 4).await;
    edge.until("told to repair", |told| {
        told.inbox.iter().any(|message| matches!(message, Inbox::Command(_))).then_some(())
    })
    .await;
    let edges = website::edges::list(&website.app, &location()).await.unwrap();
    assert_eq!(edges[0].standing.to_string(), "recognised somebody it had confirmed as removed");
    let mut tx = website.app.db.read().await.unwrap();
    let stored = visits::newest(&mut tx, &location(), None, 10).await.unwrap();
    assert!(stored.iter().all(|(_, visit)| visit.face_id.is_none() && visit.similarity.is_none()));
    drop(tx);
    // With the removal verified, somebody new is a customer, the removed person included.
    edge.visit(&visit(5, 5, new(10, picture(0, 3)), &after));
    edge.until_settled(5, 5).await;
    assert_eq!(edge.until_verified(4).await.count, 2);
    website.stop().await;
}

async fn a_visit_is_counted_once_whatever_is_repeated(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 0).await;
    // Out of order, twice over: 3, 1, 1, 2, and everything again.
    for _ in 0..2 {
        for n in [3, 1, 1, 2] {
            edge.visit(&visit(6, n, Seen::Anonymous, &head));
        }
    }
    edge.until_settled(6, 3).await;
    // The same number in another stream is another visit; a gap is not settled.
    edge.visit(&visit(7, 1, Seen::Anonymous, &head));
    edge.visit(&visit(7, 3, Seen::Anonymous, &head));
    edge.until_settled(7, 1).await;
    until("five stored", || async { (kinds(&website).await == expected(&[("anonymous", 5)])).then_some(()) })
        .await;
    let through = edge
        .told
        .lock()
        .unwrap()
        .inbox
        .iter()
        .filter_map(|message| match message {
            Inbox::Settled(settled) if settled.stream.0 == 7 => Some(settled.through),
            _ => None,
        })
        .max();
    assert_eq!(through, Some(1));
    website.stop().await;
}

async fn what_can_never_be_stored_blocks_nothing(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 0).await;
    enrol(&website.app, &location(), 0..1).await;
    let head = Head { seq: Seq(1), ..head };
    let nowhere = Seen::New { face_id: face(5), space: "nowhere".parse().unwrap(), embedding: picture(5, 0) };
    edge.visit(&visit(5, 1, nowhere, &head));
    edge.visit(&visit(5, 2, new(6, Embedding::from_f32(&[1.0; 8]).unwrap()), &head));
    edge.visit(&visit(5, 3, new(0, picture(7, 0)), &head));
    edge.visit(&visit(5, 4, known(99), &head));
    let (visits, reports) = (
        Topic::Visits(location(), edge.joined.edge.clone()),
        Topic::Report(location(), edge.joined.edge.clone()),
    );
    for bad in [&b""[..], b"\0", b"\xff\xff\xff\xff", &[0; 9000], b"{}"] {
        edge.publish(visits.clone(), bad.to_vec());
        edge.publish(reports.clone(), bad.to_vec());
    }
    let mut zero = visit(5, 5, Seen::Anonymous, &head);
    zero.n = 0;
    edge.visit(&zero);
    edge.visit(&visit(5, 5, known(0), &head));
    edge.until_settled(5, 5).await;
    assert_eq!(kinds(&website).await, expected(&[("known", 1), ("unknown", 1)]));
    let mut tx = website.app.db.read().await.unwrap();
    let dead = website::tables::dead_letters::by_reason(&mut tx, &location()).await.unwrap();
    assert_eq!(dead, expected(&[("id_taken", 1), ("unknown_space", 1), ("wrong_dimension", 1)]));
    drop(tx);
    until("everything malformed is counted", || async {
        (website.app.counters.malformed.get() == 11).then_some(())
    })
    .await;
    website.stop().await;
}

async fn with_approval_a_face_waits_for_a_manager(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Approve, 0).await;
    for n in 0..3 {
        edge.visit(&visit(5, u64::from(n) + 1, new(n, picture(n, 0)), &head));
    }
    edge.visit(&visit(5, 4, known(0), &head));
    // The first one again, under another id: it waits too, nobody is a customer yet.
    edge.visit(&visit(5, 5, new(3, picture(0, 1)), &head));
    edge.until_settled(5, 5).await;
    let app = &website.app;
    let waiting = review_queue::oldest(&mut app.db.read().await.unwrap(), &location(), 10).await.unwrap();
    assert_eq!(waiting.len(), 4);
    assert!(edge.told.lock().unwrap().rows.is_empty(), "no edge knows them");
    changes::accept(app, &location(), &face(0), How::Spoken, &actor()).await.unwrap();
    changes::accept(app, &location(), &face(3), How::Spoken, &actor()).await.unwrap();
    changes::refuse(app, &location(), &face(1), &actor()).await.unwrap();
    let again = changes::refuse(app, &location(), &face(1), &actor()).await.unwrap_err();
    assert!(again.to_string().contains("does not wait for review"));
    let head = edge.until_verified(2).await;
    assert_eq!(head.count, 1, "the one under two ids is one customer");
    let mut tx = app.db.read().await.unwrap();
    let accepted = customers::get(&mut tx, &location(), &face(0)).await.unwrap().unwrap();
    assert_eq!(accepted.live().unwrap().visits, 3);
    assert_eq!(visits::of_face(&mut tx, &location(), &face(1)).await.unwrap().visits, 0);
    drop(tx);
    website.stop().await;
}
