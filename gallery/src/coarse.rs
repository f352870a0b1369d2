//! The first look: a code of four bits a component, and from it how alike a row can be at most.
//!
//! A row `r` is coded as `r' = step * (2n - 15)`, with `n` of 0 to 15 a component, a query `q` as `q' = step * m`, with `m` of
//! -127 to 127. What the codes leave out has the lengths `e = |r - r'|` and `f = |q - q'|`, and by the inequality of Cauchy
//! and Schwarz
//!
//! ```text
//! q.r = q'.r' + q'.(r - r') + (q - q').r <= q'.r' + |q'| e + f |r|
//! ```
//!
//! A row whose bound stays below what is asked for needs no exact comparison. The components of real faces are spread
//! so that `e` is about 0.12, and `f` about 0.01.

use crate::dot;
use half::f16;
use std::array;

/// Words of a line. The four codes of word `w` belong to the components `w`, `w + 32`, `w + 64` and `w + 96` of the line,
/// the first in the lowest bits: so whole registers of codes meet whole registers of the query.
const WORDS: usize = 32;
const CODES: usize = 4;
const COMPONENTS: usize = WORDS * CODES;

/// An embedding's squared length is 1 within 0.01, so `|r|` is below this.
const LONGEST: f64 = 1.006;

/// 128 components of a row. The alignment is a cache line's.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u16; WORDS]);

/// What a code leaves to be known of its row.
#[derive(Clone, Copy)]
struct Fit {
    /// Half the distance of two levels.
    step: f32,
    /// `e`, rounded up.
    residual: f32,
}

/// The codes of all rows, in the order of the rows.
pub(crate) struct Codes {
    lines_per_row: usize,
    lines: Vec<Line>,
    fits: Vec<Fit>,
}

impl Codes {
    const EMPTY: Fit = Fit { step: 0.0, residual: 0.0 };
    const BLANK: Line = Line([0; WORDS]);

    /// No rows, of `dimension` components each.
    pub(crate) fn new(dimension: usize) -> Self {
        Self { lines_per_row: dimension.div_ceil(COMPONENTS), lines: Vec::new(), fits: Vec::new() }
    }

    /// One row more, whose code is still to be written.
    pub(crate) fn push(&mut self) {
        self.fits.push(Self::EMPTY);
        self.lines.resize(self.fits.len() * self.lines_per_row, Self::BLANK);
    }

    /// Writes the code of row `slot`: its largest component is at one end of the levels.
    pub(crate) fn write(&mut self, slot: usize, row: &[f16]) {
        let lines = &mut self.lines[slot * self.lines_per_row..(slot + 1) * self.lines_per_row];
        // Without its sign a half is the larger the larger its bits are as a number.
        let largest = row.iter().map(|component| component.to_bits() & 0x7FFF).max().unwrap_or_default();
        let step = dot::exactly(f16::from_bits(largest)) / 15.0;
        let per_level = 0.5 / step;
        let mut squares = 0.0_f64;
        for (line, components) in lines.iter_mut().zip(row.chunks(COMPONENTS)) {
            *line = Self::BLANK;
            for (n, component) in components.iter().map(|component| dot::exactly(*component)).enumerate() {
                // The nearest level, from 0.5 to 15.5 and cut off: a rounding would be a call.
                let level = ((component * per_level + 8.0) as i32).clamp(0, 15);
                let coded = f64::from(step) * f64::from(2 * level - 15);
                squares += (f64::from(component) - coded).powi(2);
                line.0[n % WORDS] |= (level as u16) << (4 * (n / WORDS));
            }
        }
        // To the nearest and then one up is above the sum's own error in f64.
        self.fits[slot] = Fit { step, residual: (squares.sqrt() as f32).next_up() };
    }

    /// The last row takes the place of row `slot`, and what it leaves is overwritten.
    pub(crate) fn swap_remove(&mut self, slot: usize) {
        let last = self.fits.len() - 1;
        let last_line = last * self.lines_per_row;
        self.lines.copy_within(last_line.., slot * self.lines_per_row);
        self.fits[slot] = self.fits[last];
        self.lines[last_line..].fill(Self::BLANK);
        self.lines.truncate(last_line);
        self.fits[last] = Self::EMPTY;
        self.fits.truncate(last);
    }

    /// For every row what [`dot::Query::dot`] gives for it at most.
    pub(crate) fn at_most(&self, sketch: &Sketch) -> impl Iterator<Item = f64> {
        self.bounds(sketch).map(|(about, margin)| about + margin)
    }

