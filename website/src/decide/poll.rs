//! Where an answer to a box that polls begins, and what it brings the box to.

use super::totals::Totals;
use protocol::{Epoch, Seq};

/// What a box holds once it has taken in an answer and those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The history the seqs count in.
    pub epoch: Epoch,
    /// It knows every removal through this.
    pub removed: Seq,
    /// And every other change through this.
    pub changed: Seq,
    /// It holds every customer of its space that was enrolled through this. Pages tell each row once, at its newest seq, so
    /// until the last page is there a row that was enrolled long ago can be missing.
    pub held: Seq,
    /// Whether the answer told all there was.
    pub end: End,
}

/// Whether an answer told all there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It did.
    Whole,
    /// There was more than it had room for.
    Cut,
}

/// What a box has confirmed by naming an answer in its next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The history the seqs count in; 0 before the first.
    pub epoch: Epoch,
    /// It knows every removal through this.
    pub removed: Seq,
    /// And every other change through this; 0 of a box that asks for removals only.
    pub changed: Seq,
}

impl Confirmed {
    /// Nothing.
    pub const NOTHING: Confirmed = Confirmed { epoch: Epoch(0), removed: Seq(0), changed: Seq(0) };

    /// Through which seq it knows everything that it asks for.
    pub fn everything(&self) -> Seq {
        if self.changed == Seq(0) { self.removed } else { self.changed }
    }

    /// What is confirmed by naming an answer that has brought the box to `reach`.
    pub fn by(reach: &Reach) -> Confirmed {
        Confirmed { epoch: reach.epoch, removed: reach.removed, changed: reach.changed }
    }
}

/// What a box's question refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Nothing that is known: whatever it holds, it is told everything.
    Everything,
    /// The answer that has brought it to this.
    After(Reach),
    /// A time of its own making.
    Time {
        /// What the first answer to the question before this one has brought it to.
        told: Option<Reach>,
        /// How that time compares with the log.
        logged: Logged,
    },
}

/// How a time, less its overlap, compares with the log of a location's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// It is still to come: the box's clock or ours is wrong.
    Future,
    /// It is older than the log, or as old.
    Older,
    /// This is the lowest seq of a change made at it or later. With a clock that went back, later seqs can be dated
    /// earlier: they are told all the same.
    First(Seq),
    /// No change was made since.
    Nothing,
}

/// Where the answer to a question begins: what the box holds at least. In doubt it holds nothing, and is told everything.
///
/// A box that makes times of its own names no answer. But it makes a new one only when it has taken in an answer to the
/// question before, and the first of those answers tells least; so it is not left behind that, whatever its clock says.
/// It is told what was logged since its time as well, for one that makes a new time though no answer has come. Not
/// within a run of pages, though: with each page the overlap would begin again, and the run not end.
pub fn begin(question: Question, totals: &Totals) -> Reach {
    let nothing =
        Reach { epoch: totals.epoch, removed: Seq(0), changed: Seq(0), held: Seq(0), end: End::Whole };
    let known = |reach: &Reach| {
        reach.epoch == totals.epoch && reach.removed.max(reach.changed).max(reach.held) <= totals.seq
    };
    match question {
        Question::After(reach) if known(&reach) => reach,
        Question::Time { told: Some(told), .. } if known(&told) && told.end == End::Cut => told,
        Question::Time { told: Some(told), logged } if known(&told) => match logged {
            Logged::Future | Logged::Older => nothing,
            Logged::Nothing => told,
            Logged::First(seq) => {
                let before = Seq(seq.0.saturating_sub(1));
                Reach {
                    removed: told.removed.min(before),
                    changed: told.changed.min(before),
                    held: told.held.min(before),
                    ..told
                }
            }
        },
        Question::Everything | Question::After(_) | Question::Time { .. } => nothing,
    }
}

/// What a box is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Removals only.
    Removals,
    /// Every change.
    Changes,
}

