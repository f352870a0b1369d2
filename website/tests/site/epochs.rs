//! A database that has gone back is noticed, and brings nobody back.

use crate::{
    edge::{FakeEdge, visit},
    scene::scene,
    stage::{Stage, actor, add_location, enrol, face, join, join_with, location, picture, space, sql, until},
};
use protocol::{
    EdgeId, FaceId, Seq, SigningKey,
    message::{Applied, CustomerState, EnrolPolicy, Inbox, Seen},
};
use std::fs;
use website::{
    App, changes, edges,
    epochs::{self, Why},
    tables::{self, customers, edge_reports, erasures, visits},
};

crate::on_both!(
    an_edge_that_is_ahead_begins_a_new_epoch,
    an_edge_that_is_ahead_again_is_shut_out,
    a_copy_put_back_by_hand_brings_nobody_back,
    a_copy_put_back_by_hand_lets_no_revoked_edge_in,
    heads_are_dated_later_than_any_before_the_copy_was_put_back,
    a_removal_without_a_ledger_stands_and_says_so,
    an_epoch_asked_for_voids_what_edges_said,
    what_the_broker_keeps_of_unknown_faces_is_cleared,
);

async fn an_edge_that_is_ahead_begins_a_new_epoch(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 3).await;
    let app = &website.app;
    edge.say(Applied { verified: Seq(100), ..edge.applied(&head) });
    let new = edge
        .until("a head of a new epoch", |told| {
            told.heads.last().filter(|new| new.epoch != head.epoch).cloned()
        })
        .await;
    assert_eq!((new.seq, new.count, new.digest), (Seq(4), head.count, head.digest));
    assert!(new.issued_at > head.issued_at);
    edge.until("every row again, in the new epoch", |told| {
        told.rows.values().all(|change| change.epoch == new.epoch).then_some(())
    })
    .await;
    // The old epoch's word proves nothing any more; the new one's does.
    edge.say(edge.applied(&head));
    edge.say(edge.applied(&new));
    until("in sync", || async {
        let edges = edges::list(app, &location()).await.unwrap();
        (edges[0].standing.to_string() == "in sync").then_some(())
    })
    .await;
    assert_eq!(edge.told.lock().unwrap().heads.last().unwrap().epoch, new.epoch, "one new epoch and no more");
    website.stop().await;
}

async fn an_edge_that_is_ahead_again_is_shut_out(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 2).await;
    let app = &website.app;
    let honest = join(app, &location(), "till", 2).await.0;
    edge.say(Applied { verified: Seq(100), ..edge.applied(&head) });
    let new = edge
        .until("a head of a new epoch", |told| {
            told.heads.last().filter(|new| new.epoch != head.epoch).cloned()
        })
        .await;
    edge.say(Applied { verified: Seq(101), ..edge.applied(&new) });
    until("shut out", || async { (!may_log_in(app, &edge.joined.edge).await).then_some(()) }).await;
    edge.until("kicked and not let in again", |told| (told.lost > 2).then_some(())).await;
    let edges = edges::list(app, &location()).await.unwrap();
    let standing =
        edges.iter().find(|status| status.edge.id == edge.joined.edge).unwrap().standing.to_string();
    assert_eq!(standing, "shut out: reports changes that were never made, join again");
    assert!(may_log_in(app, &honest.edge).await, "only whoever said it");
    let known = website::locations::get(app, &location()).await.unwrap().unwrap();
    assert_eq!((known.totals.epoch, known.totals.seq), (new.epoch, new.seq), "no other epoch has begun");
    // Once the hour is over a report counts again.
    sql(app, "UPDATE locations SET ahead_at = ahead_at - 3600000").await;
    let code = edges::new_code(app, &location(), &edge.joined.edge, &actor()).await.unwrap().code;
    let key = SigningKey::from_seed([3; 32]);
    let joined = join_with(app, &code, key.public()).await.unwrap();
    let again = FakeEdge::connect(&website, (joined, key)).await;
    let head = again.until_verified(new.seq.0).await;
    again.say(Applied { verified: Seq(200), ..again.applied(&head) });
    again
        .until("another new epoch", |told| told.heads.last().filter(|head| head.epoch != new.epoch).cloned())
        .await;
    website.stop().await;
}

async fn is_live(app: &App, face: &FaceId) -> bool {
    let row = customers::get(&mut app.db.read().await.unwrap(), &location(), face).await.unwrap();
    row.is_some_and(|row| row.live().is_some())
}

async fn may_log_in(app: &App, edge: &EdgeId) -> bool {
    tables::edges::credentials(&mut app.db.read().await.unwrap(), edge).await.unwrap().is_some()
}

