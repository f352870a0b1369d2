//! What can be said of one edge and one removal.

use crate::tables::edges::Alarm;
use protocol::{Epoch, Seq, UnixMs, message::Probe};
use serde::{Deserialize, Serialize};

/// What the website holds of one edge that may have held the face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What its receipt of this removal says, if it has sent one.
    pub receipt: Option<Probe>,
    /// The newest state it has verified, in its current start.
    pub verified: Option<(Epoch, Seq)>,
    /// What is wrong with it.
    pub alarm: Alarm,
    /// When its present box joined.
    pub joined_at: UnixMs,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
}

/// What the website holds of a box that polls and may have held the face. It has no key, so it can sign nothing; and it
/// recognises as long as it likes, so no lease of it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// When it said that it has deleted the face, and when the box had joined that said it.
    pub said: Option<Said>,
    /// What is wrong with it.
    pub alarm: Alarm,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
}

/// One word of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: UnixMs,
    /// When the box that said it had joined.
    pub joined_at: UnixMs,
}

/// The removal in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The history `seq` counts in.
    pub epoch: Epoch,
    /// Its seq.
    pub seq: Seq,
    /// When.
    pub at: UnixMs,
    /// Until when whoever has not heard of it can recognise anybody.
    pub recognised_until: UnixMs,
}

/// What can be said of one edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// It signed that it removed the face and looked for it in vain.
    Removed,
    /// It signed that it held no vector of the face.
    NeverHeld,
    /// It signed that it holds exactly the website's customers of that seq or a later one.
    Verified,
    /// It has proved nothing yet; its lease may last.
    Outstanding,
    /// It has proved nothing, and every lease it can have had is over: it recognises nobody.
    LeaseOver,
    /// It signed that it still finds the face.
    StillFound,
    /// A box that polls said that it has deleted the face. Its word alone: no proof.
    Confirmed,
    /// A box that polls has not even said so, and no lease of it ends: nothing but its word will come.
    Unconfirmed,
    /// Its word does not count: two boxes have its identity, one is an image of the past or has joined anew since, it
    /// made things up, or it recognised somebody it had confirmed as removed.
    Doubtful,
}

impl Proof {
    /// Whether it settles that the edge cannot recognise the face.
    pub fn settles(self) -> bool {
        match self {
            Proof::Removed | Proof::NeverHeld | Proof::Verified | Proof::LeaseOver => true,
            Proof::Outstanding
            | Proof::Confirmed
            | Proof::Unconfirmed
            | Proof::StillFound
            | Proof::Doubtful => false,
        }
    }
}

/// What can be said of an edge at `now`. A receipt proves exactly its removal; a verified digest proves more, but
/// only in the removal's own history. An edge that joined anew since is another box: of the one before nothing is
/// known but that its lease cannot outlast the removal's.
pub fn proof(facts: &Facts, removal: &Removal, now: UnixMs) -> Proof {
    match (facts.receipt, facts.alarm) {
        (Some(Probe::StillFound), _) | (_, Alarm::StillFound) => return Proof::StillFound,
        (_, Alarm::Clone | Alarm::OldImage | Alarm::Ahead | Alarm::Rejoined | Alarm::StaleHit)
            if facts.revoked_at.is_none() =>
        {
            return Proof::Doubtful;
        }
        (Some(Probe::Gone), _) => return Proof::Removed,
        (Some(Probe::NeverHeld), _) => return Proof::NeverHeld,
        (None, _) => {}
    }
    let verified = facts.verified.is_some_and(|(epoch, seq)| epoch == removal.epoch && seq >= removal.seq);
    let same_box = facts.joined_at <= removal.at;
    if verified && same_box {
        Proof::Verified
    } else if now > removal.recognised_until {
        Proof::LeaseOver
    } else {
        Proof::Outstanding
    }
}

