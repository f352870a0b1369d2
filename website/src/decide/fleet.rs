//! Where an edge stands, in words that a page may show.

use super::{polls::Polls, totals::Totals};
use crate::tables::{
    edge_reports::Report,
    edges::{Alarm, Edge},
};
use protocol::{SpaceId, message::SyncState};
use std::fmt;

/// Where an edge stands. Whether it is connected right now is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Shut out.
    Revoked,
    /// No box has joined with its code yet.
    WaitsToJoin,
    /// A person must look at it.
    Alarmed(Alarm),
    /// Its model is not the one the location's faces were made with.
    Blocked {
        /// Its model's space.
        has: SpaceId,
    },
    /// It has joined and not reported yet.
    Silent,
    /// Its lease has ended: it recognises nobody.
    Expired,
    /// It has verified nothing yet.
    Filling,
    /// It says so itself, or its digest says so.
    Differs,
    /// It has verified an earlier state.
    Behind {
        /// By how many changes.
        changes: u64,
    },
    /// Its digest is the location's.
    InSync,
    /// Its box polls, which proves nothing.
    Polls(Polls),
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::Revoked => f.write_str("revoked"),
            Standing::WaitsToJoin => f.write_str("waiting to join"),
            Standing::Alarmed(Alarm::None) => f.write_str("alarm"),
            Standing::Alarmed(Alarm::OldImage) => {
                f.write_str("shut out: runs from an old image of its disk, join again")
            }
            Standing::Alarmed(Alarm::Clone) => {
                f.write_str("shut out: a second box reports as this edge, join again")
            }
            Standing::Alarmed(Alarm::Ahead) => {
                f.write_str("shut out: reports changes that were never made, join again")
            }
            Standing::Alarmed(Alarm::Rejoined) => {
                f.write_str("shut out: it has joined anew since the restored backup was made, join again")
            }
            Standing::Alarmed(Alarm::StaleHit) => {
                f.write_str("recognised somebody it had confirmed as removed")
            }
            Standing::Alarmed(Alarm::StillFound) => f.write_str("still finds a removed face"),
            Standing::Blocked { has } => write!(f, "blocked: its model ({has}) is not this location's"),
            Standing::Silent => f.write_str("joined, no report yet"),
            Standing::Expired => f.write_str("lease expired: recognises nobody"),
            Standing::Filling => f.write_str("filling"),
            Standing::Differs => f.write_str("differs"),
            Standing::Behind { changes: 1 } => f.write_str("1 change behind"),
            Standing::Behind { changes } => write!(f, "{changes} changes behind"),
            Standing::InSync => f.write_str("in sync"),
            Standing::Polls(polls) => polls.fmt(f),
        }
    }
}

/// Where `edge` stands, given what it said last, the location's counters, and the spaces of its live customers.
pub fn standing(edge: &Edge, report: Option<&Report>, totals: &Totals, spaces: &[SpaceId]) -> Standing {
    if edge.revoked_at.is_some() {
        return Standing::Revoked;
    }
    let Some(joined) = &edge.joined else { return Standing::WaitsToJoin };
    if edge.alarm != Alarm::None {
        return Standing::Alarmed(edge.alarm);
    }
    if !spaces.is_empty() && !spaces.contains(&joined.space) {
        return Standing::Blocked { has: joined.space.clone() };
    }
    let Some(report) = report.filter(|report| report.epoch == totals.epoch) else { return Standing::Silent };
    match report.state {
        SyncState::Expired => Standing::Expired,
        SyncState::Filling => Standing::Filling,
        SyncState::Differs => Standing::Differs,
        SyncState::Verified if report.applied < totals.seq => {
            Standing::Behind { changes: totals.seq.0 - report.applied.0 }
        }
        // The edge's own word is not enough.
        SyncState::Verified if report.digest == totals.digest && report.count == totals.count => {
            Standing::InSync
        }
        SyncState::Verified => Standing::Differs,
    }
}

