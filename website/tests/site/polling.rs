//! Boxes that poll miss nothing, whatever clocks, crowds and lost answers do.

use crate::{
    poller::{Poller, live, removed, stamp, time, utc_now},
    stage::{Stage, actor, add_location, enrol, face, join, location, sql},
};
use protocol::message::{EnrolPolicy, Flag};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use website::{
    App,
    changes::{self, ChangeError, Edit, Held},
    decide::poll::{End, Told},
    edges,
    polling::{Change, Scope},
    tables::{edges as edge_rows, erasures, merges, polling_answers},
};

crate::on_both!(
    ten_thousand_changes_of_one_moment_come_in_pages,
    whatever_writers_do_a_box_ends_with_what_there_is,
    a_box_with_times_of_its_own_ends_with_what_there_is,
    a_time_of_its_own_that_an_answer_bears_by_chance_names_no_answer,
    clocks_decide_nothing,
    a_box_that_was_away_for_long_learns_every_removal,
    a_box_is_told_apart_what_it_asks_apart,
    where_it_stands_is_said_in_honest_words,
);

/// A location with nobody, and a box there.
async fn opened(stage: &Stage) -> (Arc<App>, Poller) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let poller = Poller::new(&app, "till").await;
    (app, poller)
}

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

/// The same numbers again and again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

const PEOPLE: u64 = 60;

/// Enrols, renames, flags, merges and removes, as it comes.
async fn write(app: &App, seed: u64, times: u32) {
    let mut random = Random(seed);
    for n in 0..times {
        let (one, other) = (face(random.below(PEOPLE) as u32), face(random.below(PEOPLE) as u32));
        let edit = |name: Option<String>, flag| Edit { name: name.map(|name| name.parse().unwrap()), flag };
        let done = match random.below(10) {
            0..4 => {
                // A face that is new for certain.
                let id = 1_000 + seed as u32 * 10_000 + n;
                enrol(app, &location(), id..id + 1).await;
                let by_name = edit(Some(format!("new {id}")), None);
                changes::edit(app, &location(), &face(id), by_name, &actor()).await.map(drop)
            }
            4 | 5 => {
                let edit = edit(Some(format!("{seed} {n}")), None);
                changes::edit(app, &location(), &one, edit, &actor()).await.map(drop)
            }
            6 | 7 => {
                let flag = [Flag::None, Flag::Green, Flag::Red][random.below(3) as usize];
                changes::edit(app, &location(), &one, edit(None, Some(flag)), &actor()).await.map(drop)
            }
            8 => changes::merge(app, &location(), &one, &other, &actor()).await.map(drop),
            _ => changes::remove(app, &location(), &one, &actor()).await.map(drop),
        };
        match done {
            Ok(()) | Err(ChangeError::Removed(_) | ChangeError::Merged { .. } | ChangeError::Same) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Nobody is held of whom the box has taken in that it is gone.
async fn assert_nobody_gone(app: &App, poller: &Poller, stamp: i64) {
    let mut tx = app.db.read().await.unwrap();
    let reach = polling_answers::at(&mut tx, &poller.is.edge, stamp, u64::MAX >> 1).await.unwrap().unwrap();
    let mut gone = erasures::after(&mut tx, &location(), protocol::Seq(0), 10_000).await.unwrap();
    gone.extend(merges::after(&mut tx, &location(), protocol::Seq(0), 10_000).await.unwrap());
    for (seq, face_id) in gone.iter().filter(|(seq, _)| *seq <= reach.removed) {
        assert!(!poller.held.contains_key(face_id), "{face_id}, gone at {seq}, with all to {reach:?}");
    }
}

/// Writers at work, and whether they still are.
async fn writers(app: &Arc<App>, poller: &mut Poller) -> Arc<AtomicBool> {
    enrol(app, &location(), 0..PEOPLE as u32).await;
    poller.poll(app, 1_000).await;
    let working = Arc::new(AtomicBool::new(true));
    let tasks: Vec<_> = (1..=4)
        .map(|seed| {
            let app = Arc::clone(app);
            tokio::spawn(async move { write(&app, seed, 60).await })
        })
        .collect();
    let done = Arc::clone(&working);
    tokio::spawn(async move {
        for task in tasks {
            task.await.unwrap();
        }
        done.store(false, Ordering::SeqCst);
    });
    working
}

async fn whatever_writers_do_a_box_ends_with_what_there_is(stage: Stage) {
    let (app, mut poller) = opened(&stage).await;
    let (working, mut random) = (writers(&app, &mut poller).await, Random(77));
    let mut olden = poller.since.clone();
    loop {
        let last = !working.load(Ordering::SeqCst);
        let limit = 1 + random.below(7) as u32;
        match random.below(10) {
            // The answer is lost.
            0 | 1 => drop(poller.ask(&app, Told::Changes, limit).await),
            2 => {
                poller.poll_removals(&app, limit).await;
            }
            // A box that has restarted asks from further back; what it has taken in since it has all the same.
            3 if !last => poller.since.clone_from(&olden),
            _ => {
                let answer = poller.poll(&app, limit).await;
                assert_nobody_gone(&app, &poller, answer.stamp).await;
                if random.below(5) == 0 {
                    olden = stamp(&answer);
                }
                if last && answer.end == End::Whole {
                    break;
                }
            }
        }
    }
    let there_is = live(&app).await;
    assert!(there_is.len() > 20 && poller.held == there_is);
    // One that starts now gets the same, a page at a time.
    let mut fresh = Poller::new(&app, "fresh").await;
    while fresh.poll(&app, 5).await.end == End::Cut {}
    assert!(fresh.held == there_is);
    app.db.close().await;
}

async fn a_box_with_times_of_its_own_ends_with_what_there_is(stage: Stage) {
    let (app, _) = opened(&stage).await;
    for (n, form) in ["%Y-%m-%dT%H:%M:%S%.6f", "%Y-%m-%dT%H:%M:%SZ"].into_iter().enumerate() {
        let mut poller = Poller::new(&app, &format!("clock {n}")).await;
        let mut random = Random(78 + n as u64);
        let (mut round, mut quiet) = (0, 0);
        enrol(&app, &location(), (90_000 + 1_000 * n as u32)..(90_040 + 1_000 * n as u32)).await;
        while quiet < 3 {
            if round % 10 == 0 && round < 300 {
                let first = 50_000 + 10_000 * n as u32 + round;
                enrol(&app, &location(), first..first + 9).await;
                changes::remove(&app, &location(), &face(first + 3), &actor()).await.unwrap();
                let edit = Edit { name: None, flag: Some(Flag::Red) };
                changes::edit(&app, &location(), &face(first), edit, &actor()).await.unwrap();
            }
            round += 1;
            assert!(round < 500, "it comes to an end of its pages");
            // Its clock is slow by up to an hour, and for a while wrong by as much more, each way.
            let wrong = if round % 50 < 10 { random.below(120) as i64 - 60 } else { 0 };
            let wrong = chrono::TimeDelta::seconds(60 * wrong + 7 * i64::from(round) - 3_600);
            let now = (utc_now() + wrong).format(form).to_string();
            let limit = 20 + random.below(20) as u32;
            let answer = poller.ask(&app, Told::Changes, limit).await;
            if random.below(4) > 0 {
                poller.take(&answer.changes);
                poller.since = now;
                quiet += u32::from(round > 300 && answer.end == End::Whole);
            }
        }
        assert!(poller.held == live(&app).await, "{form}");
    }
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