/// What can be said of a box that polls. Only the word of a box counts that had joined before the removal: one that took its
/// place knows nothing of what was on it. Neither revoking it nor time settles anything.
pub fn word(word: &Word, removal: &Removal) -> Proof {
    match word.alarm {
        Alarm::None => {}
        _ if word.revoked_at.is_none() => return Proof::Doubtful,
        _ => {}
    }
    match word.said {
        Some(said) if said.joined_at <= removal.at => Proof::Confirmed,
        _ => Proof::Unconfirmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_polls_has_a_word_and_settles_nothing() {
        let removal =
            Removal { epoch: Epoch(7), seq: Seq(10), at: UnixMs(100), recognised_until: UnixMs(1_000) };
        let silent = Word { said: None, alarm: Alarm::None, revoked_at: None };
        let said = |joined_at| Some(Said { at: UnixMs(300), joined_at: UnixMs(joined_at) });
        let spoke = Word { said: said(50), ..silent };
        for (facts, expected) in [
            (silent, Proof::Unconfirmed),
            (spoke, Proof::Confirmed),
            (Word { said: said(100), ..silent }, Proof::Confirmed),
            // Another box has joined in its place since.
            (Word { said: said(101), ..silent }, Proof::Unconfirmed),
            (Word { revoked_at: Some(UnixMs(200)), ..silent }, Proof::Unconfirmed),
            (Word { revoked_at: Some(UnixMs(200)), ..spoke }, Proof::Confirmed),
            (Word { alarm: Alarm::StaleHit, ..spoke }, Proof::Doubtful),
            (Word { alarm: Alarm::Rejoined, ..silent }, Proof::Doubtful),
            (Word { alarm: Alarm::Rejoined, revoked_at: Some(UnixMs(200)), ..silent }, Proof::Unconfirmed),
        ] {
            let proof = word(&facts, &removal);
            assert_eq!(proof, expected, "{facts:?}");
            assert!(!proof.settles(), "{facts:?}");
        }
    }

    #[test]
    fn only_what_an_edge_signed_or_the_end_of_its_lease_settles_a_removal() {
        use Probe::{Gone, NeverHeld, StillFound};
        let removal =
            Removal { epoch: Epoch(7), seq: Seq(10), at: UnixMs(100), recognised_until: UnixMs(1_000) };
        let facts = Facts {
            receipt: None,
            verified: None,
            alarm: Alarm::None,
            joined_at: UnixMs(50),
            revoked_at: None,
        };
        let has = |receipt| Facts { receipt: Some(receipt), ..facts };
        let at = |epoch, seq| Facts { verified: Some((Epoch(epoch), Seq(seq))), ..facts };
        let alarmed = |alarm| Facts { alarm, ..has(Gone) };
        for (facts, now, expected) in [
            (facts, 500, Proof::Outstanding),
            (facts, 1_000, Proof::Outstanding),
            (facts, 1_001, Proof::LeaseOver),
            (has(Gone), 500, Proof::Removed),
            (has(NeverHeld), 500, Proof::NeverHeld),
            (has(StillFound), 5_000, Proof::StillFound),
            (at(7, 10), 500, Proof::Verified),
            (at(7, 11), 500, Proof::Verified),
            (at(7, 9), 500, Proof::Outstanding),
            (at(8, 50), 500, Proof::Outstanding),
            (Facts { joined_at: UnixMs(200), ..at(7, 11) }, 500, Proof::Outstanding),
            (alarmed(Alarm::Clone), 500, Proof::Doubtful),
            (alarmed(Alarm::OldImage), 5_000, Proof::Doubtful),
            (alarmed(Alarm::Ahead), 500, Proof::Doubtful),
            (alarmed(Alarm::Rejoined), 500, Proof::Doubtful),
            (alarmed(Alarm::StaleHit), 500, Proof::Doubtful),
            (alarmed(Alarm::StillFound), 500, Proof::StillFound),
            (Facts { revoked_at: Some(UnixMs(300)), ..alarmed(Alarm::Clone) }, 500, Proof::Removed),
            (Facts { revoked_at: Some(UnixMs(300)), ..facts }, 500, Proof::Outstanding),
            (Facts { revoked_at: Some(UnixMs(300)), ..facts }, 1_001, Proof::LeaseOver),
        ] {
            assert_eq!(proof(&facts, &removal, UnixMs(now)), expected, "{facts:?} at {now}");
        }
    }
}
