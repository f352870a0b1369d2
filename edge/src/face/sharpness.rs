//! How sharp a camera's faces usually are: lenses, light and distance differ, so blur is judged against the camera's
//! own past.

use std::collections::VecDeque;

/// How many faces are remembered.
const REMEMBERED: usize = 128;
/// Below this many faces nothing is known yet.
const ENOUGH: usize = 8;

/// The running median of the sharpness of one camera's faces.
#[derive(Debug, Clone, Default)]
pub struct UsualSharpness {
    seen: VecDeque<f32>,
}

impl UsualSharpness {
    /// Remembers a face's sharpness, forgetting the oldest beyond the limit.
    pub fn note(&mut self, sharpness: f32) {
        if !sharpness.is_finite() {
            return;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(sharpness);
    }

    /// The median, once enough faces were seen.
    pub fn median(&self) -> Option<f32> {
        if self.seen.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<f32> = self.seen.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        Some(sorted[sorted.len() / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_needs_a_past_and_follows_the_camera() {
        let mut usual = UsualSharpness::default();
        for n in 0..7 {
            usual.note(n as f32);
        }
        usual.note(f32::NAN);
        assert_eq!(usual.median(), None);
        usual.note(7.0);
        assert_eq!(usual.median(), Some(4.0));
        (0..REMEMBERED).for_each(|_| usual.note(30.0));
        assert_eq!((usual.median(), usual.seen.len()), (Some(30.0), REMEMBERED));
    }
}
