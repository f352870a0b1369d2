//! The rules together: one event in, commands out.

mod repairing;
mod telling;
mod visiting;

pub use telling::{Claim, ReportContext};

use super::{
    command::{Command, Event, Fate, Put},
    grace::{Grace, Rightness},
    history::Total,
    lease::{Freshness, Lease},
    loaded::{Loaded, Standing},
    now::Now,
    outbox::Outbox,
    provisional::Provisionals,
    receipts::Receipts,
    repair::{Diagnosis, Repairs},
    reporting::Reporting,
    rows::{Comparison, Rows, Ruling},
};
use protocol::{
    Epoch, FaceId, RowHash, Seq, StreamId, UnixMs,
    message::{Change, Command as Order, CustomerState, EnrolPolicy, Head, Receipt, ReceiptKey, SyncState},
};

/// The wall clock is written down when it has moved by so much.
const CLOCK_KEPT_MS: i64 = 60_000;

/// The state of one edge.
#[derive(Debug)]
pub struct Core {
    rows: Rows,
    repairs: Repairs,
    diagnosis: Option<Diagnosis>,
    grace: Grace,
    newest: Option<Head>,
    issued_at: Option<UnixMs>,
    clock: Option<UnixMs>,
    removal: Option<(Epoch, Seq)>,
    lease: Option<(Lease, EnrolPolicy)>,
    verified: Total,
    provisional: Provisionals,
    receipts: Receipts,
    outbox: Outbox,
    reporting: Reporting,
    /// Whether the website has asked for a comparison that waits until the rows were read again.
    reads_again: bool,
    online: bool,
    /// Whether a new head has come in this session.
    hears_website: bool,
}

impl Core {
    /// Starts with what was stored and a stream that was never used.
    pub fn load(loaded: Loaded, stream: StreamId, now: Now) -> Self {
        let Loaded { standing, rows, dropped, lease, provisional, receipts, visits, diagnosis } =
            loaded.with_proposed();
        let rows = Rows::load(standing.epoch, standing.floor, rows, dropped);
        // A kill between the two files can leave the first lease without the epoch that visits have to name.
        let lease = lease.filter(|_| standing.epoch.is_some());
        let mut grace = Grace::begin(now.ran);
        if lease.is_none() && standing.floor > Seq(0) {
            // The cache was lost: nothing that comes by itself can fill it, and no head is needed to know that.
            grace.differs();
        }
        Self {
            verified: rows.total(),
            rows,
            repairs: Repairs::new(stream.0),
            diagnosis,
            grace,
            newest: None,
            issued_at: standing.issued_at,
            clock: standing.clock,
            removal: standing.removal,
            lease,
            provisional: Provisionals::load(provisional),
            receipts: Receipts::load(receipts),
            outbox: Outbox::load(stream, visits),
            reporting: Reporting::default(),
            reads_again: false,
            online: false,
            hears_website: false,
        }
    }

    /// Takes in an event, and adds what is to be done to `out`.
    pub fn apply(&mut self, event: Event, now: Now, out: &mut Vec<Command>) {
        self.keep_clock(now.wall);
        match event {
            Event::Change(change, hash) => {
                self.grace.message(now.ran);
                self.change(*change, hash, now, out);
            }
            // What was dropped stays remembered: only the floor passing it ends that.
            Event::Cleared => self.grace.message(now.ran),
            Event::Head(head) => self.head(head, now, out),
            Event::Roster(roster) => self.roster(roster, now, out),
            Event::Wanted(round, change, hash) => self.wanted(round, *change, hash, now, out),
            Event::Settled(settled) => self.settled(&settled, out),
            Event::ReceiptsStored(keys) => {
                let stored = self.receipts.stored(&keys);
                if !stored.is_empty() {
                    out.push(Command::ForgetReceipts(stored));
                }
            }
            Event::Order(Order::Report) => self.reporting.now(),
            Event::Order(Order::Repair) => self.asked(out),
            Event::SessionBegan => self.begin_session(now),
            Event::SessionEnded => {
                self.online = false;
                self.repairs.end_session();
            }
            Event::Tick => self.tick(now, out),
        }
    }

