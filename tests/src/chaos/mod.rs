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
const ROUNDS_OF_A_STAGE: usize = 11;

/// Plays `rounds` rounds on one database: a seed for each stage, one after the other from `seed` on. The broker is
/// inside the website with every other seed; with enough of them every kind of trouble comes in turn.
///
/// # Panics
/// When something is not as it must be, after printing what replays it.
pub fn play(seed: u64, rounds: usize, database: Database) -> Figures {
    let mut figures = Figures::default();
    let (mut seed, mut left) = (seed, rounds);
    while left > 0 {
        let replay = Replay { seed, rounds: left.min(ROUNDS_OF_A_STAGE), database };
        let mut random = Random::of(seed);
        let arrangement = if seed.is_multiple_of(2) { Arrangement::Inside } else { Arrangement::Apart };
        let mut stage = Stage::set(database, arrangement, &mut random);
        for round in 0..replay.rounds {
            let trouble = Trouble::nth(arrangement, seed / 2 * ROUNDS_OF_A_STAGE as u64 + round as u64);
            figures.add(stage.round(round, trouble, &mut random));
        }
        figures.kills += stage.kills();
        (seed, left) = (seed + 1, left - replay.rounds);
        std::mem::forget(replay);
    }
    figures
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
