//! The gallery beside a plain search in f64: whatever is put in, replaced and taken out, both answer the same.
#![allow(clippy::unwrap_used)]

use gallery::Gallery;
use proptest::{prelude::*, sample::select};
use protocol::Embedding;
use std::collections::HashMap;

/// How far the gallery's cosine, summed in f32, may lie from one in f64.
const OFF: f64 = 2e-5;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Vec<f32>),
    Remove(u8),
}

/// Vectors of every kind that could deceive a bound: spread like a face, one large component among small ones, all equal,
/// a single one (and its negative zeros), and some that f16 only has as subnormals, or not at all.
fn vector(dimension: usize) -> BoxedStrategy<Vec<f32>> {
    let spread = prop::collection::vec(-1.0_f32..1.0, dimension);
    let peak =
        (prop::collection::vec(-0.01_f32..0.01, dimension), 0..dimension, select(vec![-1.0_f32, 1.0, 30.0]));
    let peak = peak.prop_map(|(mut values, at, height)| {
        values[at] = height;
        values
    });
    let equal = select(vec![1.0_f32, -1.0, 1e-6]).prop_map(move |value| vec![value; dimension]);
    let single = (0..dimension).prop_map(move |at| {
        let mut values = vec![-0.0; dimension];
        values[at] = -2.0;
        values
    });
    let tiny = prop::collection::vec(select(vec![0.0_f32, 3e-8, -6e-6, 6e-5, -1e-30, 1.0]), dimension);
    prop_oneof![4 => spread, 2 => peak, 1 => equal, 1 => single, 1 => tiny].boxed()
}

fn steps(dimension: usize) -> impl Strategy<Value = Vec<Step>> {
    let put = (0_u8..12, vector(dimension)).prop_map(|(key, values)| Step::Put(key, values));
    let remove = (0_u8..12).prop_map(Step::Remove);
    prop::collection::vec(prop_oneof![3 => put, 1 => remove], 1..40)
}

/// What is asked for: any vector, or (`Some`) the face of a key moved a little, so that several come near.
fn asked() -> impl Strategy<Value = (usize, Vec<Step>, Option<u8>, Vec<f32>, f32, f32)> {
    let dimension = select(vec![1_usize, 2, 15, 16, 17, 20, 127, 128, 129, 512, 2048]);
    dimension.prop_flat_map(|dimension| {
        let key = prop::option::of(0_u8..12);
        let length = select(vec![1e-30_f32, 0.5, 1.0, 3e4]);
        let floor = select(vec![-2.0_f32, -1.0, -0.1, 0.0, 0.2, 0.45, 0.9, 0.9995, 1.0, 1.1]);
        (Just(dimension), steps(dimension), key, vector(dimension), length, floor)
    })
}

fn cosine(face: &Embedding, query: &[f32]) -> f64 {
    let length = query.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    face.to_f32().iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() / length
}

proptest! {
    #[test]
    fn the_answer_is_that_of_a_plain_search((dimension, steps, near, noise, length, floor) in asked()) {
        let mut gallery = Gallery::new(dimension);
        let mut plain: HashMap<u8, Embedding> = HashMap::new();
        for step in steps {
            match step {
                Step::Put(key, values) => {
                    let Ok(face) = Embedding::from_f32(&values) else { continue };
                    gallery.upsert(key, &face).unwrap();
                    plain.insert(key, face);
                }
                Step::Remove(key) => prop_assert_eq!(gallery.remove(&key), plain.remove(&key).is_some()),
            }
        }
        prop_assert_eq!(gallery.len(), plain.len());

        let base = near.and_then(|key| plain.get(&key)).map(Embedding::to_f32);
        let query: Vec<f32> = match base {
            Some(face) => face.iter().zip(&noise).map(|(a, b)| (a + 0.001 * b) * length).collect(),
            None => noise.iter().map(|v| v * length).collect(),
        };
        let found = gallery.nearest(&query, floor).unwrap();
        if query.iter().all(|v| *v == 0.0) {
            prop_assert_eq!(found, None);
            return Ok(());
        }
        let best = plain.values().map(|face| cosine(face, &query)).fold(f64::NEG_INFINITY, f64::max);
        match found {
            Some(found) => {
                prop_assert!(found.similarity >= floor);
                let face = plain.get(&found.key);
                prop_assert!(face.is_some(), "a face that is not there was found");
                prop_assert!((f64::from(found.similarity) - cosine(face.unwrap(), &query)).abs() < OFF);
                prop_assert!((f64::from(found.similarity) - best).abs() < OFF, "{} is not {best}", found.similarity);
            }
            None => prop_assert!(best < f64::from(floor) + OFF, "{best} was not found"),
        }
    }

    #[test]
    fn a_removed_face_is_not_found_by_its_own_vector(
        faces in prop::collection::vec(vector(160), 1..30),
        removed in any::<prop::sample::Index>(),
    ) {
        let faces: Vec<Embedding> = faces.iter().filter_map(|values| Embedding::from_f32(values).ok()).collect();
        prop_assume!(!faces.is_empty());
        let mut gallery = Gallery::new(160);
        for (key, face) in faces.iter().enumerate() {
            gallery.upsert(key, face).unwrap();
        }
        let key = removed.index(faces.len());
        let own = faces[key].to_f32();
        let before = gallery.nearest(&own, 0.99).unwrap();
        prop_assert!(before.is_some_and(|found| faces[found.key] == faces[key]), "it was found before");
        prop_assert!(gallery.remove(&key));
        for floor in [-1.0, 0.45, 0.99] {
            let found = gallery.nearest(&own, floor).unwrap();
            prop_assert!(found.is_none_or(|found| found.key != key));
        }
    }
}
