//! `sim soak SEEDS [FIRST]` runs seeds and tells how fast; `sim trace SEED [RULE]` tells everything that happens in
//! one, with a rule left out if one is named.

use sim::{Log, Rule, Rules, run};
use std::{
    env,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["soak", seeds] => seeds.parse().map(|seeds| soak(0, seeds)).ok(),
        ["soak", seeds, first] => {
            seeds.parse().ok().zip(first.parse().ok()).map(|(seeds, first)| soak(first, seeds))
        }
        ["trace", seed] => seed.parse().ok().map(|seed| trace(seed, Rules::All)),
        ["trace", seed, rule] => {
            let rule = rule.parse::<Rule>().map_err(|refusal| eprintln!("{refusal}")).ok();
            seed.parse().ok().zip(rule).map(|(seed, rule)| trace(seed, Rules::Without(rule)))
        }
        _ => None,
    };
    done.unwrap_or_else(|| {
        eprintln!("usage: sim soak SEEDS [FIRST] | sim trace SEED [RULE]");
        ExitCode::from(2)
    })
}

fn trace(seed: u64, rules: Rules) -> ExitCode {
    if run(seed, rules, Log::Told).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(first: u64, seeds: u64) -> ExitCode {
    let (next, failed, begin) = (AtomicU64::new(first), AtomicU64::new(0), Instant::now());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return;
            }
            if let Some(broken) = run(seed, Rules::All, Log::Silent).first() {
                failed.fetch_add(1, Ordering::Relaxed);
                println!("seed {seed}: {} at {} ms: {}", broken.invariant, broken.at, broken.what);
            }
        }
    };
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let (failed, seconds) = (failed.into_inner(), begin.elapsed().as_secs_f64());
    println!("{seeds} seeds, {failed} failed, {:.0} seeds a second", seeds as f64 / seconds);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
