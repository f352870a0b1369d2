//! The exact nearest-face index: the edge recognises with it, the website finds duplicates with it.
//!
//! Architecture invariant: no I/O and no threads. Exact, because a removal must be provable: after
//! [`Gallery::remove`] no query can answer with that face, and a probe with the removed vector shows it.

mod dot;

use half::f16;
use protocol::Embedding;
use std::{collections::HashMap, fmt, hash::Hash};

/// Faces of one space, in memory: two bytes a component, and one linear pass a query.
///
/// A query over 100,000 faces of 512 components reads 100 MB; no index structure is needed at a store's size,
/// and none could forget a face as surely.
pub struct Gallery<K> {
    dimension: usize,
    keys: Vec<K>,
    slots: HashMap<K, usize>,
    rows: Vec<f16>,
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
        Self { dimension, keys: Vec::new(), slots: HashMap::new(), rows: Vec::new() }
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
        match self.slots.get(&key) {
            Some(slot) => {
                let row = slot * self.dimension..(slot + 1) * self.dimension;
                self.rows[row].iter_mut().zip(face.components()).for_each(|(to, from)| *to = from);
            }
            None => {
                self.slots.insert(key.clone(), self.keys.len());
                self.keys.push(key);
                self.rows.extend(face.components());
            }
        }
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
        true
    }

    /// The `n` most alike faces, the most alike first. `query` may have any length but zero; cosines are of its
    /// direction. An empty gallery answers with nobody.
    ///
    /// # Errors
    /// When the query has another dimension.
    pub fn nearest(&self, query: &[f32], n: usize) -> Result<Vec<Match<K>>, WrongDimension> {
        self.check(query.len())?;
        let length = query.iter().map(|v| v * v).sum::<f32>().sqrt();
        let scale = if length > 0.0 { length.recip() } else { 0.0 };
        let direction: Vec<f32> = query.iter().map(|v| v * scale).collect();
        let mut best: Vec<(usize, f32)> = Vec::with_capacity(n + 1);
        dot::each_row(&self.rows, &direction, |slot, cosine| {
            if best.len() < n || best.last().is_some_and(|(_, least)| cosine > *least) {
                let at = best.partition_point(|(_, other)| *other >= cosine);
                best.insert(at, (slot, cosine));
                best.truncate(n);
            }
        });
        let found = |(slot, similarity): (usize, f32)| Match { key: self.keys[slot].clone(), similarity };
        Ok(best.into_iter().map(found).collect())
    }

    fn check(&self, got: usize) -> Result<(), WrongDimension> {
        if got == self.dimension { Ok(()) } else { Err(WrongDimension { expected: self.dimension, got }) }
    }
}

impl<K> fmt::Debug for Gallery<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} faces, {}-d)", self.keys.len(), self.dimension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn face(values: &[f32]) -> Embedding {
        Embedding::from_f32(values).unwrap()
    }

    #[test]
    fn the_most_alike_come_first() {
        let mut gallery = Gallery::new(2);
        for (key, values) in [("east", [1.0, 0.0]), ("north", [0.0, 1.0]), ("west", [-1.0, 0.0])] {
            gallery.upsert(key, &face(&values)).unwrap();
        }
        let found = gallery.nearest(&[2.0, 1.0], 2).unwrap();
        assert_eq!(found.iter().map(|m| m.key).collect::<Vec<_>>(), ["east", "north"]);
        assert!((found[0].similarity - 0.8944).abs() < 1e-3);
        assert_eq!(
            gallery.nearest(&[0.0, 0.0], 1).unwrap()[0].similarity,
            0.0,
            "no direction is like nobody"
        );
        assert_eq!(gallery.nearest(&[1.0], 1), Err(WrongDimension { expected: 2, got: 1 }));
        assert_eq!(gallery.nearest(&[1.0, 0.0], 0), Ok(vec![]));
    }

    #[test]
    fn a_removed_face_is_found_no_more_and_its_memory_is_overwritten() {
        let mut gallery = Gallery::new(2);
        gallery.upsert(1, &face(&[1.0, 0.0])).unwrap();
        gallery.upsert(2, &face(&[0.0, 1.0])).unwrap();
        assert!(gallery.remove(&1));
        assert!(!gallery.remove(&1));
        assert_eq!(gallery.nearest(&[1.0, 0.0], 5).unwrap().iter().map(|m| m.key).collect::<Vec<_>>(), [2]);
        assert!(gallery.remove(&2));
        assert_eq!(gallery.nearest(&[1.0, 0.0], 5), Ok(vec![]));
    }

    proptest! {
        /// Whatever is put in, replaced and taken out, the answer is that of a plain search over what is left.
        #[test]
        fn the_answer_is_that_of_a_plain_search(
            steps in prop::collection::vec((0_u8..12, prop::collection::vec(-1.0_f32..1.0, 20), any::<bool>()), 1..60),
            query in prop::collection::vec(-1.0_f32..1.0, 20),
        ) {
            let mut gallery = Gallery::new(20);
            let mut plain: HashMap<u8, Embedding> = HashMap::new();
            for (key, values, keep) in steps {
                let Ok(embedding) = Embedding::from_f32(&values) else { continue };
                if keep {
                    gallery.upsert(key, &embedding).unwrap();
                    plain.insert(key, embedding);
                } else {
                    prop_assert_eq!(gallery.remove(&key), plain.remove(&key).is_some());
                }
            }
            prop_assert_eq!(gallery.len(), plain.len());
            let length = query.iter().map(|v| v * v).sum::<f32>().sqrt();
            prop_assume!(length > 0.1);
            let mut expected: Vec<f32> = plain
                .values()
                .map(|e| e.to_f32().iter().zip(&query).map(|(a, b)| a * b).sum::<f32>() / length)
                .collect();
            expected.sort_by(|a, b| b.total_cmp(a));
            let found = gallery.nearest(&query, 5).unwrap();
            prop_assert_eq!(found.len(), expected.len().min(5));
            for (m, similarity) in found.iter().zip(&expected) {
                prop_assert!((m.similarity - similarity).abs() < 1e-4);
                prop_assert!(plain.contains_key(&m.key));
            }
        }
    }
}
