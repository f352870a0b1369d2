//! A moment by both of an edge's clocks.

use protocol::UnixMs;

/// Now. The lease is a matter of the wall clock, which may jump; whatever only waits goes by how long the edge has
/// run, so that no jump makes it wait for years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day.
    pub wall: UnixMs,
    /// How long the edge has run.
    pub ran: Ran,
}

/// Milliseconds since the edge started. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ran(pub i64);

impl Ran {
    /// Milliseconds from `earlier` to this moment.
    pub fn since(self, earlier: Ran) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment, `ms` milliseconds on.
    pub fn plus_ms(self, ms: i64) -> Ran {
        Ran(self.0.saturating_add(ms))
    }
}
