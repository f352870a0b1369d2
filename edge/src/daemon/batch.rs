//! What was ruled and is to be stored together, and what waits for its turn.

use crate::{
    store::CountedVisit,
    sync::{Claim, Command, Lease, Standing},
};
use protocol::message::{EnrolPolicy, Report};
use std::collections::VecDeque;

/// What is stored together: first the commands, then the visits.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which. Batches are numbered in the order in which they are stored.
    pub number: u64,
    /// How many inputs it is of.
    pub inputs: usize,
    /// What was ruled.
    pub commands: Vec<Command>,
    /// What was counted after that.
    pub visits: Vec<CountedVisit>,
    /// Where the rules stood after it.
    pub after: After,
}

/// Where the rules stood after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// What must not be forgotten.
    pub standing: Standing,
    /// The lease, and the enrol policy that came with it.
    pub lease: Option<(Lease, EnrolPolicy)>,
    /// What may be reported once the batch is stored.
    pub claim: Claim,
}

/// Batches that wait while another one is stored. Whatever comes goes into the last one: but a visit ends it for
/// commands, because a command means what was counted before it too (a removal takes the face from the visit).
#[derive(Debug)]
pub struct Pending {
    batches: VecDeque<Batch>,
    next_number: u64,
}

impl Pending {
    /// Nothing waits; the first batch will have this number.
    pub fn begin(number: u64) -> Self {
        Self { batches: VecDeque::new(), next_number: number }
    }

    /// Adds what was ruled on one input, and where the rules stand now. Answers with the number of its batch.
    pub fn rule(&mut self, commands: Vec<Command>, after: After) -> u64 {
        if commands.iter().any(|command| matches!(command, Command::Say(Report::Repair(_)))) {
            // A round that begins ends the one before: what that still had to say would be ignored.
            let said = |command: &Command| matches!(command, Command::Say(_));
            self.batches.iter_mut().for_each(|batch| batch.commands.retain(|command| !said(command)));
        }
        let only_says = commands.iter().all(|command| matches!(command, Command::Say(_)));
        let batch = self.last(after, !commands.is_empty());
        batch.inputs += usize::from(!only_says);
        batch.commands.extend(commands);
        batch.after = after;
        batch.number
    }

    /// Adds a visit, and where the rules stand now. Answers with the number of its batch.
    pub fn count(&mut self, visit: CountedVisit, after: After) -> u64 {
        let batch = self.last(after, false);
        batch.inputs += 1;
        batch.visits.push(visit);
        batch.after = after;
        batch.number
    }

    /// The last batch, or a new one where that may not be added to.
    fn last(&mut self, after: After, commands: bool) -> &mut Batch {
        if self.batches.back().is_none_or(|last| commands && !last.visits.is_empty()) {
            let number = self.next_number;
            self.next_number += 1;
            let (commands, visits) = (Vec::new(), Vec::new());
            self.batches.push_back(Batch { number, inputs: 0, commands, visits, after });
        }
        // There is one now.
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }

    /// The batch to be stored next.
    pub fn first(&self) -> Option<&Batch> {
        self.batches.front()
    }

    /// Takes the batch to be stored next.
    pub fn take(&mut self) -> Option<Batch> {
        self.batches.pop_front()
    }

    /// Takes every visit out, the newest first: they cannot be stored.
    pub fn take_visits(&mut self) -> Vec<CountedVisit> {
        let batches = self.batches.iter_mut().rev();
        batches.flat_map(|batch| std::mem::take(&mut batch.visits).into_iter().rev()).collect()
    }

    /// Everything that was ruled and waits, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.batches.iter().flat_map(|batch| &batch.commands)
    }

    /// How many inputs wait that anything has followed from.
    pub fn inputs(&self) -> usize {
        self.batches.iter().map(|batch| batch.inputs).sum()
    }

    /// How many visits wait.
    pub fn visits(&self) -> usize {
        self.batches.iter().map(|batch| batch.visits.len()).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}
