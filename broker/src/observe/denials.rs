//! Refusals in the log: the first few of a period one by one, the others as a number, so that a client that is refused
//! ten thousand times a second fills no disk. All of them are counted in `Tally`.

use crate::auth::principal::Principal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Refusals that have a line of their own, until they are summed up.
const LINES: u64 = 5;

/// What was refused since they were summed up last.
#[derive(Debug, Default)]
pub struct Denials(AtomicU64);

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// To log in.
    Login,
    /// To leave a will.
    Will,
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
}

impl Denials {
    /// Logs a refusal to a client that has logged in. Neither names nor topics appear: both are personal data.
    pub fn log(&self, denied: Denied, principal: &Principal, peer: SocketAddr) {
        if self.may_log() {
            let kind = match principal {
                Principal::Website => "website",
                Principal::Edge { .. } => "edge",
                Principal::Ops { .. } => "person",
                Principal::User(_) => "user",
            };
            match principal {
                Principal::Edge { location, edge } => {
                    tracing::warn!(?denied, kind, %location, %edge, %peer, "refused: it has not the right to");
                }
                _ => tracing::warn!(?denied, kind, %peer, "refused: it has not the right to"),
            }
        }
    }

    /// Logs a login that was refused.
    pub fn log_login(&self, why: &dyn std::fmt::Display, peer: SocketAddr) {
        if self.may_log() {
            tracing::warn!(denied = ?Denied::Login, %peer, "refused: {why}");
        }
    }

    /// Begins a new period, and logs how many refusals of the last one had no line.
    pub fn log_summary(&self) {
        let more = self.0.swap(0, Ordering::Relaxed).saturating_sub(LINES);
        if more > 0 {
            tracing::warn!(more, "more was refused than is told one by one");
        }
    }

    fn may_log(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_few_lines_however_much_is_refused() {
        let denials = Denials::default();
        for _ in 0..3 {
            let lines = (0..10_000).filter(|_| denials.may_log()).count() as u64;
            assert_eq!(lines, LINES);
            denials.log_summary();
        }
    }
}
