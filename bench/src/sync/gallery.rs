//! One face compared with every other, as at each sighting and for the probe of each removal.

use super::people::{self, DIMENSION};
use crate::arena::Name;
use crate::row::{Row, Want, percentile};
use anyhow::{Result, ensure};
use gallery::Gallery;
use std::{hint::black_box, time::Instant};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const QUERIES: usize = 50;
/// A query may take so many times as long as reading all the vectors once with nothing else to do.
const TIMES: f64 = 0.6;

/// How long a query takes in one thread, of somebody who is there and of a stranger, and how many that is a second; beside it,
/// a plain sum of as much memory as the vectors take.
pub fn measure(samples: usize) -> Result<Vec<Row>> {
    let at_least = people::space()?.thresholds.new;
    let mut rows = Vec::new();
    for size in SIZES {
        let want = if size == SIZES[2] { Want::TimesAtMost(TIMES) } else { Want::Stated };
        let mut known = Row::new(format!("the nearest of {size} faces, p50"), "ms", want);
        let mut stranger = Row::new(format!("a stranger to {size} faces, p50"), "ms", want);
        let mut rate = Row::new("  of these, in one thread", "1/s", Want::Stated);
        let mut gallery = Gallery::new(DIMENSION);
        for n in 0..size {
            gallery.upsert(n, &people::customer(n)?.embedding)?;
        }
        let as_much = vec![1_u64; size * DIMENSION * 2 / size_of::<u64>()];
        for _ in 0..samples {
            let mut times: [Vec<f64>; 3] = Default::default();
            for n in 0..QUERIES {
                let wanted = n * (size / QUERIES);
                let asked = [(wanted, Some(wanted)), (size + n, None)];
                for (times, (who, expected)) in times.iter_mut().zip(asked) {
                    let query = people::vector(who);
                    let began = Instant::now();
                    let found = gallery.nearest(&query, at_least)?;
                    times.push(began.elapsed().as_secs_f64() * 1e3);
                    ensure!(
                        found.map(|found| found.key) == expected,
                        "face {who} of {size} was taken for another"
                    );
                }
                let began = Instant::now();
                let sum: u64 = black_box(&as_much).iter().sum();
                times[2].push(began.elapsed().as_secs_f64() * 1e3);
                ensure!(black_box(sum) == as_much.len() as u64, "the sum is wrong");
            }
            let [of_known, of_stranger, of_read] =
                times.map(|times| percentile(&times, 0.5).unwrap_or_default());
            for (row, half) in [(&mut known, of_known), (&mut stranger, of_stranger)] {
                row.add(Name::Ours, half);
                row.beside.push(of_read);
            }
            rate.add(Name::Ours, 1e3 / of_stranger);
        }
        rows.extend([known, stranger, rate]);
    }
    Ok(rows)
}
