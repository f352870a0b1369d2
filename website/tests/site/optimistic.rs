//! On PostgreSQL an edit takes no lock between reading and writing: whoever is quicker in between loses nothing by it.

use crate::{
    changes::assert_true_to_its_rows,
    stage::{Stage, actor, add_location, enrol, face, join, location, until},
};
use protocol::{
    Seq,
    message::{Customer as Content, EnrolPolicy, Flag},
};
use sqlx::PgPool;
use std::sync::Arc;
use tokio::task::JoinHandle;
use website::{
    App, backup,
    changes::{self, ChangeError, Changed, Edit, Held},
    clock,
    db::{Db, Tx},
    decide::totals::Effect,
    epochs::{self, Why},
    locations,
    tables::{
        change_log::{self, Entry, Verb},
        customers::{self, Tally, WithCounters},
    },
};

type Edited = Result<Option<Changed>, ChangeError>;

/// Two websites on one database with 20 customers.
async fn two() -> Option<(Stage, Arc<App>, Arc<App>)> {
    let stage = Stage::postgres().await?;
    let one = stage.app().await;
    add_location(&one, &location(), EnrolPolicy::Auto).await;
    join(&one, &location(), "door", 1).await;
    enrol(&one, &location(), 0..20).await;
    let other = stage.app().await;
    Some((stage, one, other))
}

fn pool(app: &App) -> &PgPool {
    let Db::Pg(pool) = &app.db else { unreachable!("this is PostgreSQL") };
    pool
}

async fn edit(app: &App, n: u32, name: &str) -> Edited {
    let edit = Edit { name: Some(name.parse().unwrap()), flag: Some(Flag::Red) };
    changes::edit(app, &location(), &face(n), edit, &actor()).await
}

fn seen(visits: i64) -> Tally {
    Tally { visits, ..Tally::default() }
}

async fn seq(app: &App) -> Seq {
    locations::get(app, &location()).await.unwrap().unwrap().totals.seq
}

async fn content(app: &App) -> Content {
    let row = customers::get(&mut app.db.read().await.unwrap(), &location(), &face(3)).await.unwrap();
    row.unwrap().live().unwrap().content.clone()
}

