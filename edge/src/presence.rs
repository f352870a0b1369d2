//! Who is in the store: a visit is counted once per stay. Pure; the time of each sighting is an argument.

use protocol::{FaceId, UnixMs};
use std::{collections::HashMap, fmt};

/// How many people without identity are told apart at once; beyond it the one not seen for longest is forgotten.
const STRANGERS_MAX: usize = 1_000;

/// The stays going on.
pub struct Presence {
    away_ms: i64,
    same: f32,
    stays: HashMap<FaceId, UnixMs>,
    /// The faces of stays that began with a face nobody knew, while the website has not answered.
    minted: HashMap<FaceId, Vec<f32>>,
    /// People counted without identity: their faces are kept in memory for as long as they stay, and nowhere else.
    strangers: Vec<(Vec<f32>, UnixMs)>,
}

/// What a sighting means for the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A stay begins: count it.
    Arrives,
    /// The person has been counted.
    Stays,
}

impl Presence {
    /// Nobody is there. A stay ends `away_ms` after the last sighting; two strangers more alike than `same` are one.
    pub fn new(away_ms: i64, same: f32) -> Self {
        Self { away_ms, same, stays: HashMap::new(), minted: HashMap::new(), strangers: Vec::new() }
    }

    /// A customer is seen.
    pub fn seen(&mut self, face_id: &FaceId, at: UnixMs) -> Arrival {
        self.end_stays(at);
        match self.stays.get_mut(face_id) {
            Some(last) => {
                *last = at.max(*last);
                Arrival::Stays
            }
            None => {
                self.stays.insert(face_id.clone(), at);
                Arrival::Arrives
            }
        }
    }

    /// Somebody without identity is seen; `face` is of length one.
    pub fn stranger_seen(&mut self, face: &[f32], at: UnixMs) -> Arrival {
        if self.stranger_stays(face, at) {
            return Arrival::Stays;
        }
        self.add_stranger(face.to_vec(), at);
        Arrival::Arrives
    }

    /// Whether this is somebody without identity who has been counted.
    pub fn stranger_stays(&mut self, face: &[f32], at: UnixMs) -> bool {
        self.end_stays(at);
        let cosine = |other: &[f32]| other.iter().zip(face).map(|(a, b)| a * b).sum::<f32>();
        let stranger = self.strangers.iter_mut().find(|(other, _)| cosine(other) >= self.same);
        stranger.map(|(_, last)| *last = at.max(*last)).is_some()
    }

    fn add_stranger(&mut self, face: Vec<f32>, at: UnixMs) {
        if self.strangers.len() >= STRANGERS_MAX {
            let oldest = self.strangers.iter().enumerate().min_by_key(|(_, (_, last))| *last).map(|(n, _)| n);
            oldest.map(|n| self.strangers.swap_remove(n));
        }
        self.strangers.push((face, at));
    }

    /// A face nobody knew is seen, and becomes one of the edge's own; `face` is of length one.
    pub fn minted(&mut self, face_id: &FaceId, face: &[f32], at: UnixMs) {
        self.end_stays(at);
        self.stays.insert(face_id.clone(), at);
        self.minted.insert(face_id.clone(), face.to_vec());
    }

    /// The website made a customer of a face of the edge's own.
    pub fn confirmed(&mut self, face_id: &FaceId) {
        self.minted.remove(face_id);
    }

    /// The website made none of it: the person goes on staying, without identity.
    pub fn declined(&mut self, face_id: &FaceId) {
        if let (Some(at), Some(face)) = (self.stays.remove(face_id), self.minted.remove(face_id)) {
            self.add_stranger(face, at);
        }
    }

    /// One face turned out to be another customer: it is the same stay.
    pub fn merged(&mut self, face_id: &FaceId, into: &FaceId) {
        self.minted.remove(face_id);
        if let Some(at) = self.stays.remove(face_id) {
            let last = self.stays.entry(into.clone()).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// A face is nobody's any more.
    pub fn forget(&mut self, face_id: &FaceId) {
        self.minted.remove(face_id);
        self.stays.remove(face_id);
    }

    fn end_stays(&mut self, now: UnixMs) {
        let goes_on = |last: UnixMs| now.since(last) < self.away_ms;
        self.stays.retain(|_, last| goes_on(*last));
        self.minted.retain(|face_id, _| self.stays.contains_key(face_id));
        self.strangers.retain(|(_, last)| goes_on(*last));
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presence({} customers, {} others)", self.stays.len(), self.strangers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrival::{Arrives, Stays};

    #[test]
    fn a_stay_is_counted_once_and_ends_after_the_last_sighting() {
        let face: FaceId = "ada".parse().unwrap();
        let mut presence = Presence::new(1_000, 0.5);
        for (at, expected) in
            [(0, Arrives), (10, Stays), (900, Stays), (1_899, Stays), (2_899, Arrives), (2_000, Stays)]
        {
            assert_eq!(presence.seen(&face, UnixMs(at)), expected, "at {at}");
        }
    }

    #[test]
    fn strangers_are_told_apart_by_their_faces_for_as_long_as_they_stay() {
        let mut presence = Presence::new(1_000, 0.5);
        for (face, at, expected) in [
            ([1.0, 0.0], 0, Arrives),
            ([0.0, 1.0], 0, Arrives),
            ([0.8, 0.6], 500, Stays),
            ([1.0, 0.0], 1_400, Stays),
            ([0.0, 1.0], 1_400, Arrives),
        ] {
            assert_eq!(presence.stranger_seen(&face, UnixMs(at)), expected, "{face:?} at {at}");
        }
    }

    #[test]
    fn a_face_the_website_makes_no_customer_of_is_counted_once_and_one_that_may_be_removed_is_let_go() {
        let face = [1.0, 0.0];
        let minted: FaceId = "minted".parse().unwrap();
        type Fate = fn(&mut Presence, &FaceId);
        let fates: [(Fate, bool); 3] =
            [(Presence::declined, true), (Presence::forget, false), (Presence::confirmed, false)];
        for (fate, stranger) in fates {
            let mut presence = Presence::new(1_000, 0.5);
            presence.minted(&minted, &face, UnixMs(0));
            assert!(!presence.stranger_stays(&face, UnixMs(1)));
            fate(&mut presence, &minted);
            assert_eq!(presence.stranger_stays(&face, UnixMs(2)), stranger);
        }
    }

    #[test]
    fn a_merge_does_not_make_a_second_stay() {
        let [minted, winner] = ["minted", "winner"].map(|id| id.parse::<FaceId>().unwrap());
        let mut presence = Presence::new(1_000, 0.5);
        presence.seen(&minted, UnixMs(0));
        presence.merged(&minted, &winner);
        assert_eq!(presence.seen(&winner, UnixMs(10)), Stays);
        presence.forget(&winner);
        assert_eq!(presence.seen(&winner, UnixMs(20)), Arrives);
    }
}
