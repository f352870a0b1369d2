//! A visit is worth points: once, to whom it is counted for, and in the same transaction.

use crate::{
    edge::{FakeEdge, visit},
    scene::scene,
    stage::{Stage, actor, face, location, picture, space},
};
use protocol::message::{EnrolPolicy, Head, Seen, Similarity};
use website::{
    App, Website, changes,
    locations::{self, NewSettings},
    tables::{consents::How, customers, visits},
};

crate::on_both!(
    a_visit_is_worth_its_points_once,
    points_follow_whom_the_visit_is_counted_for,
    a_waiting_face_brings_its_points_along,
    points_are_nothing_that_edges_are_told,
);

async fn worth(app: &App, points: i64) {
    let new = NewSettings { points_per_visit: Some(points.try_into().unwrap()), ..NewSettings::default() };
    locations::set(app, &location(), new, &actor()).await.unwrap();
}

/// Visits and points of a live customer.
async fn has(website: &Website, n: u32) -> (i64, i64) {
    let mut tx = website.app.db.read().await.unwrap();
    let row = customers::get(&mut tx, &location(), &face(n)).await.unwrap().unwrap();
    let live = row.live().unwrap();
    (live.visits, live.points)
}

fn known(n: u32) -> Seen {
    Seen::Known { face_id: face(n), similarity: Similarity(9000) }
}

fn new(n: u32, person: u32, look: u32) -> Seen {
    Seen::New { face_id: face(n), space: space().id, embedding: picture(person, look) }
}

async fn sees(edge: &FakeEdge, stream: u64, seen: Vec<Seen>, head: &Head) {
    let last = seen.len() as u64;
    for (n, seen) in (1..).zip(seen) {
        edge.visit(&visit(stream, n, seen, head));
    }
    edge.until_settled(stream, last).await;
}

async fn a_visit_is_worth_its_points_once(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 1).await;
    sees(&edge, 1, vec![known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (2, 0), "nothing unless the store says so");
    worth(&website.app, 5).await;
    sees(&edge, 2, vec![known(0), known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (4, 10));
    // What is sent again, now that a visit is worth more, adds nothing.
    worth(&website.app, 9).await;
    for n in 1..=2 {
        edge.visit(&visit(2, n, known(0), &head));
    }
    sees(&edge, 3, vec![known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (5, 19));
    worth(&website.app, 0).await;
    sees(&edge, 4, vec![known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (6, 19));
    // Nobody rises above the most that the pages can set.
    changes::add_points(&website.app, &location(), &face(0), 1_000_000_000, &actor()).await.unwrap();
    worth(&website.app, 10_000).await;
    sees(&edge, 5, vec![known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (7, 1_000_000_000));
    website.stop().await;
}

async fn points_follow_whom_the_visit_is_counted_for(stage: Stage) {
    let (website, edge, _) = scene(&stage, EnrolPolicy::Auto, 2).await;
    worth(&website.app, 5).await;
    let head = edge.until_verified(2).await;
    // Somebody new; the same one under another id; that id once more; and somebody nobody knows.
    sees(&edge, 1, vec![new(7, 7, 0), new(8, 7, 1), known(8), known(99)], &head).await;
    assert_eq!(has(&website, 7).await, (3, 15));
    changes::remove(&website.app, &location(), &face(1), &actor()).await.unwrap();
    sees(&edge, 2, vec![known(1), known(0)], &head).await;
    assert_eq!(has(&website, 0).await, (2, 5));
    changes::merge(&website.app, &location(), &face(0), &face(7), &actor()).await.unwrap();
    assert_eq!(has(&website, 7).await, (5, 20));
    let mut tx = website.app.db.read().await.unwrap();
    let rows = visits::newest(&mut tx, &location(), None, 99).await.unwrap();
    drop(tx);
    let worth: Vec<(String, i64)> =
        rows.iter().map(|(_, row)| (row.kind.to_string(), row.points.get())).collect();
    let expected =
        [("known", 5), ("lag_hit", 0), ("unknown", 0), ("known", 5), ("merged", 5), ("enrolled", 5)];
    assert_eq!(worth, expected.map(|(kind, points)| (kind.to_owned(), points)));
    changes::remove(&website.app, &location(), &face(7), &actor()).await.unwrap();
    let mut tx = website.app.db.read().await.unwrap();
    let rows = visits::newest(&mut tx, &location(), None, 99).await.unwrap();
    assert!(
        rows.iter().all(|(_, row)| row.points.get() == 0),
        "what they were worth went with their customer"
    );
    drop(tx);
    website.stop().await;
}

async fn a_waiting_face_brings_its_points_along(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Approve, 1).await;
    worth(&website.app, 5).await;
    sees(&edge, 1, vec![new(7, 7, 0), known(7)], &head).await;
    worth(&website.app, 1).await;
    sees(&edge, 2, vec![known(7), new(8, 0, 1)], &head).await;
    changes::accept(&website.app, &location(), &face(7), How::Spoken, &actor()).await.unwrap();
    assert_eq!(has(&website, 7).await, (3, 11), "what each visit was worth when it came in");
    assert_eq!(has(&website, 0).await, (2, 1));
    website.stop().await;
}

async fn points_are_nothing_that_edges_are_told(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 1).await;
    let round = async || locations::get(&website.app, &location()).await.unwrap().unwrap().publish_round;
    let before = round().await;
    worth(&website.app, 5).await;
    worth(&website.app, 5).await;
    sees(&edge, 1, vec![known(0)], &head).await;
    assert_eq!(round().await, before, "nothing is published again");
    let mut tx = website.app.db.write().await.unwrap();
    let audit = website::tables::audit::newest(&mut tx, 99).await.unwrap();
    drop(tx);
    let sets = audit.iter().filter(|entry| entry.action == "location.set").count();
    assert_eq!(sets, 1, "what is so already is no change");
    website.stop().await;
}
