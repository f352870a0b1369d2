//! The open demo: visitors come and go until somebody stops it.

use crate::{
    people::{Dice, Person},
    stage::{Eyesight, Stage},
};
use anyhow::{Context, Result};
use edge::{FaceVector, Grade, clock, face::SourceSpec, watching};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many people live round each store.
const NEIGHBOURS: usize = 60;

/// Between two visitors, on the average.
const PAUSE_MS: f32 = 1_500.0;

/// Says where the page is, and lets visitors come until Ctrl-C.
pub async fn live(mut stage: Stage, seed: u64, stop: CancellationToken) -> Result<()> {
    let link = website::web::login::new_link(&stage.website.app.db).await?;
    let page = format!("http://{}", stage.website.http);
    println!("Regulars: a website, its broker, two stores and five edges, all in this process.");
    match &stage.eyesight {
        Eyesight::Simulated => {
            println!(
                "The visitors are simulated: vectors drawn round made-up centres, no picture of anybody."
            );
        }
        Eyesight::Pictures { folder, .. } => {
            println!("The edges look at the pictures in {}.", folder.display())
        }
    }
    println!("\n  log in once by   {page}{link}");
    println!("  the page         {page}");
    println!("  the broker       mqtt://{}\n\nCtrl-C ends it; nothing is kept.", stage.website.mqtt);

    let mut dice = Dice::new(seed);
    let visitors = async {
        match stage.eyesight.clone() {
            Eyesight::Simulated => come_and_go(&stage, &mut dice).await,
            Eyesight::Pictures { folder, eyes } => look(&stage, &folder, &eyes, &stop).await,
        }
    };
    let ended = tokio::select! {
        ended = visitors => ended,
        signal = tokio::signal::ctrl_c() => signal.context("Ctrl-C cannot be waited for"),
    };
    stop.cancel();
    let broken = stage.website.ended().await;
    stage.clear().await?;
    ended.and(broken)
}

/// Somebody of the neighbourhood comes to one of the edges, again and again.
async fn come_and_go(stage: &Stage, dice: &mut Dice) -> Result<()> {
    let neighbours: Vec<Vec<Person>> =
        stage.stores.iter().map(|_| (0..NEIGHBOURS).map(|_| Person::new(dice)).collect()).collect();
    loop {
        let at = dice.below(stage.stores.len());
        let (store, people) = (&stage.stores[at], &neighbours[at]);
        // The square makes some of them regulars and most of them rare.
        let who = (dice.unit() * dice.unit() * people.len() as f32) as usize;
        let vector = people[who].seen(dice);
        let vector = FaceVector::from_output(&vector).context("a simulated face has no direction")?;
        let post = &store.posts[dice.below(store.posts.len())];
        post.edge()?.see(vector, Grade::Enrol, clock::system()).await?;
        tokio::time::sleep(Duration::from_millis((dice.unit() * 2.0 * PAUSE_MS) as u64)).await;
    }
}

/// Every edge looks at the folder once, and then stays in step.
async fn look(
    stage: &Stage,
    folder: &std::path::Path,
    eyes: &edge::face::EyesConfig,
    stop: &CancellationToken,
) -> Result<()> {
    let spec: SourceSpec = format!("images:{}", folder.display()).parse()?;
    for post in stage.stores.iter().flat_map(|store| &store.posts) {
        let verified = |notice: &edge::Notice| matches!(notice, edge::Notice::Verified { .. });
        post.log()?.when("the first verified head", verified).await?;
        let (spec, eyes, eyepiece, stop) = (spec.clone(), eyes.clone(), post.edge()?.eyes(), stop.clone());
        tokio::task::spawn_blocking(move || watching::play(&spec, &eyes, &eyepiece, &stop)).await??;
    }
    std::future::pending().await
}