/// The same of an edge whose box polls: its model has `space`, and this is what can be said of it.
pub fn of_polling(edge: &Edge, space: &SpaceId, polls: Polls, spaces: &[SpaceId]) -> Standing {
    if edge.revoked_at.is_some() {
        Standing::Revoked
    } else if edge.alarm != Alarm::None {
        Standing::Alarmed(edge.alarm)
    } else if !spaces.is_empty() && !spaces.contains(space) {
        Standing::Blocked { has: space.clone() }
    } else {
        Standing::Polls(polls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::edges::{Joined, Presence};
    use protocol::{
        Digest, Epoch, Nonce, RowHash, Seq, SigningKey, UnixMs,
        message::{RepairCounts, Start},
    };

    fn edge() -> Edge {
        Edge {
            id: "e1".parse().unwrap(),
            location: "berlin".parse().unwrap(),
            name: "door".into(),
            place: String::new(),
            joined: Some(Joined {
                at: UnixMs(1),
                public_key: SigningKey::from_seed([1; 32]).public(),
                space: "mobileface".parse().unwrap(),
            }),
            start: Start { count: 1, nonce: Nonce(1) },
            alarm: Alarm::None,
            alarm_at: None,
            repair_ordered_at: None,
            presence: Presence::Online,
            session: 1,
            last_seen_at: None,
            clock_offset_ms: None,
            created_at: UnixMs(0),
            revoked_at: None,
        }
    }

    fn report(epoch: u64, applied: u64, digest: u128, count: u64, state: SyncState) -> Report {
        Report {
            epoch: Epoch(epoch),
            applied: Seq(applied),
            digest: Digest::of([RowHash(digest)]),
            count,
            state,
            reported_at: UnixMs(0),
            received_at: UnixMs(0),
            lease_until: UnixMs(0),
            queued: 0,
            refused: 0,
            repairs: RepairCounts::default(),
        }
    }

    #[test]
    fn in_sync_is_said_only_of_an_equal_digest() {
        use SyncState::{Differs, Expired, Filling, Verified};
        let totals = Totals {
            epoch: Epoch(7),
            seq: Seq(10),
            count: 3,
            digest: Digest::of([RowHash(5)]),
            last_removal: Seq(0),
        };
        for (said, expected) in [
            (report(7, 10, 5, 3, Verified), "in sync"),
            (report(7, 10, 6, 3, Verified), "differs"),
            (report(7, 10, 5, 4, Verified), "differs"),
            (report(7, 9, 5, 3, Verified), "1 change behind"),
            (report(7, 2, 5, 3, Verified), "8 changes behind"),
            (report(8, 10, 5, 3, Verified), "joined, no report yet"),
            (report(7, 10, 5, 3, Differs), "differs"),
            (report(7, 0, 5, 3, Filling), "filling"),
            (report(7, 10, 5, 3, Expired), "lease expired: recognises nobody"),
        ] {
            assert_eq!(standing(&edge(), Some(&said), &totals, &[]).to_string(), expected, "{said:?}");
        }
        let good = report(7, 10, 5, 3, Verified);
        let spaces = ["other".parse().unwrap()];
        assert!(matches!(standing(&edge(), Some(&good), &totals, &spaces), Standing::Blocked { .. }));
        let other = |change: fn(&mut Edge)| {
            let mut edge = edge();
            change(&mut edge);
            standing(&edge, Some(&good), &totals, &[])
        };
        assert_eq!(other(|edge| edge.revoked_at = Some(UnixMs(1))), Standing::Revoked);
        assert_eq!(other(|edge| edge.joined = None), Standing::WaitsToJoin);
        assert_eq!(other(|edge| edge.alarm = Alarm::Clone), Standing::Alarmed(Alarm::Clone));
        assert_eq!(standing(&edge(), None, &totals, &[]), Standing::Silent);
    }
}
