//! When an edge repairs its rows, how long it waits for answers, and when it gives its rows up.

use super::{now::Ran, talk::Talk};
use protocol::{Epoch, FaceId, Round, Seq, UnixMs, message::RepairCounts};
use serde::{Deserialize, Serialize};

/// A round that has not got on for this long is over, and proves nothing.
const ANSWER_MS: i64 = 10_000;
/// A completed round waits so long for a head that tells whether it has helped.
const HEAD_MS: i64 = 150_000;
/// Between two rounds; doubles with every one that has not helped.
const PAUSE_MS: i64 = 2_000;
const PAUSE_MS_MAX: i64 = 60_000;
/// After so many completed rounds that have not helped the rows are given up.
const ROUNDS_MAX: u32 = 3;
/// Faces named in a diagnosis.
const FACES_MAX: usize = 64;

/// What made an edge begin a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its first fill was not complete.
    FirstStart,
    /// It is behind the head.
    Missed,
    /// It has come to the head's seq with other rows.
    Digest,
    /// A new epoch began.
    Epoch,
    /// It has given its rows up.
    Quarantine,
    /// The website asked.
    Asked,
}

/// Which rows still differed when the rows were given up. Their content is nowhere in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// When, by the wall clock.
    pub at: UnixMs,
    /// The history `as_of` counts in.
    pub epoch: Epoch,
    /// As of which seq the last roster was.
    pub as_of: Seq,
    /// How many rows differed from it.
    pub rows: u64,
    /// The first of them.
    pub faces: Vec<FaceId>,
}

/// Everything about repairing.
#[derive(Debug, Clone)]
pub struct Repairs {
    /// A random number; rounds count on from it.
    seed: u64,
    stage: Stage,
    begun: u64,
    completed: u32,
    attempts: u32,
    not_before: Ran,
    asked: bool,
    given_up: bool,
    counts: RepairCounts,
    /// What differed in the round that goes on or was completed last.
    differed: (u64, Vec<FaceId>),
}

#[derive(Debug, Clone)]
enum Stage {
    Rest,
    Talk(Talk),
    /// A round is complete. Only a later head tells whether it has helped.
    Complete {
        as_of: Seq,
        at: Ran,
        verdict: Verdict,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Open,
    Differs,
}

/// What to do as time goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Wait,
    /// Begin a round.
    Begin,
    /// Give the rows up; as of this seq they still differ.
    GiveUp(Seq),
}

