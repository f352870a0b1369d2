//! A run without a person: 200 visitors, an edge that is away while things change, and what came of it.

use crate::{
    pace::Pace,
    people::{Dice, Person},
    report::Report,
    stage::{Post, Stage},
};
use anyhow::{Context, Result, bail, ensure};
use edge::{Answer, FaceVector, Grade, Notice, Verdict};
use protocol::{FaceId, LocationId, Seq, UnixMs, message::Flag};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};
use website::{
    App,
    changes::{self, Actor, Edit},
    decide::totals::Totals,
    locations,
};

/// How many visitors come.
const VISITORS: usize = 200;

/// How many of them are removed while every edge is online.
const REMOVED_ONLINE: usize = 10;

/// Somebody who was enrolled.
struct Regular {
    person: Person,
    face_id: FaceId,
}

/// Plays the script on `stage` and takes the stage down.
pub async fn play(mut stage: Stage, seed: u64) -> Result<Report> {
    let mut dice = Dice::new(seed);
    let location = stage.stores[0].location.clone();
    let begin = Instant::now();
    let mut regulars = enrol(&stage.stores[0].posts, &mut dice).await?;
    let elsewhere = enrol(&stage.stores[1].posts, &mut dice).await?;
    let enrolled = regulars.len() + elsewhere.len();
    for store in &stage.stores {
        all_verified(&stage.website.app, &store.location, &store.posts).await?;
    }
    let enrolment_s = (begin.elapsed().as_secs_f64() * 1e3).round() / 1e3;

    let mut differences = Vec::new();
    let mut forgotten: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    let mut verified = forgotten.clone();
    for gone in regulars.drain(..REMOVED_ONLINE) {
        let asked = Instant::now();
        let seq =
            changes::remove(&stage.website.app, &location, &gone.face_id, &Actor::command_line()).await?.seq;
        for post in &stage.stores[0].posts {
            let log = post.log()?;
            let lost = |notice: &Notice| matches!(notice, Notice::Forgotten { seq: of, .. } if *of == seq);
            let lost = log.when("a removal in the live gallery", lost).await?;
            forgotten.entry(post.name.clone()).or_default().push(lost - asked);
            let proven = |notice: &Notice| matches!(notice, Notice::Verified { seq: at, .. } if *at >= seq);
            let proven = log.when("a verified removal", proven).await?;
            verified.entry(post.name.clone()).or_default().push(proven - asked);
            differences.extend(recognised(post, &gone, &mut dice)?);
        }
    }

    let catch_up_ms = away(&mut stage, &location, &regulars[..3], &mut dice, &mut differences).await?;
    let mut digests_equal = true;
    for store in &stage.stores {
        let digest = newest(&stage.website.app, &store.location).await?.digest.to_string();
        for post in store.posts.iter().filter(|post| post.edge().is_ok_and(|e| e.status().digest != digest)) {
            digests_equal = false;
            differences
                .push(format!("{} of {} holds other rows than the website", post.name, store.location));
        }
    }
    stage.clear().await?;
    let paces =
        |times: BTreeMap<String, Vec<Duration>>| times.into_iter().map(|(k, v)| (k, Pace::of(v))).collect();
    let right = digests_equal && differences.is_empty() && enrolled == VISITORS;
    Ok(Report {
        simulated: true,
        enrolled,
        enrolment_s,
        removal_to_forgotten: paces(forgotten),
        removal_to_verified: paces(verified),
        catch_up_ms,
        digests_equal,
        differences,
        right,
    })
}