async fn a_copy_put_back_by_hand_brings_nobody_back(mut stage: Stage) {
    let website = stage.start().await;
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let joined = join(&website.app, &location(), "door", 1).await;
    enrol(&website.app, &location(), 0..5).await;
    website.stop().await;
    let copy = stage.copy().await;

    let website = stage.start().await;
    let app = &website.app;
    let edge = FakeEdge::connect(&website, joined.clone()).await;
    let before = edge.until_verified(5).await;
    // Somebody of the copy; somebody who was merged into that one; and somebody the copy has never heard of.
    changes::merge(app, &location(), &face(1), &face(0), &actor()).await.unwrap();
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    enrol(app, &location(), 7..8).await;
    changes::remove(app, &location(), &face(7), &actor()).await.unwrap();
    edge.until_verified(9).await;
    drop(edge);
    website.stop().await;

    stage.put_back(copy);
    let website = stage.start().await;
    let app = &website.app;
    for n in [0, 1, 7] {
        assert!(!is_live(app, &face(n)).await, "{n} is back");
    }
    assert!(is_live(app, &face(2)).await);
    let edge = FakeEdge::connect(&website, joined).await;
    // The new epoch takes a seq, and so does each of the three.
    let head = edge.until_verified(9).await;
    assert_ne!(head.epoch, before.epoch);
    assert_eq!((head.seq, head.count, head.last_removal), (Seq(9), 3, Seq(9)));
    for n in [0, 1, 7] {
        let told = edge.told.lock().unwrap();
        assert!(matches!(told.rows[&face(n)].state, CustomerState::Removed { .. }));
    }
    // Whoever sends their visits again cannot bring them back either.
    let again = Seen::New { face_id: face(7), space: space().id, embedding: picture(7, 0) };
    edge.visit(&visit(5, 1, again, &before));
    edge.until_settled(5, 1).await;
    assert!(!is_live(app, &face(7)).await);
    let mut tx = app.db.read().await.unwrap();
    assert_eq!(visits::of_face(&mut tx, &location(), &face(7)).await.unwrap().visits, 0);
    drop(tx);
    website.stop().await;

    // Nothing more happens at the next start.
    let website = stage.start().await;
    let known = website::locations::get(&website.app, &location()).await.unwrap().unwrap();
    assert_eq!((known.totals.epoch, known.totals.seq), (head.epoch, Seq(9)));
    website.stop().await;
}

async fn a_copy_put_back_by_hand_lets_no_revoked_edge_in(mut stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let (kept, _) = join(&app, &location(), "door", 1).await;
    let (gone, _) = join(&app, &location(), "till", 2).await;
    app.db.close().await;
    let copy = stage.copy().await;

    let app = stage.app().await;
    // One that the copy has never heard of, too.
    let (late, _) = join(&app, &location(), "late", 3).await;
    for edge in [&gone.edge, &late.edge] {
        edges::revoke(&app, &location(), edge, &actor()).await.unwrap();
    }
    let before = website::locations::get(&app, &location()).await.unwrap().unwrap().totals;
    app.db.close().await;

    stage.put_back(copy);
    let website = stage.start().await;
    let app = &website.app;
    assert!(may_log_in(app, &kept.edge).await);
    for edge in [&gone.edge, &late.edge] {
        assert!(!may_log_in(app, edge).await);
    }
    let refused = edges::new_code(app, &location(), &gone.edge, &actor()).await.unwrap_err();
    assert!(matches!(refused, edges::EdgeError::Revoked(_)), "{refused}");
    let after = website::locations::get(app, &location()).await.unwrap().unwrap().totals;
    assert_ne!(after.epoch, before.epoch, "the database has gone back");
    website.stop().await;

    // Nothing more happens at the next start, though one of the ledger's edges is in no database any more.
    let website = stage.start().await;
    let again = website::locations::get(&website.app, &location()).await.unwrap().unwrap().totals;
    assert_eq!(again, after);
    let ledger = fs::read_to_string(stage.data.path().join("erasures.jsonl")).unwrap();
    assert_eq!(ledger.lines().filter(|line| line.contains("revoked_at")).count(), 3, "{ledger}");
    website.stop().await;
}

