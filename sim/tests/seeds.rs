//! No seed breaks an invariant, and no load-bearing rule can be left out unnoticed.
#![allow(clippy::unwrap_used)]

use sim::{Log, Rule, Rules, Violation, run};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

const SEEDS: u64 = 2_000;
/// A rule that is left out must be noticed within so many.
const SEEDS_MAX: u64 = 5_000;

/// Runs seeds on every core until one breaks something; the lowest that did, and what.
fn first_broken(seeds: u64, rules: Rules) -> Option<(u64, Violation)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, Violation)>));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || found.lock().unwrap().is_some() {
                return;
            }
            if let Some(broken) = run(seed, rules, Log::Silent).into_iter().next() {
                let mut found = found.lock().unwrap();
                if found.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                    *found = Some((seed, broken));
                }
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}

#[test]
fn two_thousand_seeds_break_nothing() {
    if let Some((seed, broken)) = first_broken(SEEDS, Rules::All) {
        panic!(
            "seed {seed}: {} at {} ms: {}; cargo run --bin sim -- trace {seed}",
            broken.invariant, broken.at, broken.what
        );
    }
}

#[test]
fn every_rule_that_is_left_out_is_noticed() {
    for (rule, name) in Rule::ALL {
        let found = first_broken(SEEDS_MAX, Rules::Without(rule));
        let (seed, broken) =
            found.unwrap_or_else(|| panic!("{SEEDS_MAX} seeds do not notice that {name} is left out"));
        println!("{name}: seed {seed}, {}: {}", broken.invariant, broken.what);
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..40 {
        let rules = Rules::Without(Rule::SeqGuard);
        assert_eq!(run(seed, rules, Log::Silent), run(seed, rules, Log::Silent), "seed {seed}");
    }
}