    /// Notes the time, so that a box that starts with a clock from before does not stretch its lease.
    fn keep_clock(&mut self, wall: UnixMs) {
        if self.clock.is_none_or(|kept| wall.since(kept).abs() >= CLOCK_KEPT_MS) {
            self.clock = Some(wall);
        }
    }

    fn change(&mut self, change: Change, hash: Option<RowHash>, now: Now, out: &mut Vec<Command>) {
        let ruling = self.rows.change(change.epoch, &change.face_id, change.seq, hash);
        self.carry(change, hash, ruling, out);
        self.recheck(now, out);
    }

    /// Does what was ruled on a change.
    fn carry(&mut self, change: Change, hash: Option<RowHash>, ruling: Ruling, out: &mut Vec<Command>) {
        let Change { epoch, face_id, seq, state } = change;
        if ruling != Ruling::Ignored
            && let Some(talk) = self.repairs.talk()
        {
            // A removal is final.
            talk.strike(&face_id, if ruling == Ruling::Removed { Seq(u64::MAX) } else { seq });
        }
        match (state, hash, ruling) {
            (CustomerState::Live(customer), Some(hash), Ruling::Put) => {
                if self.provisional.end(&face_id) {
                    out.push(Command::EndProvisional(face_id.clone(), Fate::Customer));
                }
                out.push(Command::Put(Box::new(Put { face_id, epoch, seq, hash, customer })));
            }
            (CustomerState::Removed { merged_into }, _, Ruling::Removed) => {
                self.removed(ReceiptKey { face_id, epoch, seq }, merged_into, out);
            }
            _ => {}
        }
    }

    /// Holds the newest head against the rows once more, after they have changed.
    fn recheck(&mut self, now: Now, out: &mut Vec<Command>) {
        if let Some(head) = &self.newest
            && head.seq >= self.rows.top()
            && self.rows.compare(head) == Comparison::Equal
        {
            self.matches(&head.clone(), Rightness::Right, now, out);
        }
    }

    fn removed(&mut self, key: ReceiptKey, merged_into: Option<FaceId>, out: &mut Vec<Command>) {
        let before = self.removal.filter(|(epoch, _)| *epoch == key.epoch);
        self.removal = before.max(Some((key.epoch, key.seq)));
        self.provisional.end(&key.face_id);
        self.outbox.scrub(&key.face_id);
        if merged_into.is_none() {
            let ended = self.provisional.removal(key.epoch, key.seq);
            self.end_provisional(ended, Fate::Nobody, out);
        }
        out.push(Command::Remove { key, merged_into });
    }

    fn head(&mut self, head: Head, now: Now, out: &mut Vec<Command>) {
        if self.rows.epoch() != Some(head.epoch) {
            if self.issued_at.is_some_and(|newest| head.issued_at <= newest) {
                return;
            }
            self.begin_epoch(head.epoch, out);
        }
        self.hear_website(&head);
        let late = self.issued_at > Some(head.issued_at);
        self.issued_at = self.issued_at.max(Some(head.issued_at));
        if let Some(at) = head.backed_up_at {
            let safe = self.outbox.backed_up(at);
            if !safe.is_empty() {
                out.push(Command::ForgetVisits(safe));
            }
        }
        let comparison = self.rows.compare(&head);
        match comparison {
            Comparison::Equal => {
                self.matches(&head, if late { Rightness::Open } else { Rightness::Then }, now, out)
            }
            Comparison::Differs => self.grace.differs(),
            Comparison::Ahead => self.grace.unchecked(),
        }
        if !late {
            self.grace.head(head.seq, self.rows.top(), now.ran);
        }
        if comparison != Comparison::Equal || self.grace.over(now.ran) {
            self.repairs.unmatched(head.seq);
        }
        if self.newest.as_ref().is_none_or(|newest| newest.epoch != head.epoch || head.seq >= newest.seq) {
            self.newest = Some(head);
        }
    }

