//! Whole programs under faults: website, broker and edges, killed, cut and restarted while customers come in and are
//! renamed, flagged and removed; and after every round, everything compared with everything.
//!
//! A seed decides what happens; the moments at which programs get to run are their own.

mod busy;
mod bytes;
mod check;
mod figures;
mod stage;
mod suffering;
mod trouble;

pub use figures::Figures;
pub use stage::Arrangement;
pub use trouble::Trouble;

use crate::{Database, Random};
use stage::Stage;

/// Rounds on one stage; then another one begins with nothing.
const ROUNDS_OF_A_STAGE: usize = 10;

/// Plays `rounds` rounds on one database: a seed for each stage, one after the other from `seed` on. The broker is
/// inside the website with every other seed; with enough of them every kind of trouble comes in turn, and two seeds
/// that follow one another arm every crash point.
///
/// # Panics
/// When something is not as it must be, after printing what replays it.
pub fn play(seed: u64, rounds: usize, database: Database) -> Figures {
    let mut figures = Figures::default();
    let (mut seed, mut left) = (seed, rounds);
    while left > 0 {
        let replay = Replay { seed, rounds: left.min(ROUNDS_OF_A_STAGE), database };
        let mut random = Random::of(seed);
        let arrangement = arrangement(seed);
        let mut stage = Stage::set(database, arrangement, &mut random);
        for round in 0..replay.rounds {
            figures.add(stage.round(round, trouble(seed, round), &mut random));
        }
        figures.kills += stage.kills();
        (seed, left) = (seed + 1, left - replay.rounds);
        std::mem::forget(replay);
    }
    figures
}

fn arrangement(seed: u64) -> Arrangement {
    if seed.is_multiple_of(2) { Arrangement::Inside } else { Arrangement::Apart }
}

/// What goes wrong in a round of a seed's stage.
fn trouble(seed: u64, round: usize) -> Trouble {
    Trouble::nth(arrangement(seed), seed / 2 * ROUNDS_OF_A_STAGE as u64 + round as u64)
}

/// Says how to play a stage again when it ends in a panic.
struct Replay {
    seed: u64,
    rounds: usize,
    database: Database,
}

impl Drop for Replay {
    fn drop(&mut self) {
        eprintln!("replay: make chaos ROUNDS={} SEED={} ON={:?}", self.rounds, self.seed, self.database);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A round ends only when its points were reached, so that what is armed is reached.
    #[test]
    fn the_two_stages_of_make_test_reach_every_crash_point() {
        let rounds =
            [1, 2].into_iter().flat_map(|seed| (0..ROUNDS_OF_A_STAGE).map(move |n| trouble(seed, n)));
        let armed: BTreeSet<&str> = rounds.flat_map(|trouble| trouble.points()).collect();
        let points = crash_point::EDGE.into_iter().chain(crash_point::WEBSITE);
        assert_eq!(armed, points.collect());
    }

    #[test]
    fn every_kind_comes_in_turn() {
        for first in [0, 1] {
            let all = Trouble::all(arrangement(first));
            let seeds = (0..all.len() as u64).map(|n| first + 2 * n);
            let met: Vec<Trouble> =
                seeds.flat_map(|seed| (0..ROUNDS_OF_A_STAGE).map(move |n| trouble(seed, n))).collect();
            assert!(all.iter().all(|kind| met.contains(kind)), "{met:?} of {all:?}");
        }
    }
}
