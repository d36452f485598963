//! Vectorised functions: exponentials, logarithms and what is made of them.
//!
//! Each reduces its argument exactly, evaluates a short polynomial, and puts the result together so that the error stays
//! within 2 units in the last place (softplus, and the error function near 0: 3); `tests/vector_functions.rs` measures it.
//! All of them take every float: NaN stays NaN, infinities have their limits.
#![allow(unsafe_op_in_unsafe_fn, reason = "the contract is Simd's: the machine has the instruction set")]

use super::simd::Simd;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: the first has so few bits that its product with a whole number below 2⁹ is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Σ cᵢ xⁱ, lowest power first.
#[inline(always)]
unsafe fn polynomial<S: Simd>(x: S::V, coefficients: &[f32]) -> S::V {
    let mut sum = S::splat(coefficients[coefficients.len() - 1]);
    for coefficient in coefficients[..coefficients.len() - 1].iter().rev() {
        sum = S::fma(sum, x, S::splat(*coefficient));
    }
    sum
}

#[inline(always)]
unsafe fn clamp<S: Simd>(x: S::V, low: f32, high: f32) -> S::V {
    // Written so that NaN passes through.
    let x = S::select(S::gt(x, S::splat(high)), S::splat(high), x);
    S::select(S::gt(S::splat(low), x), S::splat(low), x)
}

/// (n, eʳ − 1) with x = n · ln 2 + r.
#[inline(always)]
unsafe fn reduced_exponential<S: Simd>(x: S::V) -> (S::V, S::V) {
    let n = S::round(S::mul(x, S::splat(LOG2_E)));
    let r = S::fma(n, S::splat(-LN2_HIGH), x);
    let r = S::fma(n, S::splat(-LN2_LOW), r);
    // eʳ − 1 = r + r² (1/2! + r/3! + r²/4! + …); |r| ≤ ½ ln 2 leaves 5e-9 behind the last term.
    let tail = polynomial::<S>(r, &[0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0]);
    (n, S::fma(S::mul(r, r), tail, r))
}

/// eˣ
#[inline(always)]
pub unsafe fn exponential<S: Simd>(x: S::V) -> S::V {
    exponential_and_rest::<S>(x).0
}

/// eˣ, and what the last addition lost of it.
#[inline(always)]
unsafe fn exponential_and_rest<S: Simd>(x: S::V) -> (S::V, S::V) {
    let (n, fraction) = reduced_exponential::<S>(clamp::<S>(x, -104.0, 89.5));
    let value = S::add(fraction, S::splat(1.0));
    let rest = S::sub(fraction, S::sub(value, S::splat(1.0)));
    (S::scale(value, n), S::scale(rest, n))
}

/// eˣ − 1
#[inline(always)]
pub unsafe fn exponential_minus_one<S: Simd>(x: S::V) -> S::V {
    let (n, fraction) = reduced_exponential::<S>(clamp::<S>(x, -30.0, 88.0));
    let scale = S::power_of_two(n);
    let value = S::fma(scale, fraction, S::sub(scale, S::splat(1.0)));
    // Beside 0 the sum would lose −0; above 88 the scale alone would overflow.
    let value = S::select(S::eq(x, S::splat(0.0)), x, value);
    S::select(S::gt(x, S::splat(88.0)), exponential::<S>(x), value)
}

/// ln x
#[inline(always)]
pub unsafe fn logarithm<S: Simd>(x: S::V) -> S::V {
    // Denormal numbers are scaled up by 2²⁵ first.
    let small = S::gt(S::splat(f32::MIN_POSITIVE), x);
    let scaled = S::select(small, S::mul(x, S::splat(33_554_432.0)), x);
    let (mantissa, exponent) = S::split_exponent(scaled);
    let exponent = S::select(small, S::sub(exponent, S::splat(25.0)), exponent);
    let value = logarithm_of_mantissa::<S>(S::sub(mantissa, S::splat(1.0)), exponent);
    // Edges: ln 0 = −∞, ln of a negative number is NaN, ln ∞ = ∞, NaN stays.
    let value = S::select(S::eq(x, S::splat(0.0)), S::splat(f32::NEG_INFINITY), value);
    let value = S::select(S::gt(S::splat(0.0), x), S::splat(f32::NAN), value);
    S::select(S::gt(S::splat(f32::INFINITY), x), value, S::select(S::gt(S::splat(0.0), x), value, x))
}

/// ln(1 + f) + e · ln 2 for 1 + f in [√½, 1½], by s = f/(2 + f): ln(1 + f) = 2s + 2s³/3 + 2s⁵/5 + …
#[inline(always)]
unsafe fn logarithm_of_mantissa<S: Simd>(f: S::V, exponent: S::V) -> S::V {
    let s = S::div(f, S::add(f, S::splat(2.0)));
    let z = S::mul(s, s);
    let series = S::mul(z, polynomial::<S>(z, &[2.0 / 3.0, 0.4, 2.0 / 7.0, 2.0 / 9.0]));
    let half_square = S::mul(S::mul(f, f), S::splat(0.5));
    // ln(1 + f) = f − (f²/2 − s (f²/2 + series)): the large part, f, is added last and unrounded.
    let low = S::fma(exponent, S::splat(LN2_LOW), S::mul(s, S::add(half_square, series)));
    let rest = S::sub(S::sub(half_square, low), f);
    S::fma(exponent, S::splat(LN2_HIGH), S::sub(S::splat(0.0), rest))
}

