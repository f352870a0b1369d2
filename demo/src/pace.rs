//! How long things took.

use serde::Serialize;
use std::{fmt, time::Duration};

/// Times of one kind of thing, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Pace {
    /// How many were measured.
    pub count: usize,
    /// Half took less.
    pub p50_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Pace {
    /// Sums up `times`, of which there is at least one.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let ms =
            |time: Option<&Duration>| time.map_or(0.0, |time| (time.as_secs_f64() * 1e5).round() / 100.0);
        Self { count: times.len(), p50_ms: ms(times.get(times.len() / 2)), max_ms: ms(times.last()) }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.2} ms, longest {:.2} ms ({} times)", self.p50_ms, self.max_ms, self.count)
    }
}