/// An edit of face 3 that has read its row and waits for whoever holds its location: it is about to lose.
async fn waiting_edit(app: &Arc<App>) -> JoinHandle<Edited> {
    let (pool, app) = (pool(app).clone(), Arc::clone(app));
    let edited = tokio::spawn(async move { edit(&app, 3, "Ada").await });
    until("it waits", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock' AND query LIKE 'WITH unmoved%'";
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&pool).await.unwrap();
        (waiting == 1).then_some(())
    })
    .await;
    edited
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_several_websites_at_once_are_each_counted_once() {
    let Some((_stage, one, other)) = two().await else { return };
    let third = Arc::clone(&one);
    let all: Vec<_> = (0..300_u32)
        .map(|n| {
            let app = Arc::clone([&one, &other][n as usize % 2]);
            tokio::spawn(async move { edit(&app, n % 20, &format!("Name {n}")).await.unwrap().unwrap() })
        })
        .collect();
    // Visits are counted in the same rows, under the lock.
    let visits = tokio::spawn(async move {
        for n in 0..100 {
            let mut held = Held::begin(&third.db, &location()).await.unwrap();
            customers::count_visits(&mut held.tx, &location(), &face(n % 20), &seen(1)).await.unwrap();
            held.commit().await.unwrap();
        }
    });
    let mut changed = Vec::new();
    for one in all {
        changed.push(one.await.unwrap());
    }
    visits.await.unwrap();
    changed.sort_by_key(|changed| changed.seq);
    let expected: Vec<Seq> = (21..=320).map(Seq).collect();
    assert_eq!(changed.iter().map(|changed| changed.seq).collect::<Vec<_>>(), expected);
    assert!(changed.is_sorted_by_key(|changed| changed.at), "the order of seqs is the order of commits");
    assert_true_to_its_rows(&one).await;
    let mut tx = one.db.read().await.unwrap();
    let log = change_log::between(&mut tx, &location(), Seq(20), Seq(320), 1000).await.unwrap();
    assert!(log.iter().map(|entry| (entry.seq, entry.at)).eq(changed.iter().map(|one| (one.seq, one.at))));
    let rows = customers::live_after(&mut tx, &location(), None, 99).await.unwrap();
    let visits: i64 = rows.iter().map(|row| row.live().unwrap().visits).sum();
    assert_eq!(visits, 20 + 100, "no visit is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_loses_is_done_again_on_what_it_then_finds() {
    let Some((_stage, one, other)) = two().await else { return };
    for (name, flag, seqs) in [
        // Another change of the same row: the edit comes after it.
        ("Eve", Flag::None, (Seq(22), Some(Seq(23)))),
        // The same change: there is nothing left to do.
        ("Ada", Flag::Red, (Seq(25), None)),
    ] {
        edit(&one, 3, "Somebody").await.unwrap().unwrap();
        let quicker = Content { name: name.parse().unwrap(), flag, ..content(&one).await };
        let mut held = Held::begin(&one.db, &location()).await.unwrap();
        let row = held.live(&face(3)).await.unwrap();
        let edited = waiting_edit(&other).await;
        assert_eq!(held.rewrite(&row, &quicker, Verb::Edited, &actor()).await.unwrap(), seqs.0);
        assert_eq!(edited.await.unwrap().unwrap().map(|changed| changed.seq), seqs.1);
        assert_true_to_its_rows(&one).await;
    }
    let content = content(&one).await;
    assert_eq!((content.name.as_str(), content.flag), ("Ada", Flag::Red));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_loses_to_a_removal_or_a_merge_is_refused() {
    for (merged, why) in [
        (false, "customer face_00003 has been removed"),
        (true, "customer face_00003 was merged into face_00004: change that one"),
    ] {
        let Some((_stage, one, other)) = two().await else { return };
        let mut held = Held::begin(&one.db, &location()).await.unwrap();
        let row = held.live(&face(3)).await.unwrap();
        let edited = waiting_edit(&other).await;
        if merged {
            let winner = held.live(&face(4)).await.unwrap();
            held.merge(&row, &winner, &actor()).await.unwrap();
        } else {
            held.remove(&row, &actor()).await.unwrap();
            held.commit().await.unwrap();
        }
        let before = seq(&one).await;
        assert_eq!(edited.await.unwrap().unwrap_err().to_string(), why);
        assert_eq!(seq(&one).await, before, "nothing was written");
        assert_true_to_its_rows(&one).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_no_seq_is_neither_lost_nor_in_the_way() {
    let Some((_stage, one, other)) = two().await else { return };
    // A visit: its count stays.
    let mut held = Held::begin(&one.db, &location()).await.unwrap();
    let edited = waiting_edit(&other).await;
    customers::count_visits(&mut held.tx, &location(), &face(3), &seen(5)).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(edited.await.unwrap().unwrap().unwrap().seq, Seq(21));
    let mut tx = one.db.read().await.unwrap();
    let row = customers::get(&mut tx, &location(), &face(3)).await.unwrap().unwrap();
    drop(tx);
    assert_eq!((row.live().unwrap().visits, row.live().unwrap().content.name.as_str()), (6, "Ada"));
    // A head that is dated in between: the edit's is dated later.
    let back = Edit { name: Some("Eve".parse().unwrap()), flag: None };
    changes::edit(&one, &location(), &face(3), back, &actor()).await.unwrap().unwrap();
    let later = clock::now().plus_ms(3_600_000);
    let mut held = Held::begin(&one.db, &location()).await.unwrap();
    let edited = waiting_edit(&other).await;
    website::tables::locations::date_head(&mut held.tx, &location(), later).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(edited.await.unwrap().unwrap().unwrap().seq, Seq(23));
    let found = locations::get(&one, &location()).await.unwrap().unwrap();
    assert_eq!(found.issued_at, later.plus_ms(1));
    assert_true_to_its_rows(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_done_again_in_a_new_history_of_the_same_seq() {
    let Some((_stage, one, other)) = two().await else { return };
    let mut held = Held::begin(&one.db, &location()).await.unwrap();
    let edited = waiting_edit(&other).await;
    // What a restore does: the seq is one that was there before, and only the epoch tells.
    let Tx::Pg(tx) = &mut held.tx else { unreachable!("this is PostgreSQL") };
    sqlx::query("UPDATE locations SET epoch = epoch + 1").execute(&mut **tx).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(edited.await.unwrap().unwrap().unwrap().seq, Seq(21));
    let epoch = locations::get(&one, &location()).await.unwrap().unwrap().totals.epoch;
    let mut tx = one.db.read().await.unwrap();
    assert_eq!(change_log::get(&mut tx, &location(), Seq(21)).await.unwrap().unwrap().epoch, epoch);
    assert_true_to_its_rows(&one).await;
}

/// The second statement of an edit, after the first one.
async fn write(app: &App, read: WithCounters) -> bool {
    let content = Content { flag: Flag::Amber, ..read.row.live().unwrap().content.clone() };
    let seq = read.totals.seq.next();
    let new = read.digest_key.hash(&face(3), seq, &content);
    let after = read.totals.after(Effect::Replaced { old: read.row.live().unwrap().row_hash, new });
    let (verb, actor, at) = (Verb::Flagged, actor().to_string(), clock::now());
    let entry = Entry { seq, epoch: after.epoch, face_id: face(3), verb, actor, at };
    let heads = (read.issued_at, read.issued_at.plus_ms(1));
    let (here, rewritten) = (location(), (&content, new));
    let written =
        change_log::insert_with_rewrite_if_unmoved(pool(app), &here, &entry, rewritten, &after, heads);
    written.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_dated_before_a_backup_that_lacks_it_is_not_written() {
    let Some((stage, one, _other)) = two().await else { return };
    let read = async || customers::with_counters(pool(&one), &location(), &face(3)).await.unwrap().unwrap();
    let (early, moved) = (read().await, seq(&one).await);
    backup::write(&one, &stage.data.path().join("backup")).await.unwrap();
    assert!(!write(&one, early).await);
    assert_eq!(seq(&one).await, moved);
    assert!(write(&one, read().await).await);
    assert_true_to_its_rows(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_and_new_epochs_go_on_beside_edits() {
    let Some((stage, one, other)) = two().await else { return };
    let edits = tokio::spawn(async move {
        for n in 0..200_u32 {
            edit(&other, n % 20, &format!("Name {n}")).await.unwrap().unwrap();
        }
    });
    for n in 0..5 {
        let file = stage.data.path().join(format!("backup{n}"));
        backup::write(&one, &file).await.unwrap();
        epochs::begin(&one, &location(), Why::Asked, &actor()).await.unwrap();
    }
    edits.await.unwrap();
    assert_eq!(seq(&one).await, Seq(20 + 200 + 5));
    assert_true_to_its_rows(&one).await;
    one.db.close().await;
    backup::restore(&stage.settings(), &stage.data.path().join("backup4")).await.unwrap();
    assert_true_to_its_rows(&*stage.app().await).await;
}