    /// For every row the dot product of the codes, and how far the true one may lie from it.
    fn bounds(&self, sketch: &Sketch) -> impl Iterator<Item = (f64, f64)> {
        self.lines.chunks_exact(self.lines_per_row).zip(&self.fits).map(|(code, fit)| {
            let product = 2 * product(code, &sketch.factors) - 15 * sketch.sum;
            let about = f64::from(product) * sketch.step * f64::from(fit.step);
            (about, sketch.length * f64::from(fit.residual) + sketch.margin)
        })
    }
}

/// A query's code.
pub(crate) struct Sketch {
    factors: Vec<Factors>,
    /// Of all `m`.
    sum: i32,
    step: f64,
    /// `|q'|`
    length: f64,
    /// `f |r|`, and what the exact comparison itself may err by.
    margin: f64,
}

/// What the words of a line are multiplied with, modulo 2^16.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Factors([[u16; WORDS]; CODES]);

impl Sketch {
    /// The code of a query of length one.
    pub(crate) fn new(direction: &[f32]) -> Self {
        let largest = direction.iter().fold(0.0_f32, |largest, component| largest.max(component.abs()));
        let step = f64::from(largest) / 127.0;
        let level = |component: &f32| (f64::from(*component) / step).round();
        let left_out =
            direction.iter().map(|q| (f64::from(*q) - step * level(q)).powi(2)).sum::<f64>().sqrt();
        let levels: Vec<i16> = direction.iter().map(|component| level(component) as i16).collect();
        let length = levels.iter().map(|m| f64::from(*m).powi(2)).sum::<f64>().sqrt() * step;
        Self {
            factors: levels.chunks(COMPONENTS).map(Factors::new).collect(),
            sum: levels.iter().map(|m| i32::from(*m)).sum(),
            step,
            length,
            margin: left_out * LONGEST + dot::ERROR,
        }
    }
}

impl Factors {
    /// A word, moved right so that one of its codes is lowest, still has those above it, 16 times as large as when they
    /// are lowest themselves. So they are not masked off: their share is taken off where they are.
    fn new(levels: &[i16]) -> Self {
        let level = |code: usize, word: usize| levels.get(code * WORDS + word).copied().unwrap_or_default();
        Self(array::from_fn(|code| {
            array::from_fn(|word| {
                let lower = if code == 0 { 0 } else { 16 * level(code - 1, word) };
                (level(code, word) - lower).cast_unsigned()
            })
        }))
    }
}