impl Repairs {
    /// Nothing goes on. `seed` is a random number of this start.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            stage: Stage::Rest,
            begun: 0,
            completed: 0,
            attempts: 0,
            not_before: Ran(0),
            asked: false,
            given_up: false,
            counts: RepairCounts::default(),
            differed: (0, Vec::new()),
        }
    }

    /// Rounds begun so far, by reason.
    pub fn counts(&self) -> RepairCounts {
        self.counts
    }

    /// Whether the website has asked, and no round has begun since.
    pub fn asked(&self) -> bool {
        self.asked
    }

    /// Whether the rows were given up and not right since.
    pub fn given_up(&self) -> bool {
        self.given_up
    }

    /// The website asks for a round.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// What to do at `now`, when the rows are in real doubt, or are not. Nothing waits for ever: neither for an answer
    /// nor for a head.
    pub fn next(&mut self, doubted: bool, now: Ran) -> Next {
        match &self.stage {
            Stage::Rest if (self.asked || doubted) && now >= self.not_before => return Next::Begin,
            Stage::Rest => {}
            Stage::Talk(talk) if now.since(talk.heard_at()) >= ANSWER_MS => self.rest(now),
            Stage::Talk(_) => {}
            Stage::Complete { as_of, verdict: Verdict::Differs, .. } if doubted => {
                let as_of = *as_of;
                self.completed += 1;
                self.rest(now);
                if self.completed >= ROUNDS_MAX {
                    (self.completed, self.given_up) = (0, true);
                    return Next::GiveUp(as_of);
                }
            }
            Stage::Complete { at, .. } if now.since(*at) >= HEAD_MS => self.rest(now),
            Stage::Complete { .. } => {}
        }
        Next::Wait
    }

    /// The round is over without having helped: the next one comes after a pause.
    pub fn rest(&mut self, now: Ran) {
        self.stage = Stage::Rest;
        self.not_before = now.plus_ms((PAUSE_MS << self.attempts.min(16)).min(PAUSE_MS_MAX));
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Begins a round.
    pub fn begin(&mut self, epoch: Epoch, reason: Reason, now: Ran) -> Round {
        let RepairCounts { first_start, missed, digest, epoch: new_epoch, quarantine, asked } =
            &mut self.counts;
        *match reason {
            Reason::FirstStart => first_start,
            Reason::Missed => missed,
            Reason::Digest => digest,
            Reason::Epoch => new_epoch,
            Reason::Quarantine => quarantine,
            Reason::Asked => asked,
        } += 1;
        self.begun += 1;
        self.asked = false;
        self.differed = (0, Vec::new());
        self.not_before = now.plus_ms(PAUSE_MS);
        let round = Round(self.seed.wrapping_add(self.begun));
        self.stage = Stage::Talk(Talk::begin(epoch, round, now));
        round
    }

    /// The round that goes on.
    pub fn talk(&mut self) -> Option<&mut Talk> {
        if let Stage::Talk(talk) = &mut self.stage { Some(talk) } else { None }
    }

    /// These rows differed from the roster.
    pub fn note(&mut self, faces: impl Iterator<Item = FaceId>) {
        for face_id in faces {
            self.differed.0 += 1;
            if self.differed.1.len() < FACES_MAX {
                self.differed.1.push(face_id);
            }
        }
    }

    /// Ends the round if everything has come.
    pub fn complete(&mut self, now: Ran) {
        if let Some(as_of) = self.talk().and_then(|talk| talk.complete()) {
            self.stage = Stage::Complete { as_of, at: now, verdict: Verdict::Open };
        }
    }

    /// Everything up to `floor` is verified: a roster from before can help no more, and what was asked by it may be of
    /// somebody who is removed by now.
    pub fn overtaken(&mut self, floor: Seq, now: Ran) {
        if self.talk().and_then(|talk| talk.as_of()).is_some_and(|as_of| as_of < floor) {
            self.rest(now);
        }
    }

    /// A head at `seq` has come and does not match the rows.
    pub fn unmatched(&mut self, seq: Seq) {
        if let Stage::Complete { as_of, verdict, .. } = &mut self.stage
            && seq >= *as_of
        {
            *verdict = Verdict::Differs;
        }
    }

    /// The rows are right.
    pub fn right(&mut self) {
        self.stage = Stage::Rest;
        (self.completed, self.attempts, self.given_up) = (0, 0, false);
    }

    /// The session ended: what was asked will not be answered. What is done is not lost.
    pub fn end_session(&mut self) {
        if matches!(self.stage, Stage::Talk(_)) {
            self.stage = Stage::Rest;
        }
    }

    /// A new epoch began: rounds of the old one prove nothing.
    pub fn begin_epoch(&mut self) {
        self.stage = Stage::Rest;
        (self.completed, self.attempts) = (0, 0);
    }

    /// What still differs at `at`.
    pub fn diagnosis(&self, at: UnixMs, epoch: Epoch, as_of: Seq) -> Diagnosis {
        let (rows, faces) = self.differed.clone();
        Diagnosis { at, epoch, as_of, rows, faces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::Roster;

    fn answered(repairs: &mut Repairs, now: Ran) {
        let round = repairs.begin(Epoch(1), Reason::Digest, now);
        let (epoch, as_of_seq) = (Epoch(1), Seq(5));
        let page = Roster { epoch, round, as_of_seq, page: 0, pages: 1, buckets: vec![] };
        repairs.talk().unwrap().page(page, Seq(0), now);
        repairs.complete(now);
    }

    #[test]
    fn no_answer_is_asked_for_again_with_growing_pauses_and_never_counts() {
        let (mut repairs, mut now, mut pauses) = (Repairs::new(9), Ran(0), Vec::new());
        for _ in 0..20 {
            assert_eq!(repairs.next(true, now), Next::Begin);
            repairs.begin(Epoch(1), Reason::Missed, now);
            assert_eq!(repairs.next(true, now.plus_ms(ANSWER_MS - 1)), Next::Wait);
            now = now.plus_ms(ANSWER_MS);
            assert_eq!(repairs.next(true, now), Next::Wait);
            let over = now;
            while repairs.next(true, now) == Next::Wait {
                now = now.plus_ms(1_000);
            }
            pauses.push(now.since(over));
        }
        assert_eq!(pauses[..6], [2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
        assert_eq!((pauses[19], repairs.counts().missed), (60_000, 20));
    }

    #[test]
    fn three_completed_rounds_that_a_later_head_finds_useless_give_the_rows_up() {
        let mut repairs = Repairs::new(9);
        let mut now = Ran(0);
        for round in 1..=6 {
            answered(&mut repairs, now);
            repairs.unmatched(Seq(4));
            assert_eq!(repairs.next(true, now), Next::Wait, "an older head says nothing");
            repairs.unmatched(Seq(5));
            assert_eq!(repairs.next(false, now), Next::Wait, "messages are on their way");
            let given_up = if round % 3 == 0 { Next::GiveUp(Seq(5)) } else { Next::Wait };
            assert_eq!(repairs.next(true, now), given_up, "round {round}");
            now = now.plus_ms(PAUSE_MS_MAX);
        }
        repairs.right();
        assert!(!repairs.given_up());
    }

    #[test]
    fn a_completed_round_that_no_head_judges_is_over_after_a_while() {
        let mut repairs = Repairs::new(9);
        answered(&mut repairs, Ran(0));
        assert_eq!(repairs.next(true, Ran(HEAD_MS - 1)), Next::Wait);
        assert_eq!(repairs.next(true, Ran(HEAD_MS)), Next::Wait);
        assert_eq!(repairs.next(true, Ran(HEAD_MS + PAUSE_MS)), Next::Begin);
        assert_eq!(repairs.completed, 0);
    }
}
