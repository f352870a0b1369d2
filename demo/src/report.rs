//! What the scripted run has measured and found.

use crate::pace::Pace;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// The outcome of a scripted run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The visitors are simulated: vectors drawn round made-up centres, no picture of anybody.
    pub simulated: bool,
    /// How many visitors were enrolled.
    pub enrolled: usize,
    /// From the first visitor until every edge had verified all of them.
    pub enrolment_s: f64,
    /// For each edge that was online: from asking the website to remove somebody (its commit is within that time)
    /// until the edge's live gallery had lost the face.
    pub removal_to_forgotten: BTreeMap<String, Pace>,
    /// The same until the edge's rows were verified against the website's signed head.
    pub removal_to_verified: BTreeMap<String, Pace>,
    /// From starting the edge that was away until it had verified everything it had missed.
    pub catch_up_ms: f64,
    /// Whether every edge's digest is the website's.
    pub digests_equal: bool,
    /// What is not as it must be, in words.
    pub differences: Vec<String>,
    /// Whether everything is.
    pub right: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the visitors are simulated: vectors drawn round made-up centres, no picture of anybody"
        )?;
        writeln!(f, "{} enrolled and verified on every edge in {:.1} s", self.enrolled, self.enrolment_s)?;
        for (edge, pace) in &self.removal_to_forgotten {
            writeln!(f, "removal to forgotten, {edge}: {pace}")?;
        }
        for (edge, pace) in &self.removal_to_verified {
            writeln!(f, "removal to verified, {edge}: {pace}")?;
        }
        writeln!(f, "the edge that was away caught up in {:.0} ms", self.catch_up_ms)?;
        writeln!(f, "digests {}", if self.digests_equal { "equal" } else { "DIFFER" })?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "WRONG: {difference}"))
    }
}
