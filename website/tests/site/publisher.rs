//! Every change reaches an edge, whatever is lost in between.

use crate::{
    edge::FakeEdge,
    stage::{Stage, actor, add_location, enrol, face, join, location, sql, until},
};
use protocol::{
    Seq,
    message::{CustomerState, EnrolPolicy},
};
use std::time::{Duration, Instant};
use website::{
    Settings,
    changes::{self, Edit},
    edges,
    locations::{self, NewSettings},
};

crate::on_both!(
    changes_arrive_in_order_with_a_head_that_proves_them,
    three_thousand_customers_reach_a_new_edge,
    a_restart_publishes_everything_again,
    settings_reach_edges_at_once,
    what_has_had_its_time_goes,
);

async fn changes_arrive_in_order_with_a_head_that_proves_them(stage: Stage) {
    let website = stage.start().await;
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let edge = FakeEdge::connect(&website, join(&website.app, &location(), "door", 1).await).await;
    enrol(&website.app, &location(), 0..3).await;
    edge.until_verified(3).await;
    let mut took = Vec::new();
    for n in 0..50 {
        let began = Instant::now();
        let edit = Edit { name: Some(format!("Name {n}").parse().unwrap()), flag: None };
        let changed = changes::edit(&website.app, &location(), &face(n % 3), edit, &actor()).await.unwrap();
        edge.until_verified(changed.unwrap().seq.0).await;
        took.push(edge.told.lock().unwrap().row_at.unwrap() - began);
    }
    took.sort();
    println!("from the call to the row at an edge: p50 {:?}, max {:?}", took[25], took[49]);
    // The timer comes every 250 ms: half of that on average, had the nudge no effect.
    assert!(took[25] < Duration::from_millis(100), "it waits for the timer and not for the nudge: {took:?}");
    changes::remove(&website.app, &location(), &face(0), &actor()).await.unwrap();
    edge.until_verified(54).await;
    edge.until("the removal, and heads in order", |told| {
        assert_eq!(told.rows[&face(0)].state, CustomerState::Removed { merged_into: None });
        assert!(told.heads.is_sorted_by_key(|head| head.seq));
        Some(())
    })
    .await;
    website.stop().await;
}

async fn three_thousand_customers_reach_a_new_edge(stage: Stage) {
    let website = stage.start().await;
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let joined = join(&website.app, &location(), "door", 1).await;
    enrol(&website.app, &location(), 0..3000).await;
    let began = Instant::now();
    let edge = FakeEdge::connect(&website, joined).await;
    let head = edge.until_verified(3000).await;
    println!("3,000 customers published and verified in {:?}", began.elapsed());
    assert_eq!(head.count, 3000);
    website.stop().await;
}

async fn a_restart_publishes_everything_again(stage: Stage) {
    let website = stage.start().await;
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let joined = join(&website.app, &location(), "door", 1).await;
    enrol(&website.app, &location(), 0..40).await;
    changes::remove(&website.app, &location(), &face(7), &actor()).await.unwrap();
    website.stop().await;

    let website = stage.start().await;
    let edge = FakeEdge::connect(&website, joined.clone()).await;
    let first = edge.until_verified(41).await;
    assert_eq!(first.count, 39);
    assert!(matches!(edge.told.lock().unwrap().rows[&face(7)].state, CustomerState::Removed { .. }));
    website.stop().await;

    // Changed while nothing runs, as the command line does it.
    let app = stage.app().await;
    changes::remove(&app, &location(), &face(8), &actor()).await.unwrap();
    app.db.close().await;
    let website = stage.start().await;
    let edge = FakeEdge::connect(&website, joined).await;
    let second = edge.until_verified(42).await;
    assert_eq!((second.count, second.last_removal), (38, Seq(42)));
    assert!(second.issued_at > first.issued_at);
    website.stop().await;
}

async fn settings_reach_edges_at_once(stage: Stage) {
    let settings = Settings { heartbeat: Duration::from_secs(1), ..stage.settings() };
    let website = website::start(settings, Default::default()).await.unwrap();
    add_location(&website.app, &location(), EnrolPolicy::Auto).await;
    let edge = FakeEdge::connect(&website, join(&website.app, &location(), "door", 1).await).await;
    let before = edge.until_verified(0).await;
    let new = NewSettings { enrol: Some(EnrolPolicy::Off), lease_s: Some(3600), ..NewSettings::default() };
    locations::set(&website.app, &location(), new, &actor()).await.unwrap();
    edge.until("the new policy", |told| {
        let head = told.heads.last()?;
        (head.enrol == EnrolPolicy::Off && head.lease_s == 3600).then_some(())
    })
    .await;
    // And without any change the head comes again, later each time.
    let heads = |told: &crate::edge::Told| told.heads.len();
    let count = heads(&edge.told.lock().unwrap());
    edge.until("two heartbeats", |told| (heads(told) >= count + 2).then_some(())).await;
    assert!(edge.told.lock().unwrap().heads.last().unwrap().issued_at > before.issued_at);
    website.stop().await;
}

async fn what_has_had_its_time_goes(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..2).await;
    sql(&app, "UPDATE change_log SET at = 1 WHERE seq = 1").await;
    let followed = |seq| {
        let app = &app;
        async move { edges::change_progress(app, &location(), Seq(seq)).await.unwrap() }
    };
    assert!(followed(1).await.is_some());
    let website = stage.start().await;
    until("the old change is let go", || async { followed(1).await.is_none().then_some(()) }).await;
    assert!(followed(2).await.is_some());
    website.stop().await;
    app.db.close().await;
}