/// Half of the visitors come to one store, each to one of its edges.
async fn enrol(posts: &[Post], dice: &mut Dice) -> Result<Vec<Regular>> {
    let mut regulars = Vec::new();
    for post in posts {
        let first = |notice: &Notice| matches!(notice, Notice::Verified { .. });
        post.log()?.when("the first verified head", first).await?;
    }
    for n in 0..VISITORS / 2 {
        let person = Person::new(dice);
        let vector = FaceVector::from_output(&person.seen(dice));
        let edge = posts[n % posts.len()].edge()?;
        edge.see(vector.context("a simulated face has no direction")?, Grade::Enrol, now()).await?;
        // From now on the edge knows them, by the id it has just minted.
        match edge.decide(&person.seen(dice))? {
            Answer::Decided(Verdict { who: Some(who), .. }) => {
                regulars.push(Regular { person, face_id: who.face_id });
            }
            answer => bail!("visitor {n} was not enrolled: {answer:?}"),
        }
    }
    Ok(regulars)
}

async fn newest(app: &App, location: &LocationId) -> Result<Totals> {
    let location = locations::get(app, location).await?;
    location.map(|location| location.totals).context("a store of the demo is gone")
}

/// Waits until every edge of a store has verified the website's newest seq.
async fn all_verified(app: &App, location: &LocationId, posts: &[Post]) -> Result<Seq> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let newest = newest(app, location).await?;
        let behind = posts.iter().filter(|post| {
            let status = post.edge().map(|edge| edge.status());
            !status.is_ok_and(|s| {
                s.verified == newest.seq.0 && s.visits_waiting == 0 && s.customers == newest.count
            })
        });
        if behind.count() == 0 {
            return Ok(newest.seq);
        }
        ensure!(
            Instant::now() < end,
            "the edges of {location} did not come to seq {} within a minute",
            newest.seq
        );
        // No notice tells that nothing is waiting any more: the edges are asked.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Takes the last edge of the first store away, renames, flags and removes meanwhile, and brings it back. Gives
/// how long it took to catch up, in milliseconds.
async fn away(
    stage: &mut Stage,
    location: &LocationId,
    three: &[Regular],
    dice: &mut Dice,
    differences: &mut Vec<String>,
) -> Result<f64> {
    let [renamed, flagged, removed] = three else { bail!("three regulars are needed") };
    let by = Actor::command_line();
    let last = stage.stores[0].posts.len() - 1;
    stage.stores[0].posts[last].stop().await?;
    let app = &stage.website.app;
    let name = Edit { name: Some("Renamed meanwhile".parse()?), flag: None };
    changes::edit(app, location, &renamed.face_id, name, &by).await?;
    let flag = Edit { name: None, flag: Some(Flag::Red) };
    changes::edit(app, location, &flagged.face_id, flag, &by).await?;
    let seq = changes::remove(app, location, &removed.face_id, &by).await?.seq;

    let begin = Instant::now();
    let post = &mut stage.stores[0].posts[last];
    post.start().await?;
    let proven = |notice: &Notice| matches!(notice, Notice::Verified { seq: at, .. } if *at >= seq);
    let proven = post.log()?.when("catching up", proven).await?;
    all_verified(app, location, &stage.stores[0].posts).await?;
    for post in &stage.stores[0].posts {
        differences.extend(recognised(post, removed, dice)?);
        for (regular, name, flag) in [(renamed, "Renamed meanwhile", Flag::None), (flagged, "", Flag::Red)] {
            match post.edge()?.decide(&regular.person.seen(dice))? {
                Answer::Decided(Verdict { who: Some(who), .. })
                    if who.face_id == regular.face_id && who.name.as_str() == name && who.flag == flag => {}
                _ => differences.push(format!("{} has not heard of a rename or a flag", post.name)),
            }
        }
    }
    Ok(((proven - begin).as_secs_f64() * 1e3).round())
}

/// Says so when `post` still recognises somebody who was removed.
fn recognised(post: &Post, gone: &Regular, dice: &mut Dice) -> Result<Option<String>> {
    let answer = post.edge()?.decide(&gone.person.seen(dice))?;
    let still =
        matches!(answer, Answer::Decided(Verdict { who: Some(who), .. }) if who.face_id == gone.face_id);
    Ok(still.then(|| format!("{} still recognises a removed customer", post.name)))
}

fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