    /// The first new head of a session: the website is there by now. A broker that has lost its memory takes visits in for
    /// nobody until the website is subscribed again, which it is before it publishes: what was sent before goes again.
    fn hear_website(&mut self, head: &Head) {
        if self.issued_at < Some(head.issued_at) && !self.hears_website {
            self.hears_website = true;
            self.outbox.begin_session();
        }
    }

    /// A head was found right: for rows of an older epoch too, when they are what it tells.
    fn matches(&mut self, head: &Head, at_least: Rightness, now: Now, out: &mut Vec<Command>) {
        if head.seq >= self.rows.top() && self.rows.mixed() {
            self.rows.adopt_epoch();
            out.push(Command::AdoptEpoch(head.epoch));
        }
        self.verified(head, at_least, now, out);
    }

    fn begin_epoch(&mut self, epoch: Epoch, out: &mut Vec<Command>) {
        self.rows.begin_epoch(epoch);
        self.repairs.begin_epoch();
        self.newest = None;
        if self.outbox.begin_epoch() > 0 {
            out.push(Command::Unsettle);
        }
    }

    fn verified(&mut self, head: &Head, at_least: Rightness, now: Now, out: &mut Vec<Command>) {
        let total = Total { digest: head.digest, count: head.count };
        let news = head.seq > self.rows.floor() || self.lease.is_none();
        let ended = self.provisional.removal(head.epoch, head.last_removal);
        self.end_provisional(ended, Fate::Nobody, out);
        self.rows.verified(head.seq, total);
        self.repairs.overtaken(self.rows.floor(), now.ran);
        let lease = Lease::of(head);
        self.lease = match self.lease {
            Some((old, policy)) if old.renewed_by(lease) == old => Some((old, policy)),
            None if self.removal.is_some_and(|(epoch, seq)| epoch == head.epoch && head.seq < seq) => None,
            _ => Some((lease, head.enrol)),
        };
        let right = if self.rows.equal_now(head) { Rightness::Right } else { at_least };
        self.grace.matched(now.ran, right);
        if right == Rightness::Right {
            self.verified = total;
        }
        if right == Rightness::Right || (right == Rightness::Then && !self.grace.over(now.ran)) {
            self.repairs.right();
        }
        let ended = self.provisional.verified(head.epoch, self.rows.floor());
        self.end_provisional(ended, Fate::Declined, out);
        if news {
            out.push(Command::Verified(head.seq, total));
        }
    }

    fn begin_session(&mut self, now: Now) {
        (self.online, self.hears_website) = (true, false);
        self.grace.begin_session(now.ran);
        self.outbox.begin_session();
        self.reporting.now();
    }

    /// A removal is durable and probed: its receipt waits for the website, and a report is due.
    pub fn receipt(&mut self, receipt: Receipt) {
        self.receipts.add(receipt);
        self.reporting.now();
    }

    /// Lets go of the oldest receipts where too many wait, and answers with them.
    pub fn shed_receipts(&mut self) -> Vec<ReceiptKey> {
        self.receipts.shed()
    }

    /// Where the edge stands at `now`.
    pub fn state(&self, now: Now) -> SyncState {
        match self.lease {
            None => SyncState::Filling,
            Some((lease, _)) if lease.freshness(now.wall) == Freshness::Expired => SyncState::Expired,
            Some(_) if self.grace.over(now.ran) => SyncState::Differs,
            Some(_) => SyncState::Verified,
        }
    }

    /// What must survive the loss of the cache.
    pub fn standing(&self) -> Standing {
        Standing {
            epoch: self.rows.epoch(),
            floor: self.rows.floor(),
            issued_at: self.issued_at,
            clock: self.clock,
            removal: self.removal,
        }
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

    /// How repairing stands.
    pub fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    /// Why the rows were given up last, if they ever were.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_ref()
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
