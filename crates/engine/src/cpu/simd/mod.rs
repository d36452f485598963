//! Vectors of f32, one implementation an instruction set.
//!
//! Kernels are written once, generic over [`Simd`], as `#[inline(always)]` functions; [`dispatch`](crate::cpu::dispatch)
//! wraps them in functions compiled for each instruction set. Every method is unsafe for one reason: the machine must have
//! the instruction set, which [`Level`] guarantees for those that it hands out.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod plain;

use super::listed::{list_word, turn_bits};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// x86-64 with AVX-512 (F, VL, DQ): 16 lanes, 32 registers.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// AArch64: 4 lanes, 32 registers.
    Neon,
    /// No assumption beyond Rust itself.
    Plain,
}

impl Level {
    /// The name in messages, options and listings.
    pub fn name(self) -> &'static str {
        match self {
            Level::Avx512 => "avx512",
            Level::Avx2 => "avx2",
            Level::Neon => "neon",
            Level::Plain => "plain",
        }
    }

    /// Whether this machine has it.
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                    && counts_bits()
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && counts_bits()
            }
            #[cfg(target_arch = "aarch64")]
            Level::Neon => true,
            Level::Plain => true,
            #[allow(unreachable_patterns, reason = "which patterns are left depends on the architecture")]
            _ => false,
        }
    }

    /// Every level that this machine has, best first.
    pub fn all_available() -> Vec<Level> {
        [Level::Avx512, Level::Avx2, Level::Neon, Level::Plain]
            .into_iter()
            .filter(|level| level.available())
            .collect()
    }

    /// The best level of this machine.
    pub fn best() -> Level {
        Level::all_available().first().copied().unwrap_or(Level::Plain)
    }

    /// The level of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Level> {
        [Level::Avx512, Level::Avx2, Level::Neon, Level::Plain].into_iter().find(|level| level.name() == name)
    }
}

/// Whether the machine counts bits by instructions, as every one with AVX2 does.
#[cfg(target_arch = "x86_64")]
fn counts_bits() -> bool {
    is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1")
}

/// A vector of f32 and what kernels do with it.
///
/// # Safety
/// Every method must only be called where the machine has the instruction set; loads and stores need [`Simd::LANES`] valid
/// elements behind the pointer, without alignment.
#[allow(clippy::missing_safety_doc, reason = "the contract is the trait's, once")]
pub trait Simd: Copy {
    /// The vector.
    type V: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// Lanes of the vector.
    const LANES: usize;
    /// Vectors side by side in a product tile.
    const TILE_VECTORS: usize;

