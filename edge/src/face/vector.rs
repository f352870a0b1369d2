//! A face's embedding while it is worked with: f32, of length one.

use protocol::Embedding;
use std::fmt;

/// A unit vector of the embedder's dimension. Biometric: `Debug` shows the dimension and nothing else.
#[derive(Clone, PartialEq)]
pub struct FaceVector(Vec<f32>);

impl FaceVector {
    /// Scales the embedder's output to length one; `None` when it has no direction (zero, or not finite).
    pub fn from_output(values: &[f32]) -> Option<Self> {
        let length = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        (length.is_finite() && length > 1e-6)
            .then(|| Self(values.iter().map(|v| (f64::from(*v) / length) as f32).collect()))
    }

    /// The direction of the mean of several vectors of one dimension; `None` of none, or when they cancel out.
    pub fn mean<'a>(vectors: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut sum: Vec<f32> = Vec::new();
        for vector in vectors {
            sum.resize(vector.0.len(), 0.0);
            sum.iter_mut().zip(&vector.0).for_each(|(total, v)| *total += v);
        }
        Self::from_output(&sum)
    }

    /// How alike two faces are: -1 to 1, 1 when equal.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The components.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The canonical form that travels and is stored (f16).
    pub fn to_embedding(&self) -> Embedding {
        Embedding::from_f32(&self.0).expect("a unit vector of a checked dimension is an embedding")
    }
}

impl From<&Embedding> for FaceVector {
    fn from(embedding: &Embedding) -> Self {
        Self::from_output(&embedding.to_f32()).expect("an embedding is a unit vector")
    }
}

impl fmt::Debug for FaceVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaceVector({}-d)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_points_between_and_debug_tells_nothing() {
        let [east, north] = [[2.0, 0.0], [0.0, 7.0]].map(|v| FaceVector::from_output(&v).unwrap());
        let mean = FaceVector::mean([&east, &north]).unwrap();
        assert!((mean.cosine(&east) - 0.5_f32.sqrt()).abs() < 1e-6);
        assert!((mean.cosine(&FaceVector::from(&mean.to_embedding())) - 1.0).abs() < 1e-3);
        assert_eq!(format!("{mean:?}"), "FaceVector(2-d)");
    }

    #[test]
    fn what_has_no_direction_is_no_vector() {
        for bad in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 0.0]] {
            assert_eq!(FaceVector::from_output(bad), None, "{bad:?}");
        }
        assert_eq!(FaceVector::mean([]), None);
    }
}
