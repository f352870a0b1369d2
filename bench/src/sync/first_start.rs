//! A new edge, and 100,000 customers that the broker has for it.

use super::{edge_box::EdgeBox, people::DIMENSION, stage::Stage};
use crate::arena::Name;
use crate::row::{Row, Want};
use anyhow::Result;
use protocol::message::Flag;
use std::time::Instant;

const CUSTOMERS: usize = 100_000;

/// From the start of the process until a head was found right with all of them; and its memory then, and after a
/// start with all of them on disk.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let vectors = (CUSTOMERS * DIMENSION * 2) as f64;
    let mut filled = Row::new("100,000 customers, first start to verified", "s", Want::AtMost(10.0));
    let mut memory = Row::new("its memory then, of the vectors' own bytes", "times", Want::AtMost(2.5));
    let mut peak = Row::new("the most it was until then", "times", Want::Stated);
    let mut again = Row::new("started again with them on disk, to verified", "s", Want::Stated);
    let mut memory_again = Row::new("its memory then", "times", Want::AtMost(2.5));
    let mut peak_again = Row::new("the most it was until then, started again", "times", Want::Stated);
    let stage = Stage::set().await?;
    let location = stage.location("first").await?;
    // Joined first, because it tells the model.
    stage.join(&location, "unused").await?;
    let mut at = 0;
    let mut seq = stage.enrol(&location, 0..CUSTOMERS).await?;
    stage.published(&location).await?;
    for sample in 0..samples {
        let state = stage.join(&location, &format!("door-{sample}")).await?;
        for (took, held, most) in
            [(&mut filled, &mut memory, &mut peak), (&mut again, &mut memory_again, &mut peak_again)]
        {
            let began = Instant::now();
            let mut edge = EdgeBox::start(&state)?;
            let verified = edge.verified(seq).await?;
            let now = edge.memory()?;
            took.add(Name::Ours, (verified - began).as_secs_f64());
            held.add(Name::Ours, now.resident as f64 / vectors);
            most.add(Name::Ours, now.peak as f64 / vectors);
            edge.stop().await?;
            // So that the next start has something to verify.
            seq = stage.flag(&location, at, Flag::Green).await?;
            at += 1;
            stage.published(&location).await?;
        }
        std::fs::remove_dir_all(&state)?;
    }
    stage.website.stop().await;
    Ok(vec![filled, memory, peak, again, memory_again, peak_again])
}