/// The sum of all `n * m` of a row. A line adds 16 of them in each of eight lanes, which are at most `15 * 127 * 16 = 30,480`,
/// above and below: so they are right modulo 2^16, whatever was added on the way.
///
/// Each step is a loop over whole registers, and the function is one by itself: so the compiler makes it of vector
/// instructions that every processor of its kind has. Forms that look the same to a reader took up to four times as long:
/// measure after a change here.
#[inline(never)]
fn product(code: &[Line], factors: &[Factors]) -> i32 {
    let mut sums = [0_i32; 4];
    for (Line(words), Factors([first, second, third, fourth])) in code.iter().zip(factors) {
        let mut products = [0_u16; WORDS];
        for (at, product) in products.iter_mut().enumerate() {
            let word = words[at];
            let low = word.wrapping_mul(first[at]).wrapping_add((word >> 4).wrapping_mul(second[at]));
            let high =
                (word >> 8).wrapping_mul(third[at]).wrapping_add((word >> 12).wrapping_mul(fourth[at]));
            *product = low.wrapping_add(high);
        }
        let mut lanes = [0_u16; 8];
        for at in 0..WORDS {
            lanes[at % 8] = lanes[at % 8].wrapping_add(products[at]);
        }
        for lane in 0..4 {
            sums[lane] += i32::from(lanes[lane].cast_signed()) + i32::from(lanes[lane + 4].cast_signed());
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};
    use protocol::Embedding;

    fn row(values: &[f32]) -> Option<Vec<f16>> {
        Some(Embedding::from_f32(values).ok()?.components().collect())
    }

    fn unit(values: &[f32]) -> Vec<f32> {
        let length = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        values.iter().map(|v| (f64::from(*v) / length) as f32).collect()
    }

    fn coded(rows: &[Vec<f16>]) -> Codes {
        let mut codes = Codes::new(rows[0].len());
        for (slot, row) in rows.iter().enumerate() {
            codes.push();
            codes.write(slot, row);
        }
        codes
    }

    /// Sums of six even numbers each, which are spread about as the components of a real face are.
    fn spread(seed: u64, dimension: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        (0..dimension).map(|_| (0..6).map(|_| next()).sum()).collect()
    }

    /// Components of very different sizes, so that levels, subnormals and negative zeros are all met.
    fn values(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
        let odd = select(vec![0.0_f32, -0.0, 1.0, -1.0, 25.0, 1e-3, -1e-4, 5e-5, -6e-8, 1e-20]);
        let any = prop_oneof![-1.0_f32..1.0, odd];
        let equal = any.clone().prop_map(move |value| vec![value; dimension]);
        prop_oneof![4 => prop::collection::vec(any, dimension), 1 => equal]
    }

    fn pair() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
        let dimension = select(vec![1_usize, 15, 16, 17, 20, 127, 128, 129, 512, 2048]);
        dimension.prop_flat_map(|dimension| (values(dimension), values(dimension)))
    }

    proptest! {
        #[test]
        fn the_bound_holds_above_and_below((face, query) in pair()) {
            let face = row(&face);
            prop_assume!(face.is_some() && query.iter().any(|v| *v != 0.0));
            let (face, query) = (face.unwrap(), unit(&query));
            let exact: f64 = face.iter().zip(&query).map(|(a, b)| a.to_f64() * f64::from(*b)).sum();
            let answered = f64::from(dot::Query::new(&query).dot(&face));
            let (about, margin) = coded(&[face]).bounds(&Sketch::new(&query)).next().unwrap();
            prop_assert!((exact - about).abs() <= margin, "{exact} is not {about} within {margin}");
            prop_assert!((answered - about).abs() <= margin, "{answered} is not {about} within {margin}");
            prop_assert!((answered - exact).abs() <= dot::ERROR, "{answered} is not {exact}");
        }
    }

    #[test]
    fn what_a_code_leaves_out_is_never_understated() {
        for seed in 0..300 {
            let face = row(&spread(seed, 200)).unwrap();
            let codes = coded(std::slice::from_ref(&face));
            let coded = |n: usize| {
                let level = codes.lines[n / COMPONENTS].0[n % WORDS] >> (4 * (n % COMPONENTS / WORDS)) & 15;
                f64::from(codes.fits[0].step) * (2.0 * f64::from(level) - 15.0)
            };
            let left_out: f64 = (0..200).map(|n| (face[n].to_f64() - coded(n)).powi(2)).sum::<f64>().sqrt();
            let told = f64::from(codes.fits[0].residual);
            assert!((left_out..left_out * (1.0 + 1e-6)).contains(&told), "{seed}: {told} for {left_out}");
        }
    }

    #[test]
    fn extremes_of_both_codes_do_not_overflow() {
        for dimension in [128, 512, 2048] {
            for (row_sign, query_sign) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let face = row(&vec![row_sign; dimension]).unwrap();
                let query = unit(&vec![query_sign; dimension]);
                let (about, margin) = coded(&[face]).bounds(&Sketch::new(&query)).next().unwrap();
                assert!((about - f64::from(row_sign * query_sign)).abs() < 1e-3, "{dimension}: {about}");
                assert!(margin < 1e-3, "levels at both ends are exact, but {margin} is left");
            }
        }
    }

    #[test]
    fn strangers_need_no_exact_comparison_and_the_same_face_does() {
        let rows: Vec<Vec<f16>> = (0..500).map(|n| row(&spread(n, 512)).unwrap()).collect();
        let codes = coded(&rows);
        let sketch = Sketch::new(&unit(&spread(123, 512)));
        let near = codes.at_most(&sketch).enumerate().filter(|(_, at_most)| *at_most >= 0.45);
        assert_eq!(near.map(|(slot, _)| slot).collect::<Vec<_>>(), [123]);
        assert!(codes.fits.iter().all(|fit| (0.08..0.16).contains(&fit.residual)), "what the docs say of e");
    }

    #[test]
    fn a_row_that_goes_leaves_nothing_and_the_last_takes_its_place() {
        let rows: Vec<Vec<f16>> = (0..4).map(|n| row(&spread(n, 130)).unwrap()).collect();
        let mut codes = coded(&rows);
        codes.swap_remove(1);
        let sketch = Sketch::new(&unit(&spread(9, 130)));
        let left = coded(&[rows[0].clone(), rows[3].clone(), rows[2].clone()]);
        assert!(codes.bounds(&sketch).eq(left.bounds(&sketch)));
        codes.write(2, &rows[1]);
        let written = coded(&[rows[0].clone(), rows[3].clone(), rows[1].clone()]);
        assert!(codes.bounds(&sketch).eq(written.bounds(&sketch)));
        for _ in 0..3 {
            codes.swap_remove(0);
        }
        assert_eq!((codes.lines.len(), codes.fits.len(), codes.bounds(&sketch).count()), (0, 0, 0));
    }

    #[test]
    fn no_embedding_is_longer_than_the_bound_takes_it_to_be() {
        let longest = (0..=200).filter_map(|n| {
            let component = f16::from_f32(1.0 + n as f32 * 1e-4);
            Embedding::from_bytes(&component.to_le_bytes()).is_ok().then(|| component.to_f64())
        });
        let longest = longest.fold(0.0, f64::max);
        assert!((1.004..=LONGEST).contains(&longest), "{longest}");
    }
}
