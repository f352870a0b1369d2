//! Faces an edge has minted itself and that the website has not answered yet.

use protocol::{Epoch, FaceId, Seq};
use std::collections::BTreeMap;

/// One face of the edge's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisional {
    /// The epoch and the verified floor when it was minted.
    pub basis: (Epoch, Seq),
    /// The epoch and the seq at which its visit was stored at the website, once it is.
    pub settled: Option<(Epoch, Seq)>,
}

/// All of them. They are outside the digest, so every one needs an end of its own.
#[derive(Debug, Clone, Default)]
pub struct Provisionals(BTreeMap<FaceId, Provisional>);

impl Provisionals {
    /// As they were stored.
    pub fn load(faces: BTreeMap<FaceId, Provisional>) -> Self {
        Self(faces)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this face is one.
    pub fn contains(&self, face_id: &FaceId) -> bool {
        self.0.contains_key(face_id)
    }

    /// A face was minted.
    pub fn mint(&mut self, face_id: FaceId, basis: (Epoch, Seq)) {
        self.0.insert(face_id, Provisional { basis, settled: None });
    }

    /// The website has answered for this face, or its visit is lost: it is one no longer. Tells whether it was.
    pub fn end(&mut self, face_id: &FaceId) -> bool {
        self.0.remove(face_id).is_some()
    }

    /// The visit that proposed this face is stored. Tells whether that was news.
    pub fn settle(&mut self, face_id: &FaceId, at: (Epoch, Seq)) -> bool {
        self.0.get_mut(face_id).map(|face| face.settled = Some(at)).is_some()
    }

    /// A removal happened at `seq`: faces minted on less, or in another epoch, may be of the removed person. Answers
    /// with those that end.
    pub fn removal(&mut self, epoch: Epoch, seq: Seq) -> Vec<FaceId> {
        self.end_where(|face| face.basis.0 != epoch || face.basis.1 < seq)
    }

    /// Everything up to `floor` is verified: a face that is settled up to there and has no row will not get one.
    /// Answers with those that end.
    pub fn verified(&mut self, epoch: Epoch, floor: Seq) -> Vec<FaceId> {
        self.end_where(|face| face.settled.is_some_and(|(of, seq)| of != epoch || seq <= floor))
    }

    /// Ends every one.
    pub fn all(&mut self) -> Vec<FaceId> {
        self.end_where(|_| true)
    }

    fn end_where(&mut self, ends: impl Fn(&Provisional) -> bool) -> Vec<FaceId> {
        self.0.extract_if(.., |_, face| ends(face)).map(|(face_id, _)| face_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch(7);

    fn face(id: &str) -> FaceId {
        id.parse().unwrap()
    }

    #[test]
    fn each_end_takes_the_faces_it_concerns() {
        let load = || {
            let mut faces = Provisionals::default();
            for (id, basis, settled) in [
                ("old", (EPOCH, Seq(10)), None),
                ("new", (EPOCH, Seq(20)), None),
                ("other", (Epoch(6), Seq(99)), None),
                ("stored", (EPOCH, Seq(20)), Some((EPOCH, Seq(30)))),
                ("elsewhere", (EPOCH, Seq(20)), Some((Epoch(6), Seq(90)))),
            ] {
                faces.mint(face(id), basis);
                if let Some(at) = settled {
                    assert!(faces.settle(&face(id), at));
                }
            }
            faces
        };
        type End = fn(&mut Provisionals) -> Vec<FaceId>;
        let ends: [(End, &[&str]); 4] = [
            (|f| f.removal(EPOCH, Seq(20)), &["old", "other"]),
            (|f| f.removal(EPOCH, Seq(10)), &["other"]),
            (|f| f.verified(EPOCH, Seq(29)), &["elsewhere"]),
            (|f| f.verified(EPOCH, Seq(30)), &["elsewhere", "stored"]),
        ];
        for (end, expected) in ends {
            let mut faces = load();
            let mut ended = end(&mut faces);
            ended.sort();
            assert_eq!(ended, expected.iter().map(|id| face(id)).collect::<Vec<_>>());
            assert_eq!(faces.len(), 5 - expected.len());
        }
        assert!(!load().settle(&face("nobody"), (EPOCH, Seq(1))));
    }
}
