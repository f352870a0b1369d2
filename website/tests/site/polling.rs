//! Boxes that poll miss nothing, whatever clocks say, and are told what they asked.

use crate::{
    poller::{Poller, live, opened, removed, stamp, time, utc_now},
    stage::{Stage, actor, enrol, face, join, location, sql},
};
use std::collections::BTreeSet;
use website::{
    changes::{self, Held},
    decide::poll::{End, Told},
    edges,
    polling::{Change, Scope},
    tables::edges as edge_rows,
};

crate::on_both!(
    ten_thousand_changes_of_one_moment_come_in_pages,
    a_time_of_its_own_that_an_answer_bears_by_chance_names_no_answer,
    clocks_decide_nothing,
    a_box_that_was_away_for_long_learns_every_removal,
    a_box_is_told_apart_what_it_asks_apart,
    where_it_stands_is_said_in_honest_words,
);

async fn ten_thousand_changes_of_one_moment_come_in_pages(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    poller.poll(&app, 1_000).await;
    enrol(&app, &location(), 0..10_000).await;
    let (mut pages, mut stamps) = (0, BTreeSet::new());
    loop {
        let answer = poller.poll(&app, 999).await;
        pages += 1;
        assert!(
            answer.changes.len() <= 999 && stamps.insert(answer.stamp),
            "each answer has a time of its own"
        );
        if answer.end == End::Whole {
            break;
        }
    }
    assert_eq!((pages, poller.held.len()), (11, 10_000));
    // And as many removals, told in pages of another size.
    let mut held = Held::begin(&app.db, &location()).await.unwrap();
    for n in 0..2_000 {
        let row = held.live(&face(n)).await.unwrap();
        held.remove(&row, &actor()).await.unwrap();
    }
    held.commit().await.unwrap();
    let mut gone = Vec::new();
    loop {
        let page = poller.poll_removals(&app, 301).await;
        if page.is_empty() {
            break;
        }
        gone.extend(page);
    }
    assert_eq!(gone, (0..2_000).map(|n| face(n).to_string()).collect::<Vec<_>>());
    assert!(poller.held == live(&app).await);
    app.db.close().await;
}

async fn a_time_of_its_own_that_an_answer_bears_by_chance_names_no_answer(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..3).await;
    let answer = poller.poll(&app, 9).await;
    // Its clock is ahead: the next answer will bear the time that it asks with.
    poller.since = time(answer.stamp + 1);
    changes::remove(&app, &location(), &face(1), &actor()).await.unwrap();
    sql(&app, "UPDATE change_log SET at = at - 3600000").await;
    let lost = poller.ask(&app, Told::Removals, 9).await;
    assert_eq!(removed(&lost), [face(1).to_string()]);
    sql(
        &app,
        "UPDATE polling_answers SET stamp = stamp - 1 WHERE stamp = (SELECT MAX(stamp) FROM polling_answers)",
    )
    .await;
    // The answer was lost, and it asks again by the same time.
    assert_eq!(poller.poll_removals(&app, 9).await, [face(1).to_string()]);
    app.db.close().await;
}

