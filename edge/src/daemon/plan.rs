//! The order in which a batch gets to the disk, and what follows from it. This order is what makes a kill and a power
//! cut between any two steps harmless; it stands here and nowhere else. The storage thread carries it out on the files,
//! the simulator on a disk in memory that loses its power between any two steps.

use super::batch::Batch;
use crate::{
    store::Flush,
    sync::{Command, Lease, Standing},
};
use protocol::message::EnrolPolicy;

/// One step. A kill never undoes a step that was made; a power cut undoes what was not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything in the outbox is on the disk.
    FlushOutbox,
    /// The gallery is asked for every removed face with the very vector it had, which is read from the cache. The answer
    /// may come while the next steps are made.
    Probe,
    /// The cache is written, in one transaction with the standing and the lease.
    WriteCache(Flush),
    /// The cache's log is moved into the file and emptied; whatever was written to the cache is on the disk then.
    EmptyCacheLog,
    /// The outbox is written, in one transaction with the standing and the receipts.
    WriteOutbox(Flush),
    /// The same of the outbox's log, if a face may be in it.
    EmptyOutboxLog,
    /// The visits are in the outbox, and on the disk.
    StoreVisits,
    /// The faces that they propose are in the cache, and on the disk.
    StoreFaces,
    /// The receipts may be reported.
    KeepReceipts,
    /// The live gallery knows what was stored.
    Learn,
    /// Recognition goes on under the lease that was stored.
    Renew,
    /// The messages are acknowledged.
    Acknowledge,
    /// What was held back until this is stored is sent, and what is stored may be reported.
    Send,
}

/// What the files hold, as far as the order depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnDisk {
    /// The standing in the outbox.
    pub standing: Standing,
    /// The lease in the cache.
    pub lease: Option<(Lease, EnrolPolicy)>,
}

impl Step {
    /// Whether it is made on the files, by whoever owns them; the others are made by the rules task.
    pub fn is_on_disk(self) -> bool {
        match self {
            Self::FlushOutbox
            | Self::Probe
            | Self::WriteCache(_)
            | Self::EmptyCacheLog
            | Self::WriteOutbox(_)
            | Self::EmptyOutboxLog
            | Self::StoreVisits
            | Self::StoreFaces => true,
            Self::KeepReceipts | Self::Learn | Self::Renew | Self::Acknowledge | Self::Send => false,
        }
    }

    /// The crash point that is passed when it is made. A kill undoes no commit and takes nothing from memory that would
    /// last: so what only flushes, only reads, or is only in memory has none.
    pub fn point(self) -> Option<&'static str> {
        match self {
            Self::WriteCache(_) => Some("edge_cache_committed"),
            Self::EmptyCacheLog => Some("edge_log_emptied"),
            Self::WriteOutbox(_) => Some("edge_outbox_written"),
            Self::EmptyOutboxLog => Some("edge_outbox_log_emptied"),
            Self::StoreVisits => Some("edge_visit_stored_before_face"),
            Self::StoreFaces => Some("edge_faces_stored"),
            Self::Renew => Some("edge_stored_before_acknowledged"),
            Self::Acknowledge => Some("edge_acknowledged_before_reported"),
            Self::FlushOutbox | Self::Probe | Self::KeepReceipts | Self::Learn | Self::Send => None,
        }
    }
}

/// The steps of a batch, when the files hold `on_disk`. Only [`Step::KeepReceipts`] and what follows it is made where nothing
/// has to be stored.
pub fn plan(batch: &Batch, on_disk: &OnDisk) -> Vec<Step> {
    let Batch { commands, visits, after, .. } = batch;
    let mut steps = Vec::new();
    let erases = commands.iter().any(Command::erases);
    let renewed = after.lease.is_some() && after.lease != on_disk.lease;
    let begins = after.standing.epoch != on_disk.standing.epoch;
    let in_cache = renewed || commands.iter().any(Command::concerns_cache);
    let lasts = renewed || commands.iter().any(Command::must_last);
    if in_cache {
        if begins {
            // The cache will tell of the new epoch only, and then the outbox alone has to tell of the old one.
            steps.push(Step::FlushOutbox);
        }
        if commands.iter().any(|command| matches!(command, Command::Remove { .. })) {
            // The vector is read before it is erased. The gallery has lost the face already.
            steps.push(Step::Probe);
        }
        // The cache before the outbox: it notes in the transaction of a removal that a receipt is owed, so that the
        // receipt can be written again whatever becomes of the outbox. Emptying the log flushes, so that a removal need not
        // be flushed twice.
        steps.push(Step::WriteCache(if lasts && !erases { Flush::AtCommit } else { Flush::Later }));
    }
    if erases {
        // Before the receipt: a face that is in the log can be had again.
        steps.push(Step::EmptyCacheLog);
    }
    if commands.iter().any(Command::concerns_outbox) || after.standing != on_disk.standing {
        // Where the cache has the standing too, and no epoch begins, it is on the disk with the next visit, the next
        // emptying of the log or the next idle moment. A power cut before that costs nothing but work: receipts are
        // still owed by the cache, and visits are sent again and stored once.
        let later = lasts && !begins;
        steps.push(Step::WriteOutbox(if later { Flush::Later } else { Flush::AtCommit }));
    }
    if erases {
        // A visit that proposed the face held it too.
        steps.push(Step::EmptyOutboxLog);
    }
    if !visits.is_empty() {
        // On what they were decided is stored before them.
        steps.push(Step::StoreVisits);
    }
    if visits.iter().any(|visit| visit.face().is_some()) {
        // The visit first: a face without one would wait for an answer for ever.
        steps.push(Step::StoreFaces);
    }
    steps.extend(AFTER);
    steps
}

/// The steps of a start, for the removals whose receipt the website does not hold (`batch` has them once more): a kill may
/// have come before the logs were emptied, and a power cut before the outbox was on the disk. Whatever was written and not
/// flushed before the kill becomes durable before anything is reported of it.
pub fn plan_of_start(batch: &Batch, on_disk: &OnDisk) -> Vec<Step> {
    let mut steps = vec![Step::EmptyCacheLog];
    if !batch.commands.is_empty() || batch.after.standing != on_disk.standing {
        // The cache was not written in this batch, so that nobody else tells of the standing.
        steps.push(Step::WriteOutbox(Flush::AtCommit));
    }
    steps.push(Step::EmptyOutboxLog);
    steps.extend(AFTER);
    steps
}

/// Everything is stored. Receipts first, because a report that has the standing of the batch must have them. An
/// acknowledgement takes the message from the broker, so that it comes after whatever a lost message would have brought; and
/// nobody is told of what could still be lost.
pub const AFTER: [Step; 5] = [Step::KeepReceipts, Step::Learn, Step::Renew, Step::Acknowledge, Step::Send];

impl OnDisk {
    /// What the files hold once these steps of a batch are made.
    #[must_use]
    pub fn after(self, steps: &[Step], batch: &Batch) -> Self {
        let made = |wanted: fn(&Step) -> bool| steps.iter().any(wanted);
        Self {
            standing: if made(|step| matches!(step, Step::WriteOutbox(_))) {
                batch.after.standing
            } else {
                self.standing
            },
            lease: if made(|step| matches!(step, Step::WriteCache(_))) {
                batch.after.lease
            } else {
                self.lease
            },
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
