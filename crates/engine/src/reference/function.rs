//! Functions of one and two numbers, in f64.

use crate::graph::op::{Binary, Unary};
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

pub(super) fn unary(unary: Unary, x: f64) -> f64 {
    match unary {
        Unary::Negate => -x,
        Unary::Absolute => x.abs(),
        Unary::Sign if x.is_nan() => x,
        Unary::Sign => truth(x > 0.0) - truth(x < 0.0),
        Unary::SquareRoot => x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Exponential => x.exp(),
        Unary::ExponentialMinusOne => x.exp_m1(),
        Unary::Logarithm => x.ln(),
        Unary::LogarithmOnePlus => x.ln_1p(),
        Unary::HyperbolicTangent => x.tanh(),
        // Of two equal forms, the one whose exponential cannot overflow.
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        // `max` would lose a NaN, which the logarithm keeps.
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Unary::ErrorFunction => erf(x),
    }
}

pub(super) fn binary(binary: Binary, a: f64, b: f64) -> f64 {
    match binary {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => a / b,
        // NaN in either operand is kept, so that a divergence is never hidden.
        Binary::Maximum | Binary::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
        Binary::Maximum => {
            if b > a {
                b
            } else {
                a
            }
        }
        Binary::Minimum => {
            if b < a {
                b
            } else {
                a
            }
        }
        Binary::Greater => truth(a > b),
        Binary::GreaterOrEqual => truth(a >= b),
        Binary::Equal => truth(a == b),
    }
}

fn truth(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// The error function, to a few units of the last place.
///
/// Below 2.5 by the series 2/√π e^(−x²) Σ 2ⁿx²ⁿ⁺¹/(2n+1)!! (Abramowitz and Stegun 7.1.6), whose terms are all of one sign;
/// beyond by the continued fraction of its complement (7.1.14), from the inside out.
pub fn erf(x: f64) -> f64 {
    let size = x.abs();
    if x.is_nan() || x == 0.0 {
        return x;
    }
    if size < 2.5 {
        let mut term = x;
        let mut sum = x;
        let mut n = 1.0;
        while term.abs() > 1e-18 * sum.abs() {
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return FRAC_2_SQRT_PI * (-x * x).exp() * sum;
    }
    let fraction = (1..=120).rev().fold(size, |inner, n| size + f64::from(n) / 2.0 / inner);
    let complement = (-x * x).exp() / (PI.sqrt() * fraction);
    (1.0 - complement).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Abramowitz and Stegun's table 7.1 (continued with mpmath's `erf` at 30 digits), on both sides of the seam.
    #[test]
    fn erf_meets_its_table() {
        let table: [(f64, f64); 8] = [
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (1.5, 0.966_105_146_475_310_8),
            (2.0, 0.995_322_265_018_952_7),
            (2.49, 0.999_570_712_132_266_1),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
        ];
        for (x, expected) in table {
            assert!((erf(x) - expected).abs() < 1e-15, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!((erf(0.0), erf(7.0), erf(f64::NEG_INFINITY)), (0.0, 1.0, -1.0));
        assert!(erf(f64::NAN).is_nan());
        assert!((erf(1e-9) / 1e-9 - FRAC_2_SQRT_PI).abs() < 1e-15);
    }

    #[test]
    fn the_seam_of_erf_does_not_show() {
        let (below, above) = (erf(2.5 - 1e-12), erf(2.5));
        let slope = FRAC_2_SQRT_PI * (-6.25f64).exp();
        assert!((above - below - 1e-12 * slope).abs() < 5e-16);
    }

    #[test]
    fn extremes_neither_overflow_nor_vanish() {
        assert_eq!(unary(Unary::Sigmoid, -1e4), 0.0);
        assert_eq!(unary(Unary::Sigmoid, 1e4), 1.0);
        assert_eq!(unary(Unary::Softplus, 1e4), 1e4);
        assert_eq!(unary(Unary::Softplus, -50.0), (-50.0f64).exp());
        assert!(unary(Unary::Softplus, f64::NAN).is_nan());
    }

    #[test]
    fn signs_comparisons_and_ties() {
        assert_eq!([-2.0, 0.0, 3.0].map(|x| unary(Unary::Sign, x)), [-1.0, 0.0, 1.0]);
        assert_eq!(
            [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)].map(|(a, b)| binary(Binary::Greater, a, b)),
            [0.0, 0.0, 1.0]
        );
        assert_eq!([(1.0, 2.0), (2.0, 2.0)].map(|(a, b)| binary(Binary::GreaterOrEqual, a, b)), [0.0, 1.0]);
        assert_eq!([(1.0, 2.0), (2.0, 2.0)].map(|(a, b)| binary(Binary::Equal, a, b)), [0.0, 1.0]);
        assert!(binary(Binary::Maximum, -0.0, 0.0).is_sign_negative());
        assert!(binary(Binary::Minimum, 0.0, -0.0).is_sign_positive());
    }
}
