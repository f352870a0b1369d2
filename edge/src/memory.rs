//! What a running edge has in mind: whom it recognises, and who is in the store. What each command means for it is said
//! here and nowhere else, for the daemon and for the simulator.

use crate::{
    live::Live,
    presence::Presence,
    store::Owed,
    sync::{Command, Fate, Put, Rows},
};
use protocol::{
    FaceId, Seq, UnixMs,
    message::{Probe, Receipt},
};
use std::sync::Arc;

/// Gallery and stays.
#[derive(Debug)]
pub struct Memory {
    /// Whom the edge recognises.
    pub live: Arc<Live>,
    /// Who is in the store.
    pub presence: Presence,
}

impl Memory {
    /// Forgets whom `command` says must be forgotten, before anything of it is stored: nobody is recognised while a
    /// file is being written. Answers with whom the website had removed or does not have, as of which seq.
    pub fn forget<'c>(&mut self, command: &'c Command) -> Option<(&'c FaceId, Seq)> {
        match command {
            Command::Remove { key, merged_into } => {
                self.live.remove(&key.face_id);
                match merged_into {
                    Some(into) => self.presence.merged(&key.face_id, into),
                    None => self.presence.forget(&key.face_id),
                }
                return Some((&key.face_id, key.seq));
            }
            Command::Drop { face_id, as_of } => {
                self.live.remove(face_id);
                self.presence.forget(face_id);
                return Some((face_id, *as_of));
            }
            Command::GiveUp(_) => self.live.clear(),
            Command::EndProvisional(face_id, Fate::Customer) => self.presence.confirmed(face_id),
            Command::EndProvisional(face_id, Fate::Declined) => {
                self.live.remove(face_id);
                self.presence.declined(face_id);
            }
            Command::EndProvisional(face_id, Fate::Nobody) => {
                self.live.remove(face_id);
                self.presence.forget(face_id);
            }
            _ => {}
        }
        None
    }

    /// Knows from now on whom `command` has stored, unless a later command has replaced or removed the row: `rows` are
    /// those after all of them. Answers with what was learned.
    pub fn learn<'c>(&self, command: &'c Command, rows: &Rows) -> Option<&'c Put> {
        let Command::Put(put) = command else { return None };
        let row = rows.get(&put.face_id)?;
        ((row.seq, row.epoch) == (put.seq, put.epoch)).then(|| {
            self.live.put(&put.face_id, &put.customer);
            &**put
        })
    }

    /// The receipt of a removal that is durable. `found` are the removed faces that the gallery still answered with
    /// when it was asked for their very vectors.
    pub fn receipt(&self, owed: Owed, found: &[FaceId], removed_at: UnixMs) -> Receipt {
        let Owed { key, held } = owed;
        let still = found.contains(&key.face_id) || self.live.contains(&key.face_id);
        let probe = match (still, held) {
            (true, _) => Probe::StillFound,
            (false, true) => Probe::Gone,
            (false, false) => Probe::NeverHeld,
        };
        Receipt { key, removed_at, probe }
    }
}
