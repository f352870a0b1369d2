//! Boxes that poll while many write and answers are lost: at the end they hold what there is.

use crate::{
    poller::{Poller, live, opened, stamp, utc_now},
    stage::{Stage, actor, enrol, face, location},
};
use protocol::message::Flag;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use website::{
    App,
    changes::{self, ChangeError, Edit},
    decide::poll::{End, Told},
    tables::{erasures, merges, polling_answers},
};

crate::on_both!(
    whatever_writers_do_a_box_ends_with_what_there_is,
    a_box_with_times_of_its_own_ends_with_what_there_is,
);

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
