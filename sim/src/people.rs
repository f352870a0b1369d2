//! People who come in, and the customers they are: what really is, beside what the two sides believe.

use protocol::{DigestKey, FaceId, SpaceId};
use std::collections::{BTreeMap, BTreeSet};

/// How many different people come at most.
pub const PEOPLE_MAX: usize = 30;

/// The two models in use see people in as many dimensions.
pub const DIMENSIONS: [usize; 2] = [PEOPLE_MAX, PEOPLE_MAX + 2];

/// Which face is whose.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// How many have come so far.
    pub met: usize,
    minted: u64,
    of_face: BTreeMap<FaceId, usize>,
    faces: BTreeMap<usize, BTreeSet<FaceId>>,
}

impl People {
    /// The next face that an edge mints for a person.
    pub fn mint(&mut self, person: usize) -> FaceId {
        self.minted += 1;
        let face_id: FaceId = format!("f{}", self.minted).parse().expect("letters and digits are an id");
        self.of_face.insert(face_id.clone(), person);
        self.faces.entry(person).or_default().insert(face_id.clone());
        face_id
    }

    /// Whose face it is.
    pub fn person(&self, face_id: &FaceId) -> usize {
        self.of_face[face_id]
    }

    /// Every face minted for a person so far.
    pub fn faces(&self, person: usize) -> BTreeSet<FaceId> {
        self.faces.get(&person).cloned().unwrap_or_default()
    }
}

/// How a model sees a person: as a direction at right angles to everybody else's.
pub fn seen(person: usize, model: usize) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS[model]];
    vector[person] = 1.0;
    vector
}

/// The space of a model.
pub fn space(model: usize) -> SpaceId {
    ["model_a", "model_b"][model].parse().expect("letters are an id")
}

/// The location's digest key.
pub fn digest_key() -> DigestKey {
    DigestKey::from_bytes([7; 32])
}
