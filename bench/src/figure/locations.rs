//! Ten thousand locations on one broker: what they take, and what the others cost a subscriber of one.

use super::retained::{fetch, publish_to};
use crate::arena::{Arena, Contestant, Name};
use crate::mqtt::Retain;
use crate::row::{Row, Want, median};
use anyhow::{Context as _, Result};
use std::time::Instant;

const LOCATIONS: usize = 10_000;
const CUSTOMERS: usize = 100;
/// Customers of each location whose messages are passed on and not kept.
const PASSING: usize = 20;
/// Subscribers of one measurement, each of another location where there are several.
const SUBSCRIBERS: usize = 200;
const MB: f64 = (1 << 20) as f64;

/// Memory, the time to fill it, and what a subscriber of one location waits for its customers and head.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut logs =
        Row::new("10,000 locations, 210,000 messages passed on: memory", "MB", Want::AtMost(1024.0));
    let mut memory = Row::new("10,000 locations, 1,010,000 retained of 600 B: memory", "MB", Want::Stated);
    let mut filling = Row::new("  the time to publish them", "s", Want::Stated);
    let mut alone = Row::new("  101 retained in all: a subscriber has them in", "ms", Want::Stated);
    let mut among = Row::new("  101 of 1,010,000 retained: a subscriber has them in", "ms", Want::Stated);
    // Messages that nobody has touched of late come from memory instead of the processor's caches, and that is all.
    let mut extra = Row::new("  what the 1,009,899 of others cost it", "ms", Want::AtMost(0.25));
    for name in arena.names() {
        logs.add(name, passing(arena, name).await?);
        let (full, small) = (arena.start_one(name).await?, arena.start_one(name).await?);
        let (before, began) = (full.memory()?, Instant::now());
        publish_to(&full.plain, Retain::Yes, (0..LOCATIONS).flat_map(|location| topics(location, CUSTOMERS)))
            .await?;
        filling.add(name, began.elapsed().as_secs_f64());
        memory.add(name, (full.memory()? - before) as f64 / MB);
        publish_to(&small.plain, Retain::Yes, topics(0, CUSTOMERS)).await?;
        for sample in 0..arena.samples {
            let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
            // In turn, so that what else the machine does is the same for both.
            for number in 0..SUBSCRIBERS {
                let location = (sample * SUBSCRIBERS + number) * 37 % LOCATIONS;
                of_few.push(fetched(&small, 0).await?);
                of_many.push(fetched(&full, location).await?);
            }
            let (of_few, of_many) = median(&of_few).zip(median(&of_many)).context("no subscribers")?;
            alone.add(name, of_few);
            among.add(name, of_many);
            extra.add(name, of_many - of_few);
        }
    }
    Ok(vec![logs, memory, filling, alone, among, extra])
}

fn name(location: usize) -> String {
    format!("L{location}")
}

/// Memory that stays when messages of every location have gone through and none was kept: with our broker, the
/// router's logs.
async fn passing(arena: &Arena, name: Name) -> Result<f64> {
    let contestant = arena.start_one(name).await?;
    let before = contestant.memory()?;
    let topics = (0..LOCATIONS).flat_map(|location| topics(location, PASSING));
    publish_to(&contestant.plain, Retain::No, topics).await?;
    Ok(contestant.memory()?.saturating_sub(before) as f64 / MB)
}

/// So many of a location's customers, and its head.
fn topics(location: usize, customers: usize) -> impl Iterator<Item = String> {
    let name = name(location);
    let collection = format!("store/{name}/customers");
    let head = collection.clone();
    (0..customers).map(move |customer| format!("{collection}/f{customer}")).chain([head])
}

/// What a subscriber of a location waits, in milliseconds.
async fn fetched(contestant: &Contestant, location: usize) -> Result<f64> {
    Ok(fetch(&contestant.plain, &name(location), CUSTOMERS as u64 + 1).await? * 1e3)
}
