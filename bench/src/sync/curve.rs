//! One change at a time, at locations of 100 to 100,000 customers.

use super::{edge_box::EdgeBox, stage::Stage};
use crate::arena::Name;
use crate::row::{Row, Want, percentile};
use anyhow::{Context as _, Result};
use protocol::{LocationId, message::Flag};
use std::time::Instant;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// Changes of a measurement at each location.
const CHANGES: usize = 40;
/// Removals of a measurement at each location.
const REMOVALS: usize = 10;
/// What "the same" means where every measurement waits for a disk that is shared.
const SAME: f64 = 1.5;

struct Place {
    location: LocationId,
    edge: EdgeBox,
    changes: usize,
    /// The number of the next customer to be removed.
    last: usize,
}

/// From the beginning of the transaction until the edge, a process of its own, has found a head with the change
/// right; the locations in turn, change by change. Beside each figure stands that of 100 customers.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let stage = Stage::set().await?;
    let mut places = Vec::new();
    for size in SIZES {
        places.push(Place::open(&stage, size, (samples + 1) * REMOVALS).await?);
    }
    let want = |size| if size == SIZES[0] { Want::Stated } else { Want::TimesAtMost(SAME) };
    let of = |what: &str| {
        SIZES
            .map(|size| Row::new(format!("{what} with {size} customers, to verified: p50"), "ms", want(size)))
    };
    let (mut flags, mut removals) = (of("a flag"), of("a removal"));
    for sample in 0..=samples {
        let mut times = [SIZES.map(|_| Vec::new()), SIZES.map(|_| Vec::new())];
        for n in 0..CHANGES {
            for (at, place) in places.iter_mut().enumerate() {
                times[0][at].push(place.flag(&stage).await?);
                if n < REMOVALS {
                    times[1][at].push(place.remove(&stage).await?);
                }
            }
        }
        // The first is there to warm up.
        for (rows, times) in [&mut flags, &mut removals].into_iter().zip(&times).filter(|_| sample > 0) {
            let halves: Vec<f64> = times.iter().filter_map(|times| percentile(times, 0.5)).collect();
            let least = *halves.first().context("no time was taken")?;
            for (row, half) in rows.iter_mut().zip(&halves) {
                row.add(Name::Ours, *half);
                row.beside.push(least);
            }
        }
    }
    (flags[0].beside, removals[0].beside) = (Vec::new(), Vec::new());
    for place in places {
        place.edge.stop().await?;
    }
    stage.website.stop().await;
    Ok(flags.into_iter().chain(removals).collect())
}

impl Place {
    async fn open(stage: &Stage, size: usize, more: usize) -> Result<Place> {
        let location = stage.location(&format!("with-{size}")).await?;
        let state = stage.join(&location, "door").await?;
        let last = size + more;
        let seq = stage.enrol(&location, 0..last).await?;
        stage.published(&location).await?;
        let mut edge = EdgeBox::start(&state)?;
        edge.verified(seq).await?;
        Ok(Place { location, edge, changes: 0, last })
    }

    async fn flag(&mut self, stage: &Stage) -> Result<f64> {
        // Every customer's flag in turn, then the other flag.
        let flag = if (self.changes / SIZES[0]).is_multiple_of(2) { Flag::Green } else { Flag::Amber };
        let began = Instant::now();
        let seq = stage.flag(&self.location, self.changes % SIZES[0], flag).await?;
        self.changes += 1;
        Ok(self.edge.verified(seq).await?.saturating_duration_since(began).as_secs_f64() * 1e3)
    }

    async fn remove(&mut self, stage: &Stage) -> Result<f64> {
        self.last -= 1;
        let began = Instant::now();
        let seq = stage.remove(&self.location, self.last).await?;
        Ok(self.edge.verified(seq).await?.saturating_duration_since(began).as_secs_f64() * 1e3)
    }
}
