//! The rules task: takes in what comes, lets the core rule, and hands on what is to be stored. Everything it does takes
//! microseconds; it never waits for a disk.

use super::{
    Counters,
    batch::{After, Pending},
    plan::{OnDisk, plan},
    storage::{Done, ReadBack, Request, Wrote},
    visits::{Awaited, Seen},
};
use crate::{
    clock::Clock,
    identity::Identity,
    inbound::Refusal,
    input::{Input, Link},
    memory::Memory,
    notice::Notice,
    status::Status,
    sync::{Audit, Claim, Command, Core, Event},
};
use protocol::{FaceId, UnixMs, message::Start};
use rumqttc::ManualAck;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

/// Messages and commands that wait for the storage thread at most; beyond it the session waits, and with it the broker.
pub(crate) const INPUTS_MAX: usize = 4_096;
/// How many inputs are taken before it is looked whether the storage thread can have them.
const INPUTS_AT_ONCE: usize = 1_024;
/// A head follows its change at once. A batch of a few inputs waits so long for it, and one flush then stores both; a
/// removed face has left the live gallery before.
const HEAD_FOLLOWS: std::time::Duration = std::time::Duration::from_millis(2);
/// A larger batch is of an edge that catches up, where the head comes last.
const FEW: usize = 8;

/// Everything the task owns.
#[derive(Debug)]
pub struct Rules {
    pub(super) core: Core,
    pub(super) memory: Memory,
    pub(super) clock: Arc<Clock>,
    pub(super) identity: Arc<Identity>,
    pub(super) start: Start,
    pub(super) link: Option<Link>,
    pub(super) reported_at: UnixMs,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) status: watch::Sender<Status>,
    pub(super) counters: Counters,
    /// What was ruled and not handed on.
    pub(super) pending: Pending,
    /// Since when a change waits for the head that follows it.
    pub(super) changed_at: Option<Instant>,
    /// Acknowledgements, each with the connection it is of, and the number of the batch that has to be stored before.
    pub(super) acks: VecDeque<(u64, ManualAck, u64)>,
    /// Whoever waits until a visit is stored.
    pub(super) answers: Vec<Awaited>,
    /// Visits that were counted and are not stored.
    pub(super) unstored_visits: usize,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) done: mpsc::Receiver<Done>,
    /// Whether the storage thread has something to do.
    pub(super) busy: bool,
    /// What the files will hold once that is done.
    pub(super) on_disk: OnDisk,
    /// How the rows stood after the last batch that was stored.
    pub(super) stored: Claim,
    /// Whether one was: nothing is reported before, because a power cut could still undo what a kill has left.
    pub(super) may_report: bool,
    /// Whether the rows are to be read again from the store.
    pub(super) reads_again: bool,
    /// How many commands were ruled so far.
    pub(super) ruled: u64,
    /// How many they were when rows were asked for that are being read back.
    pub(super) read_back: Option<u64>,
    pub(super) audit: Audit,
    /// Faces that were to be forgotten while visits were being read.
    pub(super) erased_since_asked: Option<HashSet<FaceId>>,
}

/// What happens next.
enum Next {
    Input(Input),
    Seen(Seen),
    Done(Box<Done>),
    /// No head has followed.
    NoHead,
    /// Nothing can come any more.
    Over,
}