async fn a_removal_without_a_ledger_stands_and_says_so(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let (joined, _) = join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..2).await;
    let ledger = stage.data.path().join("erasures.jsonl");
    // A folder in its place: not even root can append to that.
    fs::create_dir(&ledger).unwrap();
    let error = changes::remove(&app, &location(), &face(0), &actor()).await.unwrap_err().to_string();
    assert!(error.starts_with("the removal is done") && error.contains("erasures.jsonl"), "{error}");
    assert!(!is_live(&app, &face(0)).await);
    let error = edges::revoke(&app, &location(), &joined.edge, &actor()).await.unwrap_err().to_string();
    assert!(error.starts_with("the edge is revoked") && error.contains("erasures.jsonl"), "{error}");
    assert!(!may_log_in(&app, &joined.edge).await);
    fs::remove_dir(&ledger).unwrap();
    // The next removal writes everything.
    changes::remove(&app, &location(), &face(1), &actor()).await.unwrap();
    let text = fs::read_to_string(&ledger).unwrap();
    let named = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["face_id"].as_str().or(line["edge"].as_str()).unwrap().to_owned()
    };
    let named: Vec<String> = text.lines().map(named).collect();
    assert_eq!(named, ["face_00000", "face_00001", joined.edge.as_str()]);
    assert!(!text.contains("Person"), "nothing personal");
    // A ledger that was lost is written again at the next start.
    fs::remove_file(&ledger).unwrap();
    app.db.close().await;
    let website = stage.start().await;
    assert_eq!(fs::read_to_string(&ledger).unwrap().lines().count(), 3);
    assert_eq!(erasures::all(&mut website.app.db.read().await.unwrap()).await.unwrap().len(), 2);
    website.stop().await;
}

async fn an_epoch_asked_for_voids_what_edges_said(stage: Stage) {
    let (website, edge, head) = scene(&stage, EnrolPolicy::Auto, 2).await;
    let app = &website.app;
    edge.say(edge.applied(&head));
    let report =
        || async { edge_reports::get(&mut app.db.read().await.unwrap(), &edge.joined.edge).await.unwrap() };
    until("a report", || async { report().await }).await;
    let epoch = epochs::begin(app, &location(), Why::Asked, &actor()).await.unwrap();
    assert_eq!(report().await, None);
    let new = edge.until_verified(3).await;
    assert_eq!(new.epoch, epoch);
    assert!(!edge.told.lock().unwrap().inbox.iter().any(|told| matches!(told, Inbox::Command(_))));
    website.stop().await;
}

async fn what_the_broker_keeps_of_unknown_faces_is_cleared(stage: Stage) {
    let (website, _first, _) = scene(&stage, EnrolPolicy::Auto, 3).await;
    let app = &website.app;
    // As if the database had been put back to before this one was enrolled.
    sql(app, "DELETE FROM customers WHERE face_id = 'face_00002'").await;
    epochs::begin(app, &location(), Why::Asked, &actor()).await.unwrap();
    let swept = || async {
        let known = website::locations::get(app, &location()).await.unwrap().unwrap();
        (known.swept == known.totals.epoch).then_some(())
    };
    until("swept", swept).await;
    // Once on the edges' topic, once in people's mirror.
    assert_eq!(app.counters.swept.get(), 2);
    let second = FakeEdge::connect(&website, join(app, &location(), "till", 2).await).await;
    let head = second.until_verified(4).await;
    assert_eq!(head.count, 2);
    let rows: Vec<_> = second.told.lock().unwrap().rows.keys().cloned().collect();
    assert_eq!(rows, [face(0), face(1)]);
    website.stop().await;
}

async fn heads_are_dated_later_than_any_before_the_copy_was_put_back(mut stage: Stage) {
    let (website, edge, _) = scene(&stage, EnrolPolicy::Auto, 2).await;
    drop(edge);
    website.stop().await;
    let copy = stage.copy().await;
    let website = stage.start().await;
    let joined = join(&website.app, &location(), "till", 2).await;
    let edge = FakeEdge::connect(&website, joined).await;
    // What a clock leaves that was a day ahead. Nobody is changed.
    sql(&website.app, "UPDATE locations SET issued_at = issued_at + 86400000").await;
    let tomorrow = website::clock::now().plus_ms(80_000_000);
    let newest = edge
        .until("tomorrow's head", |told| told.heads.last().filter(|head| head.issued_at > tomorrow).cloned());
    let newest = newest.await;
    // It stops without having the time to write anything down.
    let marks = stage.data.path().join("marks.json");
    let written = fs::read(&marks).unwrap();
    website.stop().await;
    fs::write(&marks, written).unwrap();
    stage.put_back(copy);
    let website = stage.start().await;
    let known = website::locations::get(&website.app, &location()).await.unwrap().unwrap();
    assert_ne!(known.totals.epoch, newest.epoch, "the copy stands behind the newest head");
    assert!(known.issued_at > newest.issued_at, "{:?} after {:?}", known.issued_at, newest.issued_at);
    website.stop().await;
}
