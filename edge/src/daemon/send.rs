//! What the edge sends: reports and visits; and how it is.

use super::{Counters, rules::Rules, storage::Request};
use crate::{
    clock,
    identity::Identity,
    notice::Notice,
    status::Status,
    store::StoredVisit,
    sync::{Claim, Core, Freshness, Now, ReportContext, Told},
};
use protocol::{
    Topic,
    codec::Message,
    message::{Report, Seen, SignedApplied, Visit},
};
use std::collections::HashSet;

impl Rules {
    /// Sends what is due: a report of what is stored, and as many visits as may be in flight, which the storage thread reads
    /// when nothing waits to be stored.
    pub(super) fn send(&mut self) {
        // What is not durable is not said, and what was not stored in time may be long ago.
        if self.link.is_none() || self.is_blocked() {
            return;
        }
        let now = self.clock.now();
        let claim = self.stored;
        if self.may_report && self.core.report(&claim, now) {
            self.report(&claim, now);
        }
        if self.busy || self.pending.visits() > 0 {
            return;
        }
        let due = self.core.visits_to_send(now);
        if !due.is_empty() {
            self.erased_since_asked = Some(HashSet::new());
            self.ask(Request::ReadVisits(due));
        }
    }

    /// Sends visits as they were stored. A face that was to be forgotten since they were read is not sent any more.
    pub(super) fn send_visits(&mut self, visits: Vec<(StoredVisit, u64)>) {
        let forgotten = self.erased_since_asked.take().unwrap_or_default();
        let Some(link) = &self.link else { return };
        let Identity { location, edge, .. } = &*self.identity;
        let topic = Topic::Visits(location.clone(), edge.clone()).to_string();
        for (StoredVisit { key, at, seen, basis }, first_unsettled) in visits {
            let seen = match seen {
                Seen::New { face_id, .. } if forgotten.contains(&face_id) => Seen::Anonymous,
                seen => seen,
            };
            let (stream, n, sent_at) = (key.stream, key.n, clock::system());
            let visit = Visit { stream, n, first_unsettled, at, sent_at, seen, basis };
            link.publish(&topic, visit.encode());
            crash_point::reach("edge_visits_sent");
        }
    }

    /// Sends something of a repair. What does not get through is asked again, after a pause.
    pub(super) fn send_report(&self, report: &Report) {
        let Some(link) = &self.link else { return };
        let Identity { location, edge, .. } = &*self.identity;
        let topic = Topic::Report(location.clone(), edge.clone()).to_string();
        link.publish(&topic, report.encode());
        match report {
            Report::Repair(repair) => {
                tracing::info!(round = %repair.round, "the rows are compared with the website's");
                self.notify(Notice::Repairs { round: repair.round });
            }
            Report::Want(want) => self.notify(Notice::Wants { rows: want.faces.len() }),
            Report::Applied(_) => {}
        }
    }

    fn report(&mut self, claim: &Claim, now: Now) {
        // Never goes back within a start, whatever the system's clock does: the website tells late words by it.
        self.reported_at = clock::system().max(self.reported_at.plus_ms(1));
        let Some(link) = &self.link else { return };
        let Identity { location, edge, key, .. } = &*self.identity;
        let topic = Topic::Report(location.clone(), edge.clone()).to_string();
        let space = self.memory.live.space().id.clone();
        let context = ReportContext { start: self.start, space, refused: self.counters.refused };
        for applied in self.core.applied(claim, &context, self.reported_at, now) {
            let notice = Notice::Reported { verified: applied.verified, receipts: applied.receipts.len() };
            let signed = SignedApplied::sign(applied, location, edge, key);
            link.publish(&topic, Report::Applied(Box::new(signed)).encode());
            self.notify(notice);
            crash_point::reach("edge_reported");
        }
    }

    pub(super) fn publish_status(&self) {
        let now = self.clock.now();
        let claim = self.stored;
        let recognised = self.memory.live.len();
        let status =
            status(&self.identity, &self.core, &claim, recognised, &self.counters, self.start.count, now);
        let visits_waiting = status.visits_waiting.saturating_sub(self.unstored_visits);
        self.status.send_replace(Status { connected: self.link.is_some(), visits_waiting, ..status });
    }
}

/// How an edge is that is not connected, when its rows are stored as `claim` says.
pub(super) fn status(
    identity: &Identity,
    core: &Core,
    claim: &Claim,
    recognised: usize,
    counters: &Counters,
    starts: u64,
    now: Now,
) -> Status {
    let Told { epoch, verified, total: _, state } = claim.told(now);
    let lease = claim.lease();
    Status {
        edge: identity.edge.to_string(),
        location: identity.location.to_string(),
        location_name: identity.location_name.clone(),
        running: true,
        connected: false,
        trouble: counters.trouble.clone(),
        // Of the camera only whoever started it knows.
        camera: None,
        storage_trouble: counters.storage_trouble.clone(),
        state,
        epoch: epoch.map(|epoch| epoch.to_string()),
        verified: verified.0,
        digest: claim.rows().digest.to_string(),
        customers: claim.rows().count,
        recognised,
        provisional: core.provisional().len(),
        now: now.wall,
        freshness: lease.map_or(Freshness::Expired, |(lease, _)| lease.freshness(now.wall)),
        lease_until: lease.map(|(lease, _)| lease.until()),
        enrol: lease.map(|(_, enrol)| enrol),
        visits_waiting: core.outbox().waiting(),
        visits_lost: counters.lost_visits,
        visits_not_stored: counters.not_stored,
        receipts_waiting: core.receipts().len(),
        receipts_lost: counters.lost_receipts,
        refused: counters.refused,
        repairs: core.repairs().counts(),
        given_up: core.diagnosis().cloned(),
        cache_lost: counters.cache_lost.clone(),
        read_back_at: counters.read_back_at,
        starts,
    }
}