impl Rules {
    /// Takes in what comes until it is stopped, or nothing can come any more. What was ruled until then is stored, unless
    /// the disk is full. While it is, the task goes on.
    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut sightings: mpsc::Receiver<Seen>,
        stop: &CancellationToken,
    ) {
        loop {
            match self.next(&mut inputs, &mut sightings, stop).await {
                Next::Input(input) => {
                    self.take(input);
                    let mut taken = 1;
                    while taken < INPUTS_AT_ONCE
                        && sightings.is_empty()
                        && let Ok(input) = inputs.try_recv()
                    {
                        self.take(input);
                        taken += 1;
                    }
                }
                Next::Seen(seen) => self.see(seen),
                Next::Done(done) => self.done(*done),
                Next::NoHead => self.changed_at = None,
                Next::Over => break,
            }
            self.hand_on();
            if !self.waits_for_head() {
                self.send();
                self.publish_status();
            }
        }
        // Nothing waits for a head any more.
        self.changed_at = None;
        self.hand_on();
        while self.busy
            && self.counters.storage_trouble.is_none()
            && let Some(done) = self.done.recv().await
        {
            self.done(done);
            self.hand_on();
        }
    }

    async fn next(
        &mut self,
        inputs: &mut mpsc::Receiver<Input>,
        sightings: &mut mpsc::Receiver<Seen>,
        stop: &CancellationToken,
    ) -> Next {
        let room = self.pending.inputs() + self.acks.len() < INPUTS_MAX;
        let waits = self.changed_at.filter(|_| !self.busy);
        let until = waits.map_or_else(Instant::now, |since| since + HEAD_FOLLOWS);
        tokio::select! {
            () = stop.cancelled() => Next::Over,
            done = self.done.recv() => done.map_or(Next::Over, |done| Next::Done(Box::new(done))),
            input = inputs.recv(), if room => input.map_or(Next::Over, Next::Input),
            Some(seen) = sightings.recv() => Next::Seen(seen),
            () = sleep_until(until.into()), if waits.is_some() => Next::NoHead,
        }
    }

    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Message { event, ack, link } => {
                let batch = match event {
                    Ok(event) => {
                        self.set_clock(&event);
                        self.apply(event)
                    }
                    Err(refusal) => self.refuse(&refusal),
                };
                self.acks.extend(ack.map(|ack| (batch, ack, link)));
            }
            Input::Began(link) => {
                let number = link.number();
                self.acks.retain(|(_, _, link)| *link == number);
                self.link = Some(link);
                self.counters.trouble = None;
                self.apply(Event::SessionBegan);
                self.notify(Notice::Connected);
            }
            Input::Over { link, why } => {
                if self.link.as_ref().is_some_and(|ours| ours.number() == link) {
                    self.link = None;
                    self.notify(Notice::Disconnected);
                }
                self.counters.trouble = Some(why);
                self.apply(Event::SessionEnded);
            }
            Input::Tick => {
                let before = self.ruled;
                self.apply(Event::Tick);
                let waits = self.pending.inputs() + self.pending.visits() + self.acks.len();
                if self.ruled == before && waits == 0 && !self.busy {
                    self.idle();
                }
            }
        }
    }

    /// Lets the core rule. What must be forgotten leaves the live gallery here, before anything else happens; the rest is
    /// in the batch whose number this answers with.
    fn apply(&mut self, event: Event) -> u64 {
        let mut commands = Vec::new();
        self.core.apply(event, self.clock.now(), &mut commands);
        self.rule(commands)
    }

    pub(super) fn rule(&mut self, commands: Vec<Command>) -> u64 {
        self.ruled += commands.len() as u64;
        for command in &commands {
            if let (Some(faces), Some(face_id)) = (&mut self.erased_since_asked, command.takes_out()) {
                faces.insert(face_id.clone());
            }
            if let Some((face_id, seq)) = self.memory.forget(command) {
                let face_id = face_id.clone();
                self.notify(Notice::Forgotten { face_id, seq, at: Instant::now() });
            }
        }
        if self.core.lease().is_none() && self.memory.live.lease().is_some() {
            // What ends recognition does not wait for a disk either.
            self.memory.live.renew(None);
        }
        let changed = |command: &Command| matches!(command, Command::Put(_) | Command::Remove { .. });
        if self.changed_at.is_none() && commands.iter().any(changed) {
            self.changed_at = Some(Instant::now());
        }
        let after = self.after();
        self.pending.rule(commands, after)
    }

    /// Where the rules stand now.
    pub(super) fn after(&self) -> After {
        let claim = self.core.claim(self.clock.now());
        After { standing: self.core.standing(), lease: self.core.lease(), claim }
    }

    fn refuse(&mut self, refusal: &Refusal) -> u64 {
        self.counters.refused += 1;
        tracing::warn!(%refusal, "a message was not taken in");
        self.rule(Vec::new())
    }

    /// A head that is newer than all before it tells what time it is.
    fn set_clock(&self, event: &Event) {
        if let Event::Head(head) = event
            && self.core.standing().issued_at < Some(head.issued_at)
        {
            self.clock.told(head.issued_at);
        }
    }

    /// Hands the next batch to the storage thread, if that has nothing to do. Where nothing has to be stored, what follows
    /// from the batch is done at once.
    pub(super) fn hand_on(&mut self) {
        if !self.busy && self.reads_again {
            self.reads_again = false;
            self.ask(Request::ReadAgain);
        }
        while !self.busy
            && !self.waits_for_head()
            && let Some(batch) = self.pending.take()
        {
            let mut steps = plan(&batch, &self.on_disk);
            self.on_disk = self.on_disk.after(&steps, &batch);
            let after = steps.split_off(steps.partition_point(|step| step.is_on_disk()));
            if steps.is_empty() {
                self.conclude(&after, batch, Vec::new());
            } else {
                self.ask(Request::Store { batch: Box::new(batch), steps, owed: Vec::new() });
            }
            self.changed_at = None;
        }
    }

    /// A few changes wait a moment for the head that follows them.
    fn waits_for_head(&self) -> bool {
        let unverified = self.core.rows().top() > self.core.rows().floor();
        let few = self.pending.first().is_some_and(|first| first.inputs <= FEW && first.visits.is_empty());
        unverified && few && self.changed_at.is_some_and(|since| since.elapsed() < HEAD_FOLLOWS)
    }

    pub(super) fn ask(&mut self, request: Request) {
        // There is room, because nothing else is asked; when the storage thread has ended, so does this one.
        self.busy = self.requests.try_send(request).is_ok();
    }

    pub(super) fn done(&mut self, done: Done) {
        self.busy = matches!(done, Done::DiskFull { .. }) && self.busy;
        match done {
            Done::Stored { batch, receipts, wrote } => {
                if wrote == Wrote::Something {
                    self.could_store();
                }
                self.conclude(&super::plan::AFTER, batch, receipts);
            }
            Done::DiskFull { why, visits } => self.disk_full(why, visits),
            Done::Visits(visits) => self.send_visits(visits),
            Done::ReadAgain { rows, gallery } => self.read_again(rows, gallery),
            Done::Idle(slice) => self.hold(slice),
        }
    }

    /// Nothing else is to be done: the storage thread may flush, read rows back, and write its files anew.
    fn idle(&mut self) {
        let due = self.audit.due(self.clock.now().ran);
        self.read_back = due.then_some(self.ruled);
        let read_back = if due { ReadBack::After(self.audit.after().cloned()) } else { ReadBack::NotDue };
        self.ask(Request::Idle(read_back));
    }

    pub(super) fn notify(&self, notice: Notice) {
        // Nobody has to listen.
        let _ = self.notices.send(notice);
    }
}