async fn clocks_decide_nothing(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..20).await;
    poller.poll(&app, 1_000).await;
    let remove = async |n| changes::remove(&app, &location(), &face(n), &actor()).await.unwrap();
    let own = |minutes: i64| {
        let now = utc_now() + chrono::TimeDelta::minutes(minutes);
        now.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    };
    // The clock goes back by an hour between a poll and a change, and forward.
    for (n, step) in [
        (0, "UPDATE change_log SET at = at - 3600000 WHERE seq = (SELECT MAX(seq) FROM change_log)"),
        (1, "UPDATE change_log SET at = at + 3600000 WHERE seq = (SELECT MAX(seq) FROM change_log)"),
    ] {
        remove(n).await;
        sql(&app, step).await;
        let again = poller.since.clone();
        assert_eq!(poller.poll_removals(&app, 9).await, [face(n).to_string()], "{step}");
        // One that makes its own times has named the poll before by a new one.
        poller.since = again;
        assert_eq!(poller.poll_removals(&app, 9).await, [face(n).to_string()]);
    }
    sql(&app, "UPDATE change_log SET at = at - 7200000").await;
    remove(2).await;
    sql(&app, "UPDATE change_log SET at = at - 3600000 WHERE seq = (SELECT MAX(seq) FROM change_log)").await;
    poller.since = own(0);
    let told = poller.ask(&app, Told::Removals, 9).await;
    assert_eq!(removed(&told), [face(2).to_string()], "no change is dated within its overlap");
    // From the future, and from before everything.
    for (minutes, scope) in [(11, Scope::Everything), (9, Scope::Since), (60 * 24 * 365, Scope::Everything)] {
        poller.since = own(minutes);
        assert_eq!(poller.ask(&app, Told::Removals, 9).await.scope, scope, "{minutes}");
    }
    poller.since = "1999-12-31T23:59:59".to_owned();
    let everything = poller.ask(&app, Told::Removals, 9).await;
    assert_eq!((everything.scope, removed(&everything).len()), (Scope::Everything, 3));
    // A box that was never told anything here is told everything, whatever it says.
    let mut other = Poller::new(&app, "other").await;
    other.since = own(0);
    assert_eq!(removed(&other.ask(&app, Told::Removals, 9).await).len(), 3);
    // Our clock was a day ahead when an answer was given: times go on from there, each once.
    let ahead = website::clock::now().0 / 1000 + 86_400;
    poller.since = String::new();
    let told = poller.ask(&app, Told::Removals, 9).await;
    assert!(told.stamp < ahead);
    sql(&app, "UPDATE polling_boxes SET newest_stamp = newest_stamp + 86400").await;
    let told = poller.ask(&app, Told::Removals, 9).await;
    assert!((ahead..ahead + 60).contains(&told.stamp));
    poller.since = stamp(&told);
    remove(3).await;
    let next = poller.ask(&app, Told::Removals, 9).await;
    assert_eq!((removed(&next), next.stamp), (vec![face(3).to_string()], told.stamp + 1));
    // A time that is about to be given, and is not known yet, does not become known as something else.
    poller.since = time(next.stamp + 1);
    assert_eq!(poller.ask(&app, Told::Removals, 9).await.stamp, next.stamp + 2);
    app.db.close().await;
}

async fn a_box_that_was_away_for_long_learns_every_removal(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..6).await;
    poller.poll(&app, 1_000).await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    changes::merge(&app, &location(), &face(1), &face(2), &actor()).await.unwrap();
    changes::remove(&app, &location(), &face(2), &actor()).await.unwrap();
    changes::merge(&app, &location(), &face(3), &face(4), &actor()).await.unwrap();
    // Half a year later: the log is pruned, and with it every tombstone.
    sql(&app, "DELETE FROM change_log").await;
    sql(&app, "DELETE FROM customers WHERE state = 'removed'").await;
    let mut again = Poller::new(&app, "again").await;
    let gone = [0, 1, 2, 3].map(|n| face(n).to_string());
    assert_eq!(again.poll_removals(&app, 9).await, gone);
    assert_eq!(removed(&poller.poll(&app, 1_000).await), gone);
    assert!(poller.held == live(&app).await && poller.held.len() == 2);
    app.db.close().await;
}

async fn a_box_is_told_apart_what_it_asks_apart(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..3).await;
    poller.poll(&app, 1_000).await;
    // A removal that is asked for on its own does not make the box pass what it was not told.
    enrol(&app, &location(), 3..5).await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    assert_eq!(poller.poll_removals(&app, 1_000).await, [face(0).to_string()]);
    assert_eq!(poller.poll_removals(&app, 1_000).await, Vec::<String>::new());
    let answer = poller.poll(&app, 1_000).await;
    let created = answer.changes.iter().filter(|change| matches!(change, Change::Create { .. })).count();
    assert_eq!((created, answer.scope), (2, Scope::Since));
    assert!(poller.held == live(&app).await);
    // Nothing new: the same time for some seconds, and nothing is written.
    let told = poller.ask(&app, Told::Changes, 9).await;
    assert_eq!(stamp(&told), poller.since);
    app.db.close().await;
}

