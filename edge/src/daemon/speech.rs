//! What the edge says: reports, visits, and how it is.

use super::{Counters, Daemon};
use crate::{
    clock,
    identity::Identity,
    notice::Notice,
    status::Status,
    sync::{Core, Freshness, Now, Teller},
};
use anyhow::{Context, Result};
use protocol::{
    Topic,
    codec::Message,
    message::{Report, SignedApplied, Visit},
};

impl Daemon {
    /// Says what is due: a report, and as many visits as may be in flight.
    pub(super) fn speak(&mut self) -> Result<()> {
        let now = self.clock.now();
        // What is not durable is not said.
        if self.link.is_none() || !self.unstored.is_empty() {
            return Ok(());
        }
        if self.core.report(now) {
            self.report(now);
        }
        let due = self.core.visits_to_send(now);
        let Some(link) = &self.link else { return Ok(()) };
        let Identity { location, edge, .. } = &*self.identity;
        let topic = Topic::Visits(location.clone(), edge.clone()).to_string();
        for (key, first_unsettled) in due {
            let Some(stored) = self.store.outbox.visit(key).context("the outbox cannot be read")? else {
                continue;
            };
            let visit = Visit {
                stream: key.stream,
                n: key.n,
                first_unsettled,
                at: stored.at,
                sent_at: clock::system(),
                seen: stored.seen,
                basis: stored.basis,
            };
            link.publish(&topic, visit.encode());
            crash_point::reach("edge_visits_sent");
        }
        Ok(())
    }

    /// Says something of a repair. What does not get through is asked again, after a pause.
    pub(super) fn say(&self, report: &Report) {
        let Some(link) = &self.link else { return };
        let Identity { location, edge, .. } = &*self.identity;
        let topic = Topic::Report(location.clone(), edge.clone()).to_string();
        link.publish(&topic, report.encode());
        match report {
            Report::Repair(repair) => {
                tracing::info!(round = %repair.round, "the rows are compared with the website's");
                self.tell(Notice::Repairs { round: repair.round });
            }
            Report::Want(want) => self.tell(Notice::Wants { rows: want.faces.len() }),
            Report::Applied(_) => {}
        }
    }

    fn report(&mut self, now: Now) {
        // Never goes back within a start, whatever the system's clock does: the website tells late words by it.
        self.reported_at = clock::system().max(self.reported_at.plus_ms(1));
        let Some(link) = &self.link else { return };
        let Identity { location, edge, key, .. } = &*self.identity;
        let topic = Topic::Report(location.clone(), edge.clone()).to_string();
        let space = self.memory.live.space().id.clone();
        let teller = Teller { start: self.start, space, refused: self.counters.refused };
        for applied in self.core.applied(&teller, self.reported_at, now) {
            let notice = Notice::Reported { verified: applied.verified, receipts: applied.receipts.len() };
            let signed = SignedApplied::sign(applied, location, edge, key);
            link.publish(&topic, Report::Applied(Box::new(signed)).encode());
            self.tell(notice);
            crash_point::reach("edge_reported");
        }
    }

    pub(super) fn tell_status(&self) {
        let connected = self.link.is_some();
        let status = status(
            &self.identity,
            &self.core,
            self.memory.live.len(),
            &self.counters,
            self.start.count,
            self.clock.now(),
        );
        self.status.send_replace(Status { connected, ..status });
    }
}

/// How an edge is that is not connected.
pub(super) fn status(
    identity: &Identity,
    core: &Core,
    recognised: usize,
    counters: &Counters,
    starts: u64,
    now: Now,
) -> Status {
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
        state: core.state(now),
        epoch: core.standing().epoch.map(|epoch| epoch.to_string()),
        verified: core.standing().floor.0,
        digest: core.rows().total().digest.to_string(),
        customers: core.rows().total().count,
        recognised,
        provisional: core.provisional().len(),
        now: now.wall,
        freshness: core.lease().map_or(Freshness::Expired, |(lease, _)| lease.freshness(now.wall)),
        lease_until: core.lease().map(|(lease, _)| lease.until()),
        enrol: core.lease().map(|(_, enrol)| enrol),
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
