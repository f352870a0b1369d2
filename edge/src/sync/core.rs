//! The rules together: one event in, commands out.

use super::{
    command::{Command, Event, Fate, Put, SessionPast},
    grace::{Grace, Rightness},
    history::Total,
    lease::{Freshness, Lease},
    loaded::{Loaded, Standing},
    outbox::{Outbox, VisitKey, Weight},
    provisional::Provisionals,
    receipts::Receipts,
    refill::{Refill, WantedAtStart},
    reporting::{Reporting, Told},
    rows::{Comparison, Rows, Ruling},
};
use protocol::{
    Epoch, FaceId, RowHash, Seq, StreamId, UnixMs,
    message::{
        Change, Command as Order, CustomerState, EnrolPolicy, Head, Receipt, ReceiptKey, Settled, SyncState,
    },
};

/// The state of one edge.
#[derive(Debug)]
pub struct Core {
    rows: Rows,
    refill: Refill,
    grace: Grace,
    newest: Option<Head>,
    issued_at: Option<UnixMs>,
    lease: Option<(Lease, EnrolPolicy)>,
    verified: Total,
    provisional: Provisionals,
    receipts: Receipts,
    outbox: Outbox,
    reporting: Reporting,
    online: bool,
}

impl Core {
    /// Starts with what was stored and a stream that was never used.
    pub fn load(loaded: Loaded, stream: StreamId, now: UnixMs) -> Self {
        let Loaded { standing, rows, dropped, lease, provisional, receipts, visits } = loaded;
        let lost = rows.is_empty() && lease.is_none() && standing.floor > Seq(0);
        let rows = Rows::load(standing.epoch, standing.floor, rows, dropped);
        Self {
            verified: rows.total(),
            rows,
            refill: Refill::wanted_at_start(if lost { WantedAtStart::Yes } else { WantedAtStart::No }),
            grace: Grace::begin(now),
            newest: None,
            issued_at: standing.issued_at,
            lease,
            provisional: Provisionals::load(provisional),
            receipts: Receipts::load(receipts),
            outbox: Outbox::load(stream, visits),
            reporting: Reporting::default(),
            online: false,
        }
    }

    /// Takes in an event, and adds what is to be done to `out`.
    pub fn apply(&mut self, event: Event, now: UnixMs, out: &mut Vec<Command>) {
        match event {
            Event::Change(change, hash) => {
                self.grace.message(now);
                self.change(*change, hash, now, out);
            }
            // What was dropped stays remembered: only the floor passing it ends that.
            Event::Cleared => self.grace.message(now),
            Event::Head(head) => self.head(head, now, out),
            Event::Settled(settled) => self.settled(&settled, out),
            Event::ReceiptsStored(keys) => {
                let stored = self.receipts.stored(&keys);
                if !stored.is_empty() {
                    out.push(Command::ForgetReceipts(stored));
                }
            }
            Event::Order(Order::Report) => self.reporting.now(),
            Event::Order(Order::Repair) => self.subscribe_anew(now, out),
            Event::SessionBegan(past) => self.begin_session(past, now, out),
            Event::SessionEnded => self.online = false,
            Event::Tick => self.tick(now, out),
        }
    }

    fn change(&mut self, change: Change, hash: Option<RowHash>, now: UnixMs, out: &mut Vec<Command>) {
        let collected = self.refill.change(&change, hash);
        let ruling = self.rows.change(change.epoch, &change.face_id, change.seq, hash);
        let Change { epoch, face_id, seq, state } = change;
        match (state, hash) {
            (CustomerState::Live(customer), Some(hash)) => {
                let put = Put { face_id, epoch, seq, hash, customer };
                if ruling == Ruling::Put {
                    if self.provisional.end(&put.face_id) {
                        out.push(Command::EndProvisional(put.face_id.clone(), Fate::Customer));
                    }
                    let put = Box::new(put);
                    if collected == Ruling::Put {
                        out.push(Command::Stage(put.clone()));
                    }
                    out.push(Command::Put(put));
                } else if collected == Ruling::Put {
                    out.push(Command::Stage(Box::new(put)));
                }
            }
            (CustomerState::Removed { merged_into }, _) => {
                if collected == Ruling::Removed {
                    out.push(Command::Unstage(face_id.clone()));
                }
                if ruling == Ruling::Removed {
                    self.removed(ReceiptKey { face_id, epoch, seq }, merged_into, out);
                }
            }
            (CustomerState::Live(_), None) => {}
        }
        if let Some(head) = self.newest.clone() {
            if head.seq >= self.rows.top() && self.rows.compare(&head) == Comparison::Equal {
                self.verified(&head, now, out);
            }
            self.adopt(&head, now, out);
        }
    }

