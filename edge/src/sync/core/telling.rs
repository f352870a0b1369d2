//! What an edge tells the website of itself.

use super::Core;
use crate::sync::{
    history::Total,
    lease::{Freshness, Lease},
    now::Now,
    reporting::Told,
};
use protocol::{
    SpaceId, UnixMs,
    message::{Applied, EnrolPolicy, Start, SyncState},
};

/// How the rows and the lease stood at one moment. It may be reported once everything that was ruled until then is on
/// the disk; the rules go on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    told: Told,
    rows: Total,
    lease: Option<(Lease, EnrolPolicy)>,
}

impl Claim {
    /// What a report would say that can be news, at `now`: the end of a lease needs no event.
    pub fn told(&self, now: Now) -> Told {
        let over = self.lease.is_some_and(|(lease, _)| lease.freshness(now.wall) == Freshness::Expired);
        if over { Told { state: SyncState::Expired, ..self.told } } else { self.told }
    }

    /// What the rows added up to.
    pub fn rows(&self) -> Total {
        self.rows
    }

    /// The lease, and the enrol policy that came with it.
    pub fn lease(&self) -> Option<(Lease, EnrolPolicy)> {
        self.lease
    }
}

/// What a report says that the rules do not know.
#[derive(Debug, Clone)]
pub struct ReportContext {
    /// Which start of the edge this is.
    pub start: Start,
    /// The space of its model.
    pub space: SpaceId,
    /// Messages that were not taken in.
    pub refused: u64,
}

impl Core {
    /// How the edge stands after everything that was ruled.
    pub fn claim(&self, now: Now) -> Claim {
        let told = Told {
            epoch: self.rows.epoch(),
            verified: self.rows.floor(),
            total: self.verified,
            state: self.state(now),
        };
        Claim { told, rows: self.rows.total(), lease: self.lease }
    }

    /// Whether a report of `claim` is due at `now`; it then counts as sent.
    pub fn report(&mut self, claim: &Claim, now: Now) -> bool {
        let told = claim.told(now);
        let due = self.online && told.epoch.is_some() && self.reporting.due(told, now.ran);
        if due {
            self.reporting.sent(told, now.ran);
        }
        due
    }

    /// The report of `claim` at `now`, in pages by its receipts; none while no epoch is known. `at` is by the system's
    /// clock.
    pub fn applied(&self, claim: &Claim, context: &ReportContext, at: UnixMs, now: Now) -> Vec<Applied> {
        let Told { epoch: Some(epoch), verified, total: _, state } = claim.told(now) else {
            return Vec::new();
        };
        let Total { digest, count } = claim.rows;
        let page = |receipts| Applied {
            epoch,
            verified,
            digest,
            count,
            state,
            start: context.start,
            space: context.space.clone(),
            at,
            lease_until: claim.lease.map_or(UnixMs(0), |(lease, _)| lease.until()),
            queued: self.outbox.waiting() as u64,
            refused: context.refused,
            repairs: self.repairs.counts(),
            receipts,
        };
        self.receipts.pages().into_iter().map(page).collect()
    }
}
