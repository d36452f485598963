//! Plain Rust: arrays of 8, which compilers turn into whatever the machine surely has.

use super::Simd;

/// The bits of √½: subtracting them from a number's bits leaves its exponent, rounded so that mantissas lie in [√½, √2).
pub const ROOT_HALF_BITS: i32 = 0x3f35_04f3;

/// The level without assumptions.
#[derive(Clone, Copy)]
pub struct Plain;

type V = [f32; 8];

#[inline(always)]
fn zip(a: V, b: V, function: impl Fn(f32, f32) -> f32) -> V {
    std::array::from_fn(|lane| function(a[lane], b[lane]))
}

#[inline(always)]
fn compare(a: V, b: V, function: impl Fn(f32, f32) -> bool) -> [bool; 8] {
    std::array::from_fn(|lane| function(a[lane], b[lane]))
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each body is a line under the trait's contract")]
impl Simd for Plain {
    type V = V;
    type Mask = [bool; 8];
    const LANES: usize = 8;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> V {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> V {
        from.cast::<V>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: V) {
        to.cast::<V>().write_unaligned(value)
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    /// Two roundings: without a fused instruction, one rounding costs a library call a lane.
    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn fnma(a: V, b: V, c: V) -> V {
        std::array::from_fn(|lane| c[lane] - a[lane] * b[lane])
    }
    #[inline(always)]
    unsafe fn sqrt(a: V) -> V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn round(a: V) -> V {
        // Adding and taking away 1.5 · 2²³ leaves no bits behind the point; kernels round only numbers below 2²².
        a.map(|a| (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn power_of_two(n: V) -> V {
        n.map(|n| f32::from_bits((((n as i32) + 127) << 23) as u32))
    }
    #[inline(always)]
    unsafe fn split_exponent(a: V) -> (V, V) {
        let exponent = a.map(|a| (a.to_bits() as i32).wrapping_sub(ROOT_HALF_BITS) >> 23);
        let mantissa = std::array::from_fn(|lane| {
            f32::from_bits((a[lane].to_bits() as i32).wrapping_sub(exponent[lane] << 23) as u32)
        });
        (mantissa, exponent.map(|exponent| exponent as f32))
    }
    #[inline(always)]
    unsafe fn abs(a: V) -> V {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn copy_sign(a: V, b: V) -> V {
        zip(a, b, f32::copysign)
    }
    #[inline(always)]
    unsafe fn gt(a: V, b: V) -> [bool; 8] {
        compare(a, b, |a, b| a > b)
    }
    #[inline(always)]
    unsafe fn ge(a: V, b: V) -> [bool; 8] {
        compare(a, b, |a, b| a >= b)
    }
    #[inline(always)]
    unsafe fn eq(a: V, b: V) -> [bool; 8] {
        compare(a, b, |a, b| a == b)
    }
    #[inline(always)]
    unsafe fn select(mask: [bool; 8], a: V, b: V) -> V {
        std::array::from_fn(|lane| if mask[lane] { a[lane] } else { b[lane] })
    }
    #[inline(always)]
    unsafe fn or(a: V, b: V) -> V {
        zip(a, b, |a, b| f32::from_bits(a.to_bits() | b.to_bits()))
    }
    #[inline(always)]
    unsafe fn filled(a: V) -> u32 {
        a.iter().enumerate().map(|(lane, a)| u32::from(*a != 0.0) << lane).sum()
    }
}