    /// All lanes the same.
    unsafe fn splat(value: f32) -> Self::V;
    /// Reads LANES numbers.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes LANES numbers.
    unsafe fn store(to: *mut f32, value: Self::V);
    /// a + b
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once where the instruction set can
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a · b, rounded once where the instruction set can
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// √a
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// a / (√b + c), within 4 ulp: what adaptive optimisers divide by
    unsafe fn div_sqrt_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { Self::div(a, Self::add(Self::sqrt(b), c)) }
    }
    /// The nearest whole number, ties to even
    unsafe fn round(a: Self::V) -> Self::V;
    /// 2ⁿ for whole n in −126 … 127
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    /// a · 2ⁿ, rounded once, for whole n of at most twice the exponents of normal numbers.
    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        // In two halves, of which the first is exact: n may lie outside the exponents of normal numbers.
        // SAFETY: the caller's.
        unsafe {
            let half = Self::round(Self::mul(n, Self::splat(0.5)));
            let first = Self::mul(a, Self::power_of_two(half));
            Self::mul(first, Self::power_of_two(Self::sub(n, half)))
        }
    }
    /// (m, e) with a = m · 2ᵉ and m in [√½, √2), for positive normal a
    unsafe fn split_exponent(a: Self::V) -> (Self::V, Self::V);
    /// |a|
    unsafe fn abs(a: Self::V) -> Self::V;
    /// |a| with the sign of b
    unsafe fn copy_sign(a: Self::V, b: Self::V) -> Self::V;
    /// a > b
    unsafe fn gt(a: Self::V, b: Self::V) -> Self::Mask;
    /// a ≥ b
    unsafe fn ge(a: Self::V, b: Self::V) -> Self::Mask;
    /// a = b
    unsafe fn eq(a: Self::V, b: Self::V) -> Self::Mask;
    /// a where true, else b
    unsafe fn select(mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; a where they are equal, NaN where either is.
    #[inline(always)]
    unsafe fn maximum(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the caller's. NaN is added where the comparison can say nothing.
        unsafe { Self::select(Self::ge(a, b), a, Self::select(Self::gt(b, a), b, Self::add(a, b))) }
    }
    /// The bits of a or those of b
    unsafe fn or(a: Self::V, b: Self::V) -> Self::V;
    /// A bit for each lane, the first one lowest, that is anything but zero
    unsafe fn filled(a: Self::V) -> u32;
    /// Writes `first` plus the number of every bit that is set, in order; gives how many there are. `to` has room for LANES.
    #[inline(always)]
    unsafe fn list(first: u32, mut bits: u32, to: *mut u32) -> usize {
        let count = bits.count_ones() as usize;
        for at in 0..count {
            // SAFETY: no more bits than lanes.
            unsafe { *to.add(at) = first + bits.trailing_zeros() };
            bits &= bits - 1;
        }
        count
    }
    /// The same of 32 bits in 16 bits a number: `to` has room for 32.
    #[inline(always)]
    unsafe fn list_narrow(bits: u32, first: usize, to: *mut u16) -> usize {
        // SAFETY: the caller's.
        unsafe { list_word(bits, first, to) }
    }
    /// Turns 32 rows of eight bits: a word for each column, a bit in it for each row.
    #[inline(always)]
    unsafe fn turn_bits(rows: &[u8; 32]) -> [u32; 8] {
        turn_bits(rows)
    }
    /// A row is summed by its own list if at most so many eighths of it hold anything.
    const LISTED_EIGHTHS: usize = 3;
    /// How much longer a multiply-add takes by lists than in a tile.
    const LISTED_COST: f32 = 2.5;
    /// Side of the square that [`Simd::turn`] transposes.
    const TURN: usize = 4;
    /// Transposes a square of TURN×TURN numbers; rows are `from_step` and `to_step` apart.
    unsafe fn turn(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            for row in 0..Self::TURN {
                for column in 0..Self::TURN {
                    *to.add(column * to_step + row) = *from.add(row * from_step + column);
                }
            }
        }
    }
    /// Asks for a cache line ahead of its use; never faults.
    unsafe fn prefetch(from: *const f32) {
        let _ = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plain::Plain;

    /// What a level does in its own way is what numbers taken one by one give, signs of zeros included.
    fn like_plain<S: Simd>() {
        let values = [0.0, -0.0, 1.0, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40];
        for (a, b) in values.into_iter().flat_map(|a| values.map(|b| (a, b))) {
            let mut lanes = [[0.0f32; 16]; 2];
            // SAFETY: the level is this machine's; a vector fits.
            unsafe {
                S::store(lanes[0].as_mut_ptr(), S::maximum(S::splat(a), S::splat(b)));
                Plain::store(lanes[1].as_mut_ptr(), Plain::maximum(Plain::splat(a), Plain::splat(b)));
            }
            let [own, plain] = [lanes[0][0], lanes[1][0]];
            assert!(own.to_bits() == plain.to_bits() || own.is_nan() && plain.is_nan(), "{a}, {b}: {own}");
        }
        for salt in 0..50u32 {
            let bits = salt.wrapping_mul(0x9e37_79b9) & if salt % 3 == 0 { u32::MAX } else { 0x00ff_0f0f };
            let rows = std::array::from_fn(|row| (bits.rotate_left(row as u32) ^ salt) as u8);
            let mut lists = [[0u16; 64]; 2];
            // SAFETY: as above; there is room for 32 numbers.
            unsafe {
                let count = S::list_narrow(bits, 100 * salt as usize, lists[0].as_mut_ptr());
                assert_eq!(count, Plain::list_narrow(bits, 100 * salt as usize, lists[1].as_mut_ptr()));
                assert_eq!(lists[0][..count], lists[1][..count]);
                assert_eq!(S::turn_bits(&rows), Plain::turn_bits(&rows));
            }
        }
    }

    #[test]
    fn every_level_lists_turns_and_compares_like_plain_numbers() {
        for level in Level::all_available() {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => like_plain::<avx512::Avx512>(),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => like_plain::<avx2::Avx2>(),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => like_plain::<neon::Neon>(),
                _ => like_plain::<Plain>(),
            }
        }
    }
}