    fn removed(&mut self, key: ReceiptKey, merged_into: Option<FaceId>, out: &mut Vec<Command>) {
        self.provisional.end(&key.face_id);
        self.outbox.scrub(&key.face_id);
        if merged_into.is_none() {
            let ended = self.provisional.removal(key.epoch, key.seq);
            self.end_provisional(ended, Fate::Nobody, out);
        }
        out.push(Command::Remove { key, merged_into });
    }

    fn head(&mut self, head: Head, now: UnixMs, out: &mut Vec<Command>) {
        if self.rows.epoch() != Some(head.epoch) {
            if self.issued_at.is_some_and(|newest| head.issued_at <= newest) {
                return;
            }
            self.begin_epoch(head.epoch, out);
        }
        self.issued_at = self.issued_at.max(Some(head.issued_at));
        if let Some(at) = head.backed_up_at {
            let safe = self.outbox.backed_up(at);
            if !safe.is_empty() {
                out.push(Command::ForgetVisits(safe));
            }
        }
        match self.rows.compare(&head) {
            Comparison::Equal => {
                if head.seq >= self.rows.top() && self.rows.any_of_older_epoch() {
                    self.rows.adopt_epoch();
                    out.push(Command::AdoptEpoch(head.epoch));
                }
                self.verified(&head, now, out);
            }
            Comparison::Differs => self.grace.differs(),
            Comparison::Ahead => self.grace.unchecked(),
        }
        self.adopt(&head, now, out);
        if self.newest.as_ref().is_none_or(|newest| newest.epoch != head.epoch || head.seq >= newest.seq) {
            self.newest = Some(head);
        }
    }

    fn begin_epoch(&mut self, epoch: Epoch, out: &mut Vec<Command>) {
        let first = self.rows.epoch().is_none();
        self.rows.begin_epoch(epoch);
        self.refill.begin_epoch(&self.rows);
        self.newest = None;
        if self.outbox.begin_epoch() > 0 {
            out.push(Command::Unsettle);
        }
        if !first {
            out.push(Command::ClearStage);
        }
    }

    fn verified(&mut self, head: &Head, now: UnixMs, out: &mut Vec<Command>) {
        let total = Total { digest: head.digest, count: head.count };
        let news = head.seq > self.rows.floor() || self.lease.is_none();
        let ended = self.provisional.removal(head.epoch, head.last_removal);
        self.end_provisional(ended, Fate::Nobody, out);
        self.rows.verified(head.seq, total);
        let lease = Lease::of(head);
        self.lease = Some(match self.lease {
            Some((old, policy)) if old.renewed_by(lease) == old => (old, policy),
            _ => (lease, head.enrol),
        });
        let right = if self.rows.equal_now(head) { Rightness::Right } else { Rightness::Open };
        self.grace.matched(now, right);
        if right == Rightness::Right {
            self.verified = total;
            if self.refill.collecting() {
                out.push(Command::ClearStage);
            }
            self.refill.end();
        }
        let ended = self.provisional.verified(head.epoch, self.rows.floor());
        self.end_provisional(ended, Fate::Declined, out);
        if news {
            out.push(Command::Verified(head.seq, total));
        }
    }

    /// Lets what was collected take the rows' place, when the head vouches for it.
    fn adopt(&mut self, head: &Head, now: UnixMs, out: &mut Vec<Command>) {
        let Some(adoption) = self.refill.adopt(&mut self.rows, head) else { return };
        for face_id in adoption.dropped {
            out.push(Command::Drop { face_id, as_of: adoption.as_of });
        }
        for face_id in &adoption.adopted {
            if self.provisional.end(face_id) {
                out.push(Command::EndProvisional(face_id.clone(), Fate::Customer));
            }
        }
        out.push(Command::Adopt(adoption.adopted));
        out.push(Command::ClearStage);
        if self.rows.compare(head) == Comparison::Equal {
            self.verified(head, now, out);
        }
    }

