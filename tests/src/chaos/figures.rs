//! What the rounds have shown, in numbers.

use super::trouble::Trouble;
use std::{collections::BTreeMap, fmt, time::Duration};

/// One round.
pub(super) struct Round {
    pub(super) trouble: Trouble,
    /// From the end of the trouble until everything had converged.
    pub(super) took: Duration,
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Figures {
    /// Programs that were killed or died, and came back.
    pub kills: usize,
    by_trouble: BTreeMap<String, Vec<Duration>>,
    deaths: usize,
}

impl Figures {
    pub(super) fn add(&mut self, round: Round) {
        self.deaths += round.trouble.points().len();
        self.by_trouble.entry(round.trouble.to_string()).or_default().push(round.took);
    }

    /// These and those.
    pub fn and(mut self, other: Figures) -> Figures {
        self.kills += other.kills;
        self.deaths += other.deaths;
        for (trouble, took) in other.by_trouble {
            self.by_trouble.entry(trouble).or_default().extend(took);
        }
        self
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds: usize = self.by_trouble.values().map(Vec::len).sum();
        writeln!(
            f,
            "{rounds} rounds, {} programs killed and come back, {} of them dead at a crash point",
            self.kills, self.deaths
        )?;
        writeln!(f, "{:<48} {:>6} {:>8} {:>8} {:>8}", "time to converge, ms", "rounds", "p50", "p95", "max")?;
        for (trouble, took) in &self.by_trouble {
            line(f, trouble, took.clone())?;
        }
        line(f, "all of them", self.by_trouble.values().flatten().copied().collect())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, mut took: Vec<Duration>) -> fmt::Result {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent).div_ceil(100).max(1) - 1].as_millis();
    writeln!(f, "{name:<48} {:>6} {:>8} {:>8} {:>8}", took.len(), at(50), at(95), at(100))
}
