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
const WARM_UP: usize = 10;
/// What "the same" means where every measurement waits for a disk that is shared.
const SAME: f64 = 1.5;

struct Place {
    location: LocationId,
    edge: EdgeBox,
    changes: usize,
}

/// From the commit until the edge, a process of its own, has found a head with the change right; the locations in
/// turn, change by change. Beside each figure stands that of 100 customers.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let stage = Stage::set().await?;
    let mut places = Vec::new();
    for size in SIZES {
        let location = stage.location(&format!("with-{size}")).await?;
        let state = stage.join(&location, "door").await?;
        let seq = stage.enrol(&location, 0..size).await?;
        stage.published(&location).await?;
        let mut edge = EdgeBox::start(&state)?;
        edge.verified(seq).await?;
        places.push(Place { location, edge, changes: 0 });
    }
    let want = |size| if size == SIZES[0] { Want::Stated } else { Want::TimesAtMost(SAME) };
    let mut rows = SIZES
        .map(|size| Row::new(format!("a change with {size} customers, to verified: p50"), "ms", want(size)));
    for sample in 0..=samples {
        let mut times = SIZES.map(|_| Vec::new());
        for _ in 0..if sample == 0 { WARM_UP } else { CHANGES } {
            for (place, times) in places.iter_mut().zip(&mut times) {
                times.push(place.change(&stage).await?);
            }
        }
        if sample > 0 {
            let halves: Vec<f64> = times.iter().filter_map(|times| percentile(times, 0.5)).collect();
            let least = *halves.first().context("no time was taken")?;
            for (row, half) in rows.iter_mut().zip(&halves) {
                row.add(Name::Ours, *half);
                row.beside.push(least);
            }
        }
    }
    rows[0].beside.clear();
    for place in places {
        place.edge.stop().await?;
    }
    stage.website.stop().await;
    Ok(rows.into())
}

impl Place {
    async fn change(&mut self, stage: &Stage) -> Result<f64> {
        // Every customer's flag in turn, then the other flag.
        let flag = if (self.changes / SIZES[0]).is_multiple_of(2) { Flag::Green } else { Flag::Amber };
        let seq = stage.flag(&self.location, self.changes % SIZES[0], flag).await?;
        self.changes += 1;
        let began = Instant::now();
        Ok(self.edge.verified(seq).await?.saturating_duration_since(began).as_secs_f64() * 1e3)
    }
}
