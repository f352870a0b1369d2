//! Whole programs under faults: website, broker and edges, killed, cut and restarted while customers come in and are
//! renamed, flagged and removed; and after every round, everything compared with everything.
//!
//! A seed decides what happens; the moments at which programs get to run are their own.

mod bytes;
mod check;
mod figures;
mod stage;
mod trouble;

pub use figures::Figures;
pub use trouble::Trouble;

use crate::{Database, Random};
use stage::Stage;

/// Rounds on one stage; then another one begins with nothing.
const ROUNDS_OF_A_STAGE: usize = 11;

/// Plays `rounds` rounds from `seed` on one database: every kind of trouble in turn, in an order of the seed's.
///
/// # Panics
/// When something is not as it must be, after printing what replays it.
pub fn play(seed: u64, rounds: usize, database: Database) -> Figures {
    let mut figures = Figures::default();
    let (mut seed, mut left) = (seed, rounds);
    let mut due: Vec<Trouble> = Vec::new();
    while left > 0 {
        let replay = Replay { seed, rounds: left.min(ROUNDS_OF_A_STAGE), database };
        let mut random = Random::of(seed);
        let mut stage = Stage::set(database, &mut random);
        for round in 0..replay.rounds {
            if due.is_empty() {
                due = Trouble::all();
            }
            let trouble = due.swap_remove(random.below(due.len()));
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
