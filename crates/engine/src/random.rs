//! Random numbers by counting: what a draw is depends on its seed, step, stream, row id and column, and on nothing else.
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
//! a keyed bijection of 128-bit counters. The key is the seed; the counter is `[column / 4, row id, stream, step]`, and the
//! four words that come out belong to the four columns of that block. So the order of execution never matters, a row draws
//! the same numbers wherever it stands in a batch, and resuming needs no saved generator.
//!
//! Everything here is plain f32 and u32 arithmetic, operation by operation, without library functions and without fused
//! multiply-add: a vectorised executor that does the same steps gets the same bits, at every instruction-set level.

use crate::graph::op::Distribution;
use std::f32::consts::TAU;

/// Streams of a graph count up from 0; those that [`Stream`] and [`shuffle`] use have this bit set, so they never meet.
pub const HOST_STREAM: u32 = 1 << 31;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// One block of Philox4x32-10: four random words for a counter under a key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut left, mut right]) = (counter, key);
    for _ in 0..ROUNDS {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(a);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(c);
        (a, b, c, d) =
            ((second >> 32) as u32 ^ b ^ left, second as u32, (first >> 32) as u32 ^ d ^ right, first as u32);
        left = left.wrapping_add(KEY_STEPS[0]);
        right = right.wrapping_add(KEY_STEPS[1]);
    }
    [a, b, c, d]
}

/// The key that a seed is.
#[inline(always)]
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// A number on [0, 1) from the upper 24 bits: every multiple of 2⁻²⁴, equally likely.
#[inline(always)]
pub fn uniform(bits: u32) -> f32 {
    // Through i32, since only AVX-512 converts unsigned integers in one instruction.
    (bits >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32)
}

/// Two independent normal numbers with mean 0 and deviation 1 (Box and Muller 1958): √(−2 ln p) times cosine and sine of
/// 2πq, with p on (0, 1] and q on [0, 1) from the upper 24 bits of `u` and `v`. None exceeds 5.77 in size.
#[inline(always)]
pub fn normal_pair(u: u32, v: u32) -> (f32, f32) {
    let radius = (-2.0 * logarithm_of_fraction((u >> 8) as i32 + 1)).sqrt();
    let (cosine, sine) = cosine_and_sine_of_turn((v >> 8) as i32);
    (radius * cosine, radius * sine)
}

/// ln(count/2²⁴) for counts 1 to 2²⁴; the polynomial is that of Cephes `logf` (S. Moshier).
#[inline(always)]
fn logarithm_of_fraction(count: i32) -> f32 {
    // Adding the bits of 1 − √½ puts the mantissa on [√½, √2) and the exponent beside it, without a branch.
    const HALF_ROOT: i32 = 0x3f35_04f3;
    const ONE: i32 = 0x3f80_0000;
    let bits = (count as f32).to_bits() as i32 + (ONE - HALF_ROOT);
    let exponent = ((bits >> 23) - 127 - 24) as f32;
    let x = f32::from_bits(((bits & 0x007f_ffff) + HALF_ROOT) as u32) - 1.0;
    let square = x * x;
    let mut y = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        y = y * x + coefficient;
    }
    y = y * x * square + exponent * -2.121_944_4e-4;
    (x + (y - 0.5 * square)) + exponent * 0.693_359_4
}

/// cos and sin of 2π·count/2²⁴; the polynomials are those of Cephes `sinf`, on a quarter turn around each axis.
#[inline(always)]
fn cosine_and_sine_of_turn(count: i32) -> (f32, f32) {
    let quarter = (count + (1 << 21)) >> 22;
    let angle = (count - (quarter << 22)) as f32 * (TAU / (1 << 24) as f32);
    let z = angle * angle;
    let sine = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * angle + angle;
    let cosine = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (x, y) = if quarter & 1 == 0 { (cosine, sine) } else { (sine, cosine) };
    let x = if (quarter + 1) & 2 == 0 { x } else { -x };
    let y = if quarter & 2 == 0 { y } else { -y };
    (x, y)
}

