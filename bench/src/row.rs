//! One figure: what was measured of each broker, and what it must reach.

use crate::arena::Name;
use serde::Serialize;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What the figure is.
    pub figure: String,
    /// Of what.
    pub unit: &'static str,
    /// Every measurement of our broker.
    pub ours: Vec<f64>,
    /// Every measurement of Mosquitto; none when it is missing.
    pub beside: Vec<f64>,
    /// What ours must reach.
    pub want: Want,
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// At least so many times Mosquitto's.
    TimesAtLeast(f64),
    /// At most so many times Mosquitto's.
    TimesAtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Nothing: it is only stated.
    Stated,
}

/// Whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Reached,
    /// It does not.
    Missed,
    /// There is nothing to reach, or nothing to compare with.
    None,
}

impl Row {
    /// A figure of which nothing has been measured yet.
    pub fn new(figure: impl Into<String>, unit: &'static str, want: Want) -> Row {
        Row { figure: figure.into(), unit, ours: Vec::new(), beside: Vec::new(), want }
    }

    /// One more measurement.
    pub fn add(&mut self, name: Name, value: f64) {
        match name {
            Name::Ours => self.ours.push(value),
            Name::Mosquitto => self.beside.push(value),
        }
    }

    /// Ours in relation to Mosquitto's, by the medians.
    pub fn times(&self) -> Option<f64> {
        Some(median(&self.ours)? / median(&self.beside)?)
    }

    /// Whether ours reaches what it must.
    pub fn verdict(&self) -> Verdict {
        let (value, times) = (median(&self.ours), self.times());
        let reached = match self.want {
            Want::TimesAtLeast(least) => times.map(|times| times >= least),
            Want::TimesAtMost(most) => times.map(|times| times <= most),
            Want::AtLeast(least) => value.map(|value| value >= least),
            Want::AtMost(most) => value.map(|value| value <= most),
            Want::Stated => None,
        };
        reached.map_or(Verdict::None, |reached| if reached { Verdict::Reached } else { Verdict::Missed })
    }
}

/// The value in the middle; of an even number the higher of the two.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

/// The value below which this part of the others lies; `part` from 0 to 1.
pub fn percentile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at).or(sorted.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_judged_by_their_medians() {
        for (want, expected) in [
            (Want::TimesAtLeast(1.5), Verdict::Reached),
            (Want::TimesAtLeast(1.51), Verdict::Missed),
            (Want::TimesAtMost(1.4), Verdict::Missed),
            (Want::AtLeast(30.0), Verdict::Reached),
            (Want::AtMost(29.0), Verdict::Missed),
            (Want::Stated, Verdict::None),
        ] {
            let mut row = Row::new("x", "y", want);
            for (ours, beside) in [(1000.0, 20.0), (30.0, 1.0), (10.0, 21.0)] {
                row.add(Name::Ours, ours);
                row.add(Name::Mosquitto, beside);
            }
            assert_eq!(row.verdict(), expected, "{want:?}");
            row.beside.clear();
            let alone = if matches!(want, Want::TimesAtLeast(_) | Want::TimesAtMost(_)) {
                Verdict::None
            } else {
                expected
            };
            assert_eq!(row.verdict(), alone, "{want:?} alone");
        }
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 1.0), Some(3.0));
    }
}
