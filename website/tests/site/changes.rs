//! Changes keep seq, count and digest with the rows, whoever else changes at the same time.

use crate::stage::{Stage, actor, add_location, enrol, face, join, location, until};
use protocol::{
    Digest, Name, Seq,
    message::{EnrolPolicy, Flag},
};
use website::{
    App,
    changes::{self, ChangeError, Edit},
    locations,
    tables::{change_log, customers},
};

crate::on_both!(
    two_hundred_changes_at_once_lose_nothing,
    every_verb_does_what_it_says,
    what_cannot_be_changed_is_refused,
    points_are_no_change_for_edges,
);

/// The counters against what the rows themselves say.
pub async fn assert_true_to_its_rows(app: &App) {
    let found = locations::get(app, &location()).await.unwrap().unwrap();
    let mut tx = app.db.read().await.unwrap();
    let rows = customers::live_after(&mut tx, &location(), None, 100_000).await.unwrap();
    let hashes = rows.iter().map(|row| {
        let live = row.live().unwrap();
        let hash = found.digest_key.hash(&row.face_id, row.seq, &live.content);
        assert_eq!(hash, live.row_hash);
        hash
    });
    assert_eq!(found.totals.digest, Digest::of(hashes));
    assert_eq!(found.totals.count, rows.len() as u64);
}

fn name(text: &str) -> Edit {
    Edit { name: Some(text.parse::<Name>().unwrap()), flag: None }
}

async fn two_hundred_changes_at_once_lose_nothing(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..20).await;
    let all: Vec<_> = (0..200)
        .map(|n| {
            let app = app.clone();
            tokio::spawn(async move {
                changes::edit(&app, &location(), &face(n % 20), name(&format!("Name {n}")), &actor()).await
            })
        })
        .collect();
    let mut changed = Vec::new();
    for one in all {
        changed.push(one.await.unwrap().unwrap().unwrap());
    }
    changed.sort_by_key(|changed| changed.seq);
    let expected: Vec<Seq> = (21..=220).map(Seq).collect();
    assert_eq!(changed.iter().map(|changed| changed.seq).collect::<Vec<_>>(), expected);
    assert!(changed.is_sorted_by_key(|changed| changed.at), "the order of seqs is the order of commits");
    let found = locations::get(&app, &location()).await.unwrap().unwrap();
    assert_eq!((found.totals.seq, found.totals.count), (Seq(220), 20));
    assert_true_to_its_rows(&app).await;
    let mut tx = app.db.read().await.unwrap();
    let log = change_log::between(&mut tx, &location(), Seq(20), Seq(220), 1000).await.unwrap();
    assert!(log.iter().map(|entry| entry.seq).eq(expected));
}

async fn every_verb_does_what_it_says(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..4).await;
    let (app, here, by) = (&*app, location(), actor());

    let renamed = changes::edit(app, &here, &face(0), name("Ada"), &by).await.unwrap().unwrap();
    assert_eq!(renamed.seq, Seq(5));
    assert_eq!(changes::edit(app, &here, &face(0), name("Ada"), &by).await.unwrap(), None, "already so");
    let both = Edit { name: Some("Ada L.".parse().unwrap()), flag: Some(Flag::Red) };
    assert_eq!(changes::edit(app, &here, &face(0), both, &by).await.unwrap().unwrap().seq, Seq(6));

    let removed = changes::remove(app, &here, &face(1), &by).await.unwrap();
    let found = locations::get(app, &here).await.unwrap().unwrap();
    assert_eq!((removed.seq, found.totals.last_removal, found.totals.count), (Seq(7), Seq(7), 3));

    // The winner has no flag, so it takes the loser's: two rows change.
    let merged = changes::merge(app, &here, &face(0), &face(2), &by).await.unwrap();
    let found = locations::get(app, &here).await.unwrap().unwrap();
    assert_eq!((merged.seq, found.totals.last_removal), (Seq(9), Seq(7)), "a merge is no removal");
    let mut tx = app.db.read().await.unwrap();
    let winner = customers::get(&mut tx, &here, &face(2)).await.unwrap().unwrap();
    let winner = winner.live().unwrap();
    assert_eq!(
        (winner.content.name.as_str(), winner.content.flag, winner.visits),
        ("Person 2", Flag::Red, 2)
    );
    let loser = customers::get(&mut tx, &here, &face(0)).await.unwrap().unwrap();
    assert!(
        matches!(loser.state, customers::State::Removed { merged_into: Some(into), .. } if into == face(2))
    );
    assert_true_to_its_rows(app).await;
}

async fn what_cannot_be_changed_is_refused(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..3).await;
    let (app, here, by) = (&*app, location(), actor());
    changes::remove(app, &here, &face(0), &by).await.unwrap();
    changes::merge(app, &here, &face(1), &face(2), &by).await.unwrap();
    let before = locations::get(app, &here).await.unwrap().unwrap().totals;
    for (face_id, why) in [
        (face(0), "customer face_00000 has been removed"),
        (face(1), "customer face_00001 was merged into face_00002: change that one"),
        (face(9), "there is no customer face_00009 at this location"),
    ] {
        let refused = |error: ChangeError| assert_eq!(error.to_string(), why);
        refused(changes::edit(app, &here, &face_id, name("X"), &by).await.unwrap_err());
        refused(changes::remove(app, &here, &face_id, &by).await.unwrap_err());
        refused(changes::merge(app, &here, &face_id, &face(2), &by).await.unwrap_err());
        refused(changes::add_points(app, &here, &face_id, 1, &by).await.unwrap_err());
    }
    let same = changes::merge(app, &here, &face(2), &face(2), &by).await.unwrap_err();
    assert_eq!(same.to_string(), "a customer cannot be merged into itself");
    let nowhere = changes::remove(app, &"paris".parse().unwrap(), &face(2), &by).await.unwrap_err();
    assert_eq!(nowhere.to_string(), "there is no location paris");
    assert_eq!(locations::get(app, &here).await.unwrap().unwrap().totals, before, "nothing has happened");
}

async fn points_are_no_change_for_edges(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "door", 1).await;
    enrol(&app, &location(), 0..1).await;
    let before = locations::get(&app, &location()).await.unwrap().unwrap().totals;
    for (points, sum) in [(10, 10), (-3, 7), (-100, 0)] {
        let got = changes::add_points(&app, &location(), &face(0), points, &actor()).await.unwrap();
        assert_eq!(got, sum);
    }
    assert_eq!(locations::get(&app, &location()).await.unwrap().unwrap().totals, before);
    until("the audit has three entries", || async {
        let mut tx = app.db.read().await.unwrap();
        let audit = website::tables::audit::newest(&mut tx, 100).await.unwrap();
        (audit.iter().filter(|entry| entry.action == "customer.points").count() == 3).then_some(())
    })
    .await;
}