/// The four values of one block of columns.
#[inline(always)]
fn block(key: [u32; 2], counter: [u32; 4], distribution: Distribution) -> [f32; 4] {
    let [a, b, c, d] = philox(counter, key);
    match distribution {
        Distribution::Uniform => [uniform(a), uniform(b), uniform(c), uniform(d)],
        Distribution::Normal => {
            let ((a, b), (c, d)) = (normal_pair(a, b), normal_pair(c, d));
            [a, b, c, d]
        }
    }
}

/// What the element (row, column) of a random leaf is: the one definition, which every executor must meet bit for bit.
pub fn draw(seed: u64, step: u32, stream: u32, row_id: u32, column: u32, distribution: Distribution) -> f32 {
    block(key(seed), [column / 4, row_id, stream, step], distribution)[column as usize % 4]
}

/// Blocks drawn side by side, so that the compiler can keep each word of them in one vector.
const LANES: usize = 16;

/// Fills `out` with the columns of a row from `first_column` on: the same bits as [`draw`] gives one by one.
#[inline(always)]
pub fn fill_row(
    seed: u64,
    step: u32,
    stream: u32,
    row_id: u32,
    first_column: u32,
    out: &mut [f32],
    distribution: Distribution,
) {
    let key = key(seed);
    let counter = |block: u32| [block, row_id, stream, step];
    let lead = ((4 - first_column % 4) % 4) as usize;
    let (head, rest) = out.split_at_mut(lead.min(out.len()));
    if lead > 0 {
        let values = block(key, counter(first_column / 4), distribution);
        for (to, from) in head.iter_mut().zip(&values[4 - lead..]) {
            *to = *from;
        }
    }
    let mut next = first_column.div_ceil(4);
    let mut groups = rest.chunks_exact_mut(4 * LANES);
    for group in &mut groups {
        let mut lanes = [[0.0; LANES]; 4];
        for lane in 0..LANES {
            let values = block(key, counter(next + lane as u32), distribution);
            for word in 0..4 {
                lanes[word][lane] = values[word];
            }
        }
        for (lane, to) in group.chunks_exact_mut(4).enumerate() {
            for word in 0..4 {
                to[word] = lanes[word][lane];
            }
        }
        next += LANES as u32;
    }
    for to in groups.into_remainder().chunks_mut(4) {
        let values = block(key, counter(next), distribution);
        to.copy_from_slice(&values[..to.len()]);
        next += 1;
    }
}

/// A sequence of random words for work outside the plan: initial weights, shuffles, drawn pictures.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    stream: u32,
    step: u32,
    next: u64,
    words: [u32; 4],
}

impl Stream {
    /// The sequence of this seed, stream (below 2³¹) and step; it shares no number with a graph's streams.
    pub fn new(seed: u64, stream: u32, step: u32) -> Stream {
        Stream { key: key(seed), stream: stream | HOST_STREAM, step, next: 0, words: [0; 4] }
    }

    /// The next random word.
    pub fn word(&mut self) -> u32 {
        let within = (self.next % 4) as usize;
        if within == 0 {
            let block = self.next / 4;
            self.words = philox([block as u32, (block >> 32) as u32, self.stream, self.step], self.key);
        }
        self.next += 1;
        self.words[within]
    }

    /// The next number on [0, 1).
    pub fn uniform(&mut self) -> f32 {
        uniform(self.word())
    }

    /// The next normal number with mean 0 and deviation 1. Takes two words; the second number of the pair is dropped.
    pub fn normal(&mut self) -> f32 {
        normal_pair(self.word(), self.word()).0
    }

    /// A whole number below `bound` (0 if `bound` is 0), each equally likely (Lemire 2019, with rejection).
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.word()) * u64::from(bound);
            if product as u32 >= unfair {
                return (product >> 32) as u32;
            }
        }
    }
}

impl Iterator for Stream {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        Some(self.word())
    }
}

/// Puts `items` into a random order (Fisher and Yates), each order equally likely.
pub fn shuffle(seed: u64, stream: u32, step: u32, items: &mut [u32]) {
    let mut words = Stream::new(seed, stream, step);
    for last in (1..items.len()).rev() {
        items.swap(last, words.below(last as u32 + 1) as usize);
    }
}
