//! One face compared with every other, as at each sighting and for the probe of each removal.

use super::people::{self, DIMENSION};
use crate::arena::Name;
use crate::row::{Row, Want, percentile};
use anyhow::{Result, ensure};
use gallery::Gallery;
use std::{hint::black_box, time::Instant};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const QUERIES: usize = 50;
/// A query may take so many times as long as reading the same memory once with nothing else to do.
const TIMES: f64 = 2.0;

/// How long a query takes in one thread, and how many that is a second; beside it, a plain sum of as much memory.
pub fn measure(samples: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for size in SIZES {
        let want = if size == SIZES[2] { Want::TimesAtMost(TIMES) } else { Want::Stated };
        let mut took = Row::new(format!("the nearest of {size} faces, p50"), "ms", want);
        let mut rate = Row::new("  of these, in one thread", "1/s", Want::Stated);
        let mut gallery = Gallery::new(DIMENSION);
        for n in 0..size {
            gallery.upsert(n, &people::customer(n)?.embedding)?;
        }
        let as_much = vec![1_u64; size * DIMENSION * 2 / size_of::<u64>()];
        for _ in 0..samples {
            let (mut ours, mut reads) = (Vec::new(), Vec::new());
            for n in 0..QUERIES {
                let wanted = n * (size / QUERIES);
                let query = people::vector(wanted);
                let began = Instant::now();
                let best = gallery.nearest(&query, 1)?;
                ours.push(began.elapsed().as_secs_f64() * 1e3);
                ensure!(best.first().is_some_and(|best| best.key == wanted), "face {wanted} was not found");
                let began = Instant::now();
                let sum: u64 = black_box(&as_much).iter().sum();
                reads.push(began.elapsed().as_secs_f64() * 1e3);
                ensure!(black_box(sum) == as_much.len() as u64, "the sum is wrong");
            }
            let half = percentile(&ours, 0.5).unwrap_or_default();
            took.add(Name::Ours, half);
            took.beside.extend(percentile(&reads, 0.5));
            rate.add(Name::Ours, 1e3 / half);
        }
        rows.extend([took, rate]);
    }
    Ok(rows)
}