async fn where_it_stands_is_said_in_honest_words(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..3).await;
    let (listens, _) = join(&app, &location(), "door", 1).await;
    let words = async || {
        let edges = edges::list(&app, &location()).await.unwrap();
        edges.into_iter().find(|status| status.edge.name == "till").unwrap().standing.to_string()
    };
    let progress = async |seq| {
        let progress = edges::change_progress(&app, &location(), protocol::Seq(seq)).await.unwrap().unwrap();
        let states = progress.edges.iter().map(|edge| serde_json::to_value(edge).unwrap()["state"].clone());
        states.map(|state| state.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ago = |words: String| words.replace("asked 1 s", "asked 0 s");
    assert_eq!(words().await, "polls: never asked");
    poller.poll_removals(&app, 9).await;
    assert_eq!(ago(words().await), "polls: asked 0 s ago, has confirmed nothing yet");
    assert_eq!(progress(3).await, ["outstanding", "not_asked"]);
    let changed = changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    poller.poll_removals(&app, 9).await;
    // It was told, and nothing says that it has heard.
    assert_eq!(ago(words().await), "polls: asked 0 s ago, has every removal to seq 3");
    assert_eq!(progress(changed.seq.0).await, ["outstanding", "not_asked"]);
    poller.since = time(poller.ask(&app, Told::Removals, 9).await.stamp);
    changes::remove(&app, &location(), &face(1), &actor()).await.unwrap();
    poller.poll_removals(&app, 9).await;
    assert_eq!(ago(words().await), "polls: asked 0 s ago, has every removal to seq 4");
    assert_eq!(progress(changed.seq.0).await, ["outstanding", "asked"]);
    assert_eq!(progress(3).await, ["outstanding", "not_asked"], "it never asked for who is new");
    for _ in 0..2 {
        poller.poll(&app, 9).await;
        enrol(&app, &location(), 10 + poller.held.len() as u32..11 + poller.held.len() as u32).await;
    }
    assert_eq!(ago(words().await), "polls: asked 0 s ago, has everything to seq 5");
    assert_eq!(progress(3).await, ["outstanding", "asked"]);
    // A certificate does not rest on it.
    assert!(
        edge_rows::get(&mut app.db.read().await.unwrap(), &poller.is.edge)
            .await
            .unwrap()
            .unwrap()
            .joined
            .is_none()
    );
    edges::revoke(&app, &location(), &poller.is.edge, &actor()).await.unwrap();
    assert_eq!(words().await, "revoked");
    assert_eq!(progress(3).await, ["outstanding"]);
    drop(listens);
    app.db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_box_hears_of_removals_all_the_same() {
    let stage = Stage::sqlite();
    let (app, mut poller) = opened(&stage).await;
    enrol(&app, &location(), 0..3).await;
    poller.poll(&app, 9).await;
    changes::remove(&app, &location(), &face(0), &actor()).await.unwrap();
    // SQLite raises a limit below what there is to that.
    sql(&app, "PRAGMA max_page_count = 1").await;
    let mut asked = 0;
    let last = loop {
        let answer = poller.ask(&app, Told::Removals, 9).await;
        assert_eq!(removed(&answer), [face(0).to_string()]);
        asked += 1;
        assert!(asked < 5_000, "it is never full");
        if stamp(&answer) == poller.since {
            break answer;
        }
    };
    // The answer bears the time that was asked with: it tells the same again when there is room.
    poller.take(&last.changes);
    sql(&app, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(poller.poll_removals(&app, 9).await, [face(0).to_string()]);
    assert_eq!(poller.poll_removals(&app, 9).await, Vec::<String>::new());
    app.db.close().await;
}
