//! From a letter to an event; and how a rule that is left out shows in what the core hears.

use super::{Did, EdgeBox};
use crate::{letter::Down, people, rules::Rule};
use edge::{
    store::Flush,
    sync::{Core, Diagnosis, Event, Now},
};
use protocol::{
    Epoch, RowHash, Seq, StreamId,
    message::{BucketRoster, Change, CustomerState, Head, Inbox, Roster},
};

impl EdgeBox {
    /// Takes in a letter.
    pub fn hear(&mut self, number: Option<u64>, letter: Down, at: i64, did: &mut Did) {
        if self.daemon.is_none() {
            return;
        }
        let event = match letter {
            Down::Change(change) => {
                let change = self.relabel(change);
                self.doctor(&change, at);
                Event::Change(Box::new(change.clone()), hash(&change))
            }
            Down::Cleared(_) => Event::Cleared,
            Down::Head(head) => Event::Head(self.behead(head)),
            Down::Inbox(Inbox::Roster(roster)) => Event::Roster(self.blur(roster)),
            Down::Inbox(Inbox::Change { round, change }) => {
                let change = self.relabel(change);
                Event::Wanted(round, Box::new(change.clone()), hash(&change))
            }
            Down::Inbox(Inbox::Settled(mut settled)) => {
                if self.rules.lack(Rule::EpochCheck) {
                    settled.epoch = self.epoch().unwrap_or(settled.epoch);
                }
                Event::Settled(settled)
            }
            Down::Inbox(Inbox::ReceiptsStored(stored)) => Event::ReceiptsStored(stored.receipts),
            Down::Inbox(Inbox::Command(order)) => Event::Order(order),
        };
        let batch = self.apply(event, at, did);
        if let Some(daemon) = &mut self.daemon {
            daemon.unacknowledged.extend(number.map(|number| (batch, number)));
        }
    }

    fn epoch(&self) -> Option<Epoch> {
        self.daemon.as_ref()?.core.standing().epoch
    }

    /// Without the epoch check, whatever comes is taken to be of the present epoch.
    fn relabel(&self, mut change: Change) -> Change {
        if self.rules.lack(Rule::EpochCheck) {
            change.epoch = self.epoch().unwrap_or(change.epoch);
        }
        change
    }

    /// Without an end for provisional faces, no head tells of removals.
    fn behead(&self, mut head: Head) -> Head {
        if self.rules.lack(Rule::ProvisionalEnd) {
            head.last_removal = Seq(0);
        }
        head
    }

    /// Without the floor or the seq guard, what they would hold back is forgotten before the change is heard.
    fn doctor(&mut self, change: &Change, at: i64) {
        let Some(daemon) = &self.daemon else { return };
        let rows = daemon.core.rows();
        let ours = rows.epoch() == Some(change.epoch);
        let below = ours && change.seq <= rows.floor();
        if self.rules.lack(Rule::Floor) && below {
            self.commit(at, &mut || true, &mut Did::default());
            let below = Seq(change.seq.0.saturating_sub(1));
            self.disk.damage(|cache, outbox| {
                for standing in [&mut outbox.standing, &mut cache.position] {
                    standing.floor = standing.floor.min(below);
                }
            });
            self.reload(at);
        } else if self.rules.lack(Rule::SeqGuard) && ours && !below {
            self.commit(at, &mut || true, &mut Did::default());
            self.disk.damage(|cache, _| {
                cache.rows.remove(&change.face_id);
                cache.dropped.remove(&change.face_id);
            });
            self.reload(at);
        }
    }

    /// The core as it would be if it had never known anything but what is on disk.
    fn reload(&mut self, at: i64) {
        let system = self.system(at);
        let loaded = self.disk.load();
        let Some(daemon) = &mut self.daemon else { return };
        let now: Now = daemon.now(system, at);
        // Only what the rule is about is to be forgotten: the numbers of visits are not.
        daemon.stream = StreamId(daemon.stream.0.wrapping_add(1));
        daemon.core = Core::load(loaded, daemon.stream, now);
        daemon.core.bound_visits(self.visits_max);
        daemon.core.apply(Event::SessionBegan, now, &mut vec![]);
        daemon.on_disk = self.disk.state();
    }

    /// Without row hashes a roster tells only seqs apart; without dropping it names whatever the edge holds.
    fn blur(&self, mut roster: Roster) -> Roster {
        let Some(daemon) = &self.daemon else { return roster };
        let rows = daemon.core.rows();
        if self.rules.lack(Rule::RowHash) {
            for row in roster.buckets.iter_mut().flat_map(|bucket| &mut bucket.rows) {
                if let Some(ours) = rows.get(&row.face_id).filter(|ours| ours.seq == row.seq) {
                    row.hash = ours.hash.short();
                }
            }
        }
        if self.rules.lack(Rule::Drop) {
            for BucketRoster { bucket, rows: listed } in &mut roster.buckets {
                for (face_id, row) in rows.iter().filter(|(face, _)| protocol::bucket_of(face) == *bucket) {
                    if let Err(place) = listed.binary_search_by(|row| row.face_id.cmp(face_id)) {
                        let (seq, hash) = (row.seq, row.hash.short());
                        let face_id = face_id.clone();
                        listed.insert(place, protocol::message::RosterRow { face_id, seq, hash });
                    }
                }
            }
        }
        roster
    }

    /// Without counting only completed rounds, three questions without a verified answer are enough.
    pub(super) fn give_up_uncounted(&mut self, at: i64, did: &mut Did) {
        let why = Diagnosis { at: self.system(at), epoch: Epoch(0), as_of: Seq(0), rows: 0, faces: vec![] };
        let standing = self.disk.standing();
        let give_up = [edge::sync::Command::GiveUp(why)];
        self.disk.write_cache(&give_up, &standing, None, Flush::AtCommit);
        did.gave_up = true;
        if let Some(daemon) = &mut self.daemon {
            daemon.rounds = 0;
            daemon.memory.live.clear();
            daemon.memory.live.renew(None);
        }
        self.reload(at);
    }

    /// A box whose rows were lost or are another time's.
    pub fn rows_are_others(&mut self) {
        self.highest.clear();
    }
}

fn hash(change: &Change) -> Option<RowHash> {
    match &change.state {
        CustomerState::Live(customer) => {
            Some(people::digest_key().hash(&change.face_id, change.seq, customer))
        }
        CustomerState::Removed { .. } => None,
    }
}
