//! The exact nearest-face index: the edge recognises with it, the website finds duplicates with it.
//!
//! Architecture invariant: no I/O and no threads. Exact, because a removal must be provable: after
//! [`Gallery::remove`] no query can answer with that face, and a probe with the removed vector shows it.

mod coarse;
mod dot;

use coarse::{Codes, Sketch};
use half::f16;
use protocol::Embedding;
use std::{collections::HashMap, fmt, hash::Hash};

/// Faces of one space, in memory: two and a half bytes a component, and one linear pass a query.
///
/// The pass reads codes of half a byte a component, which tell how alike a face can be at most; a face that can reach what is
/// asked for is compared exactly. Over 100,000 faces of 512 components that is 26 MB. No index structure is needed at a
/// store's size, and none could forget a face as surely.
pub struct Gallery<K> {
    dimension: usize,
    keys: Vec<K>,
    slots: HashMap<K, usize>,
    rows: Vec<f16>,
    codes: Codes,
}

/// One answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Match<K> {
    /// Whose face.
    pub key: K,
    /// The cosine, -1 to 1 within f16's rounding.
    pub similarity: f32,
}

/// The vector belongs to another model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this gallery holds vectors of {expected} components, this one has {got}")]
pub struct WrongDimension {
    /// The gallery's.
    pub expected: usize,
    /// The vector's.
    pub got: usize,
}

impl<K: Clone + Eq + Hash> Gallery<K> {
    /// An empty gallery for vectors of `dimension` components.
    pub fn new(dimension: usize) -> Self {
        let codes = Codes::new(dimension);
        Self { dimension, keys: Vec::new(), slots: HashMap::new(), rows: Vec::new(), codes }
    }

    /// How many components a vector has here.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many faces.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no face.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether `key` has a face here.
    pub fn contains(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    /// Puts in the face of `key`, or replaces it.
    ///
    /// # Errors
    /// When the vector has another dimension; nothing is changed then.
    pub fn upsert(&mut self, key: K, face: &Embedding) -> Result<(), WrongDimension> {
        self.check(face.dimension())?;
        let slot = match self.slots.get(&key) {
            Some(slot) => *slot,
            None => {
                self.slots.insert(key.clone(), self.keys.len());
                self.keys.push(key);
                self.rows.resize(self.keys.len() * self.dimension, f16::ZERO);
                self.codes.push();
                self.keys.len() - 1
            }
        };
        let row = &mut self.rows[slot * self.dimension..(slot + 1) * self.dimension];
        row.iter_mut().zip(face.components()).for_each(|(to, from)| *to = from);
        self.codes.write(slot, row);
        Ok(())
    }

    /// Takes out the face of `key`; tells whether it was there. Its memory is overwritten, not only let go.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(slot) = self.slots.remove(key) else { return false };
        let last = self.keys.len() - 1;
        let last_row = last * self.dimension;
        if slot != last {
            self.rows.copy_within(last_row.., slot * self.dimension);
            self.slots.insert(self.keys[last].clone(), slot);
        }
        self.keys.swap_remove(slot);
        self.rows[last_row..].fill(f16::ZERO);
        self.rows.truncate(last_row);
        self.codes.swap_remove(slot);
        true
    }

    /// The most alike face, if it is at least so alike: `query` may have any length but zero, and `at_least` is a cosine. The
    /// lower that is, the more faces are compared exactly; with -1 the answer is the most alike face, however unlike.
    ///
    /// Of equally alike faces it is the one that came first, but where one was removed the last has its place. A query
    /// without a direction (zero, or not finite) is like nobody.
    ///
    /// # Errors
    /// When the query has another dimension.
    pub fn nearest(&self, query: &[f32], at_least: f32) -> Result<Option<Match<K>>, WrongDimension> {
        self.check(query.len())?;
        let Some(direction) = direction(query) else { return Ok(None) };
        let (sketch, query) = (Sketch::new(&direction), dot::Query::new(&direction));
        let mut best: Option<(usize, f32)> = None;
        let mut wanted = at_least;
        for (slot, at_most) in self.codes.at_most(&sketch).enumerate() {
            if at_most < f64::from(wanted) {
                continue;
            }
            let cosine = query.dot(&self.rows[slot * self.dimension..(slot + 1) * self.dimension]);
            if cosine >= wanted && best.is_none_or(|(_, most)| cosine > most) {
                best = Some((slot, cosine));
                wanted = cosine;
            }
        }
        Ok(best.map(|(slot, similarity)| Match { key: self.keys[slot].clone(), similarity }))
    }

    fn check(&self, got: usize) -> Result<(), WrongDimension> {
        if got == self.dimension { Ok(()) } else { Err(WrongDimension { expected: self.dimension, got }) }
    }
}

/// The query at length one.
fn direction(query: &[f32]) -> Option<Vec<f32>> {
    let length = query.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let scaled = || query.iter().map(|v| (f64::from(*v) / length) as f32).collect();
    (length.is_finite() && length > 0.0).then(scaled)
}

impl<K> fmt::Debug for Gallery<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} faces, {}-d)", self.keys.len(), self.dimension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(values: &[f32]) -> Embedding {
        Embedding::from_f32(values).unwrap()
    }

    #[test]
    fn the_most_alike_is_found_from_the_floor_on() {
        let mut gallery = Gallery::new(2);
        for (key, values) in [("east", [1.0, 0.0]), ("north", [0.0, 1.0]), ("west", [-1.0, 0.0])] {
            gallery.upsert(key, &face(&values)).unwrap();
        }
        for (query, at_least, expected) in [
            ([2.0, 1.0], -1.0, Some(("east", 0.8944))),
            ([2.0, 1.0], 0.894, Some(("east", 0.8944))),
            ([2.0, 1.0], 0.895, None),
            ([2e38, 3e38], 0.8, Some(("north", 0.8321))),
            ([-3e-45, 0.0], 1.0, Some(("west", 1.0))),
            ([0.0, -1.0], 0.0, Some(("east", 0.0))),
            ([0.0, 1.0], f32::NAN, None),
            ([0.0, 0.0], -1.0, None),
            ([f32::NAN, 1.0], -1.0, None),
            ([f32::INFINITY, 1.0], -1.0, None),
        ] {
            let found = gallery.nearest(&query, at_least).unwrap();
            assert_eq!(found.as_ref().map(|m| m.key), expected.map(|(key, _)| key), "{query:?} {at_least}");
            let off =
                found.zip(expected).map_or(0.0, |(m, (_, similarity))| (m.similarity - similarity).abs());
            assert!(off < 1e-3, "{query:?} {at_least}");
        }
        assert_eq!(gallery.nearest(&[1.0], -1.0), Err(WrongDimension { expected: 2, got: 1 }));
        assert_eq!(gallery.upsert("up", &face(&[1.0])), Err(WrongDimension { expected: 2, got: 1 }));
        assert_eq!(Gallery::<u8>::new(2).nearest(&[1.0, 0.0], -1.0), Ok(None));
    }

    #[test]
    fn of_equal_faces_it_is_the_first_and_a_removed_ones_place_is_taken_by_the_last() {
        let mut gallery = Gallery::new(20);
        let twin = [0.25; 20];
        for key in 0..4 {
            gallery.upsert(key, &face(&twin)).unwrap();
        }
        let mut order = Vec::new();
        while let Some(found) = gallery.nearest(&twin, 0.9).unwrap() {
            order.push(found.key);
            assert!(gallery.remove(&found.key));
        }
        assert_eq!(order, [0, 3, 2, 1]);
        assert!(!gallery.remove(&0), "it is there no more");
    }
}
