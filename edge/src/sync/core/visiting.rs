//! Visits on their way up, and the edge's own faces that go with them.

use super::Core;
use crate::sync::{
    command::{Command, Fate},
    now::Now,
    outbox::{VisitKey, Weight},
};
use protocol::{Epoch, FaceId, Seq, message::Settled};

impl Core {
    /// At most so many visits wait from now on, instead of [`WAITING_MAX`](crate::sync::WAITING_MAX).
    pub fn bound_visits(&mut self, waiting_max: usize) {
        self.outbox.bound(waiting_max);
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

    /// The newest visit could not be stored: it was never made, and the face it proposed, if any, is nobody's.
    pub fn take_back(&mut self, key: VisitKey, proposed: Option<&FaceId>) {
        if let Some(face_id) = proposed {
            self.provisional.end(face_id);
        }
        self.outbox.take_back(key);
    }

    /// The visits to send at `now`, see [`Outbox::to_send`]; none while there is no session.
    pub fn visits_to_send(&mut self, now: Now) -> Vec<(VisitKey, u64)> {
        if self.online { self.outbox.to_send(now.ran) } else { Vec::new() }
    }

    pub(super) fn settled(&mut self, settled: &Settled, out: &mut Vec<Command>) {
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

    pub(super) fn end_provisional(&mut self, ended: Vec<FaceId>, fate: Fate, out: &mut Vec<Command>) {
        for face_id in ended {
            self.outbox.scrub(&face_id);
            out.push(Command::EndProvisional(face_id, fate));
        }
    }
}