impl Reach {
    /// The seq after which an answer begins that tells `told`.
    pub fn after(&self, told: Told) -> Seq {
        match told {
            Told::Removals => self.removed,
            Told::Changes => self.changed,
        }
    }

    /// What a box that holds this holds after an answer, read in the snapshot at `totals`, that tells `told` through
    /// `through`.
    #[must_use]
    pub fn then(self, told: Told, through: Seq, totals: &Totals) -> Reach {
        let end = if through < totals.seq { End::Cut } else { End::Whole };
        match told {
            Told::Removals => Reach { removed: through.max(self.removed), end, ..self },
            Told::Changes => Reach {
                removed: through.max(self.removed),
                changed: through,
                held: if end == End::Whole { through } else { self.held },
                end,
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Digest;

    const TOTALS: Totals =
        Totals { epoch: Epoch(7), seq: Seq(50), count: 3, digest: Digest::EMPTY, last_removal: Seq(40) };

    fn reach(epoch: u64, removed: u64, changed: u64, held: u64, end: End) -> Reach {
        Reach { epoch: Epoch(epoch), removed: Seq(removed), changed: Seq(changed), held: Seq(held), end }
    }

    #[test]
    fn an_answer_begins_at_what_the_box_holds_for_certain_and_in_doubt_at_nothing() {
        use End::{Cut, Whole};
        let nothing = reach(7, 0, 0, 0, Whole);
        let (whole, cut) = (reach(7, 45, 40, 40, Whole), reach(7, 45, 40, 12, Cut));
        let time = |told, logged| Question::Time { told, logged };
        for (question, expected) in [
            (Question::Everything, nothing),
            (Question::After(whole), whole),
            (Question::After(cut), cut),
            (Question::After(reach(7, 50, 50, 50, Whole)), reach(7, 50, 50, 50, Whole)),
            // A restored database, and one that was put back by hand.
            (Question::After(reach(6, 45, 40, 40, Whole)), nothing),
            (Question::After(reach(7, 51, 40, 40, Whole)), nothing),
            (Question::After(reach(7, 45, 51, 40, Whole)), nothing),
            // Of a time nothing follows where no answer was given in this history.
            (time(None, Logged::Nothing), nothing),
            (time(None, Logged::First(Seq(45))), nothing),
            (time(Some(reach(6, 45, 40, 40, Whole)), Logged::First(Seq(45))), nothing),
            // The earlier of the answer and the time counts.
            (time(Some(whole), Logged::First(Seq(48))), whole),
            (time(Some(whole), Logged::First(Seq(43))), reach(7, 42, 40, 40, Whole)),
            (time(Some(whole), Logged::First(Seq(11))), reach(7, 10, 10, 10, Whole)),
            (time(Some(whole), Logged::First(Seq(0))), nothing),
            (time(Some(whole), Logged::Nothing), whole),
            (time(Some(whole), Logged::Future), nothing),
            (time(Some(whole), Logged::Older), nothing),
            // Within a run of pages only the answer.
            (time(Some(cut), Logged::First(Seq(11))), cut),
            (time(Some(cut), Logged::Older), cut),
        ] {
            assert_eq!(begin(question, &TOTALS), expected, "{question:?}");
        }
    }

    #[test]
    fn an_answer_brings_a_box_no_further_than_it_tells() {
        use End::{Cut, Whole};
        let held = reach(7, 30, 20, 10, Whole);
        for (told, through, expected) in [
            (Told::Removals, 50, reach(7, 50, 20, 10, Whole)),
            (Told::Removals, 41, reach(7, 41, 20, 10, Cut)),
            (Told::Changes, 50, reach(7, 50, 50, 50, Whole)),
            (Told::Changes, 41, reach(7, 41, 41, 10, Cut)),
            // Removals it knows already are told again, and it does not forget that it knows them.
            (Told::Changes, 25, reach(7, 30, 25, 10, Cut)),
        ] {
            assert_eq!(held.then(told, Seq(through), &TOTALS), expected, "{told:?} through {through}");
        }
    }
}