/// ln(1 + x)
#[inline(always)]
pub unsafe fn logarithm_one_plus<S: Simd>(x: S::V) -> S::V {
    let one = S::splat(1.0);
    let u = S::add(x, one);
    // What rounding 1 + x lost comes back to first order.
    let lost = S::div(S::sub(x, S::sub(u, one)), u);
    let lost = S::select(S::eq(x, S::splat(f32::INFINITY)), S::splat(0.0), lost);
    let value = S::add(logarithm::<S>(u), lost);
    let value = S::select(S::eq(u, one), x, value);
    S::select(S::eq(u, S::splat(0.0)), S::splat(f32::NEG_INFINITY), value)
}

/// tanh x = −t/(t + 2) with t = e^(−2|x|) − 1, the sign put back.
#[inline(always)]
pub unsafe fn hyperbolic_tangent<S: Simd>(x: S::V) -> S::V {
    let magnitude = S::abs(x);
    let t = exponential_minus_one::<S>(S::mul(clamp::<S>(magnitude, 0.0, 15.0), S::splat(-2.0)));
    let divisor = S::add(t, S::splat(2.0));
    let value = S::div(S::abs(t), divisor);
    // What rounding the divisor lost comes back to first order; 1/(t + 2) = (1 + tanh |x|)/2.
    let lost = S::mul(S::sub(t, S::sub(divisor, S::splat(2.0))), value);
    let half_inverse = S::fma(value, S::splat(0.5), S::splat(0.5));
    S::copy_sign(S::sub(value, S::mul(lost, half_inverse)), x)
}

/// 1/(1 + e⁻ˣ), from e^(−|x|) so that both tails keep their digits.
#[inline(always)]
pub unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    let (zero, one) = (S::splat(0.0), S::splat(1.0));
    let negative = S::gt(zero, x);
    let (e, e_low) = exponential_and_rest::<S>(S::sub(zero, S::abs(x)));
    let divisor = S::add(one, e);
    let value = S::div(S::select(negative, e, one), divisor);
    // What rounding e and the divisor lost comes back to first order; 1/(1 + e) is the sigmoid of |x|.
    let divisor_low = S::add(S::sub(e, S::sub(divisor, one)), e_low);
    let lost = S::sub(S::select(negative, e_low, zero), S::mul(value, divisor_low));
    let inverse = S::select(negative, S::sub(one, value), value);
    S::add(value, S::mul(lost, inverse))
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)). The exponential lies in [0, 1], where 1 + e is 1 + f or 2 (1 + f) with an exact
/// f in [−¼, ½].
#[inline(always)]
pub unsafe fn softplus<S: Simd>(x: S::V) -> S::V {
    let e = exponential::<S>(S::sub(S::splat(0.0), S::abs(x)));
    let positive = S::select(S::gt(S::splat(0.0), x), S::splat(0.0), x);
    let large = S::gt(e, S::splat(0.5));
    let f = S::select(large, S::mul(S::sub(e, S::splat(1.0)), S::splat(0.5)), e);
    let exponent = S::select(large, S::splat(1.0), S::splat(0.0));
    S::add(positive, logarithm_of_mantissa::<S>(f, exponent))
}

/// The error function: x · p(x²) up to 1, 1 − e^(−q(|x|)) beyond. The coefficients are our own Chebyshev fits of
/// erf(√t)/√t on [0, 1] and of −ln(1 − erf t) on [0.9, 4]; they leave 4e-11 and 1.4e-9 behind.
#[inline(always)]
pub unsafe fn error_function<S: Simd>(x: S::V) -> S::V {
    const NEAR: [f32; 8] = [
        std::f32::consts::FRAC_2_SQRT_PI,
        -0.376_126_38,
        0.112_837_83,
        -0.026_865_438,
        5.221_053_4e-3,
        -8.484_396_5e-4,
        1.126_825_4e-4,
        -9.673_59e-6,
    ];
    const FAR: [f32; 9] = [
        -3.002_688_2e-4,
        1.130_155_1,
        0.631_956_2,
        0.109_960_8,
        -0.026_355_12,
        4.736_950_6e-3,
        -5.920_927_6e-4,
        4.551_277_3e-5,
        -1.610_240_4e-6,
    ];
    let magnitude = S::abs(x);
    let near = S::mul(x, polynomial::<S>(S::mul(x, x), &NEAR));
    let beyond = polynomial::<S>(clamp::<S>(magnitude, 0.0, 4.0), &FAR);
    let far = S::sub(S::splat(1.0), exponential::<S>(S::sub(S::splat(0.0), beyond)));
    S::select(S::gt(magnitude, S::splat(1.0)), S::copy_sign(far, x), near)
}
