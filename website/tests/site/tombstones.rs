//! A removal's trace goes when nobody needs it, and its id is never used again.

use crate::{
    edge::{FakeEdge, visit},
    stage::{Stage, actor, add_location, enrol, face, join, location, picture, space, sql, until},
};
use protocol::{Epoch, FaceId, message::EnrolPolicy, message::Seen};
use std::time::Duration;
use website::{
    App, changes,
    tables::{customers, dead_letters},
    tombstones::{self, Preview},
};

crate::on_both!(
    a_tombstone_goes_once_every_edge_has_applied_it,
    without_an_edge_it_goes_after_its_retention,
    a_stale_hit_is_an_alarm_and_a_repair_until_it_begins,
);

const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

async fn has_row(app: &App, face: &FaceId) -> bool {
    customers::get(&mut app.db.read().await.unwrap(), &location(), face).await.unwrap().is_some()
}

async fn preview(app: &App) -> Preview {
    tombstones::preview(app, RETENTION).await.unwrap().remove(0)
}

async fn a_tombstone_goes_once_every_edge_has_applied_it(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let first = FakeEdge::connect(&website, join(app, &location(), "first", 1).await).await;
    let second = FakeEdge::connect(&website, join(app, &location(), "second", 2).await).await;
    enrol(app, &location(), 0..3).await;
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    let head = first.until_verified(4).await;
    first.say(first.applied(&head));
    until("published", || async { (preview(app).await.unpublished == 0).then_some(()) }).await;
    let waits = preview(app).await;
    assert_eq!((waits.tombstones, waits.needed, waits.need_repair.len()), (1, 1, 0));
    assert!(has_row(app, &face(0)).await, "the second edge has not said that it applied it");
    second.say(second.applied(&second.until_verified(4).await));
    until("purged", || async { (!has_row(app, &face(0)).await).then_some(()) }).await;
    // Counted after the commit.
    until("counted", || async { (app.counters.tombstones_cleared.get() == 1).then_some(()) }).await;
    // An edge that comes later hears nothing of it, and is right all the same.
    let third = FakeEdge::connect(&website, join(app, &location(), "third", 3).await).await;
    assert_eq!(third.until_verified(4).await.digest, head.digest);
    assert!(!third.told.lock().unwrap().rows.contains_key(&face(0)));
    // The id cannot be used again, and a hit on it is known for what it is.
    let again = Seen::New { face_id: face(0), space: space().id, embedding: picture(50, 0) };
    third.visit(&visit(5, 1, again, &head));
    third.until_settled(5, 1).await;
    let mut tx = app.db.read().await.unwrap();
    let dead = dead_letters::by_reason(&mut tx, &location()).await.unwrap();
    assert_eq!(dead, [("id_taken".to_owned(), 1)]);
    drop(tx);
    website.stop().await;
}

async fn without_an_edge_it_goes_after_its_retention(stage: Stage) {
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let (joined, _) = join(app, &location(), "door", 1).await;
    enrol(app, &location(), 0..2).await;
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    changes::remove(app, &location(), &face(1), &actor()).await.unwrap();
    until("published", || async { (preview(app).await.needed == 2).then_some(()) }).await;
    // Ten days old: with a retention of five days it would go, with the one of thirty that is set it stays.
    sql(app, "UPDATE customers SET removed_at = removed_at - 864000000 WHERE face_id = 'face_00000'").await;
    let days = |days: u64| tombstones::preview(app, Duration::from_secs(days * 24 * 3600));
    let due = days(5).await.unwrap().remove(0);
    assert_eq!((due.tombstones, due.outlived, due.needed, due.unpublished), (2, 1, 1, 0));
    // What the preview says of an edge that would then need a repair.
    assert_eq!(due.need_repair, [joined.edge]);
    let due = preview(app).await;
    assert_eq!((due.tombstones, due.outlived, due.need_repair.len()), (2, 0, 0));
    sql(app, "UPDATE customers SET removed_at = 1 WHERE face_id = 'face_00000'").await;
    until("purged", || async { (!has_row(app, &face(0)).await).then_some(()) }).await;
    assert!(has_row(app, &face(1)).await);
    let left = days(0).await.unwrap().remove(0);
    assert_eq!((left.tombstones, left.outlived), (1, 1));
    website.stop().await;
}

async fn a_stale_hit_is_an_alarm_and_a_repair_until_it_begins(stage: Stage) {
    use protocol::{
        BucketDigests, Round,
        message::{Command, Inbox, Repair, Report},
    };
    use website::{edges, tables::edges::Alarm};
    let website = stage.start().await;
    let app = &website.app;
    add_location(app, &location(), EnrolPolicy::Auto).await;
    let edge = FakeEdge::connect(&website, join(app, &location(), "door", 1).await).await;
    enrol(app, &location(), 0..2).await;
    changes::remove(app, &location(), &face(0), &actor()).await.unwrap();
    let head = edge.until_verified(3).await;
    let hit = |n, epoch| {
        let known =
            Seen::Known { face_id: face(0), similarity: protocol::message::Similarity::from_cosine(0.9) };
        let mut hit = visit(5, n, known, &head);
        hit.basis.epoch = epoch;
        hit
    };
    let now = || async { edges::list(app, &location()).await.unwrap().remove(0).edge };
    // Of another epoch it is a late hit and nothing more.
    edge.visit(&hit(1, Epoch(head.epoch.0 ^ 1)));
    edge.until_settled(5, 1).await;
    assert_eq!(now().await.alarm, Alarm::None);
    edge.visit(&hit(2, head.epoch));
    edge.until_settled(5, 2).await;
    let alarmed = now().await;
    assert_eq!(alarmed.alarm, Alarm::StaleHit);
    assert!(alarmed.alarm_at.is_some() && alarmed.repair_ordered_at.is_some());
    let told = |count: usize| {
        let edge = &edge;
        async move {
            edge.until("told to repair", |told| {
                let orders = told.inbox.iter().filter(|told| matches!(told, Inbox::Command(Command::Repair)));
                (orders.count() >= count).then_some(())
            })
            .await;
        }
    };
    told(1).await;
    // An order that was lost is given again with the next report, until the edge begins.
    edge.say(edge.applied(&head));
    told(2).await;
    let buckets = BucketDigests::of(std::iter::empty());
    edge.report(&Report::Repair(Repair { epoch: head.epoch, round: Round(1), buckets }));
    until("begun", || async { now().await.repair_ordered_at.is_none().then_some(()) }).await;
    assert_eq!(now().await.alarm, Alarm::StaleHit, "a person must see to it");
    edges::end_alarm(app, &location(), &edge.joined.edge, &actor()).await.unwrap();
    assert_eq!(now().await.alarm, Alarm::None);
    website.stop().await;
}