    fn settled(&mut self, settled: &Settled, out: &mut Vec<Command>) {
        let Some(epoch) = self.rows.epoch().filter(|epoch| *epoch == settled.epoch) else { return };
        let settlement = self.outbox.settle(settled);
        if !settlement.marked.is_empty() {
            out.push(Command::MarkSettled(settlement.marked, settled.at));
        }
        if !settlement.forgotten.is_empty() {
            out.push(Command::ForgetVisits(settlement.forgotten));
        }
        for face_id in settlement.enrolled {
            if self.provisional.settle(&face_id, (epoch, settled.seq)) {
                out.push(Command::SettleProvisional(face_id, (epoch, settled.seq)));
            }
        }
        let ended = self.provisional.verified(epoch, self.rows.floor());
        self.end_provisional(ended, Fate::Declined, out);
    }

    fn end_provisional(&mut self, ended: Vec<FaceId>, fate: Fate, out: &mut Vec<Command>) {
        for face_id in ended {
            self.outbox.scrub(&face_id);
            out.push(Command::EndProvisional(face_id, fate));
        }
    }

    fn begin_session(&mut self, past: SessionPast, now: UnixMs, out: &mut Vec<Command>) {
        self.online = true;
        self.grace.begin_session(now);
        self.outbox.begin_session();
        self.reporting.now();
        match past {
            SessionPast::New => {
                out.push(Command::ClearStage);
                self.refill.begin_session(&self.rows);
            }
            SessionPast::Resumed if self.refill.wanted() && !self.refill.collecting() => {
                self.subscribe_anew(now, out);
            }
            SessionPast::Resumed => {}
        }
    }

    fn subscribe_anew(&mut self, now: UnixMs, out: &mut Vec<Command>) {
        if self.refill.ask(now) {
            out.push(Command::SubscribeAnew);
        }
    }

    fn tick(&mut self, now: UnixMs, out: &mut Vec<Command>) {
        let filling = self.refill.collecting() && self.grace.busy(now);
        if self.online && self.grace.over(now) && !filling {
            self.subscribe_anew(now, out);
        }
    }

    /// Takes in a visit; a new face becomes provisional. Answers with the visit's number. A face whose proposal is
    /// lost because too many visits wait ends.
    pub fn visit(&mut self, weight: Weight, basis: (Epoch, Seq), out: &mut Vec<Command>) -> VisitKey {
        if let Weight::New(face_id) = &weight {
            self.provisional.mint(face_id.clone(), basis);
        }
        let (key, lost) = self.outbox.add(weight);
        if let Some(lost) = lost {
            out.push(Command::ForgetVisits(vec![lost.key]));
            if let Weight::New(face_id) = lost.weight
                && self.provisional.end(&face_id)
            {
                out.push(Command::EndProvisional(face_id, Fate::Nobody));
            }
        }
        key
    }

    /// A removal is durable and probed: its receipt waits for the website, and a report is due.
    pub fn receipt(&mut self, receipt: Receipt) {
        self.receipts.add(receipt);
        self.reporting.now();
    }

    /// Whether a report is due at `now`; it then counts as sent.
    pub fn report(&mut self, now: UnixMs) -> bool {
        let told = Told {
            epoch: self.rows.epoch(),
            verified: self.rows.floor(),
            total: self.verified,
            state: self.state(now),
        };
        let due = self.online && told.epoch.is_some() && self.reporting.due(told, now);
        if due {
            self.reporting.sent(told, now);
        }
        due
    }

    /// The visits to send at `now`, see [`Outbox::to_send`]; none while there is no session.
    pub fn visits_to_send(&mut self, now: UnixMs) -> Vec<(VisitKey, u64)> {
        if self.online { self.outbox.to_send(now) } else { Vec::new() }
    }

    /// Where the edge stands at `now`.
    pub fn state(&self, now: UnixMs) -> SyncState {
        match self.lease {
            None => SyncState::Filling,
            Some((lease, _)) if lease.freshness(now) == Freshness::Expired => SyncState::Expired,
            Some(_) if self.grace.over(now) => SyncState::Differs,
            Some(_) => SyncState::Verified,
        }
    }

    /// What must survive the loss of the cache.
    pub fn standing(&self) -> Standing {
        Standing { epoch: self.rows.epoch(), floor: self.rows.floor(), issued_at: self.issued_at }
    }

    /// The lease and the enrol policy that came with it, once a head was verified.
    pub fn lease(&self) -> Option<(Lease, EnrolPolicy)> {
        self.lease
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The edge's own faces.
    pub fn provisional(&self) -> &Provisionals {
        &self.provisional
    }

    /// Receipts that wait.
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// The visits.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// How filling anew stands.
    pub fn refill(&self) -> &Refill {
        &self.refill
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
