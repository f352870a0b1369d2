//! Simulated people: no face of anybody. A person is a random direction, and being seen is that direction with
//! noise, as a camera's pictures of one person scatter round a centre.

/// A small generator of random numbers (splitmix64, Steele et al. 2014), so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts with `seed`; two dice with one seed fall alike.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number of a normal distribution with mean 0 and variance 1, as a sum of twelve uniform ones.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// How many components a simulated face has.
pub const DIMENSION: usize = 512;

/// How far one sight of a person lies from the person's centre: of two sights of one person the cosine is about
/// 1 / (1 + 0.45^2) = 0.83, of two people about 0 (standard deviation 0.044).
const NOISE: f32 = 0.45;

/// Somebody who does not exist.
#[derive(Clone)]
pub struct Person {
    centre: Vec<f32>,
}

impl Person {
    /// Makes up somebody.
    pub fn new(dice: &mut Dice) -> Self {
        Self { centre: (0..DIMENSION).map(|_| dice.normal()).collect() }
    }

    /// What a camera sees of them this time, of any length.
    pub fn seen(&self, dice: &mut Dice) -> Vec<f32> {
        self.centre.iter().map(|component| component + NOISE * dice.normal()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn one_person_is_like_themselves_and_like_nobody_else() {
        let mut dice = Dice::new(1);
        let people: Vec<Person> = (0..50).map(|_| Person::new(&mut dice)).collect();
        for (n, person) in people.iter().enumerate() {
            let first = person.seen(&mut dice);
            for (m, other) in people.iter().enumerate() {
                let similarity = cosine(&first, &other.seen(&mut dice));
                if n == m {
                    assert!(similarity > 0.75, "person {n} is like themselves: {similarity}");
                } else {
                    assert!(similarity < 0.3, "persons {n} and {m}: {similarity}");
                }
            }
        }
    }
}
