//! The error of the vectorised functions, measured in units in the last place over all of f32, at every level.

mod executor_support;

use executor_support::pool;
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Level, Run, States};
use narrows_engine::op::Unary;
use narrows_engine::reference::erf;

/// Arguments in one run.
const BLOCK: usize = 1 << 16;

/// Every 4099th float, all of the smallest and largest, and the neighbourhood of every place where functions turn.
fn arguments() -> Vec<f32> {
    let mut bits: Vec<u32> = (0..=u32::MAX).step_by(4099).collect();
    let corners = [
        0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        15.0,
        -15.0,
        4.0,
        -4.0,
        30.0,
        -30.0,
        88.0,
        88.722_84,
        89.5,
        -87.336_55,
        -88.0,
        -103.972,
        -104.0,
        17.0,
        -17.0,
        std::f32::consts::LN_2,
        0.346_573_6,
        -0.346_573_6,
        std::f32::consts::FRAC_1_SQRT_2,
        std::f32::consts::SQRT_2,
        -0.292_893_2,
        0.414_213_56,
        1e-3,
        1e30,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
    ];
    for corner in corners {
        for sign in [1.0f32, -1.0] {
            let at = (corner * sign).to_bits();
            bits.extend(
                (at.saturating_sub(1500)..=at.saturating_add(1500)).filter(|b| !f32::from_bits(*b).is_nan()),
            );
        }
    }
    // Evenly spread over where most arguments lie, which bits are not.
    let even = (0..300_000).map(|at| ((at as f32 - 150_000.0) * 7e-4).to_bits());
    bits.extend(even);
    bits.push(f32::NAN.to_bits());
    bits.into_iter().map(f32::from_bits).collect()
}

fn exact(unary: Unary, x: f32) -> f64 {
    let x = f64::from(x);
    match unary {
        Unary::Exponential => x.exp(),
        Unary::ExponentialMinusOne => x.exp_m1(),
        Unary::Logarithm => x.ln(),
        Unary::LogarithmOnePlus => x.ln_1p(),
        Unary::HyperbolicTangent => x.tanh(),
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p() + if x.is_nan() { x } else { 0.0 },
        _ => erf(x),
    }
}

/// The distance in units of the last place that f32 has at the exact value.
fn error(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if found.is_nan() || exact.is_nan() || nearest.is_infinite() || found.is_infinite() {
        // One unit past the largest number lies infinity: a value within half a unit of it may be either.
        let close = (found.is_nan() && exact.is_nan())
            || (found == nearest
                || (exact.abs() > 3.402_823e38
                    && found.abs() > 3.402_823e38
                    && exact.signum() == f64::from(found).signum()));
        return if close { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((exact.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(-126);
    // 2^(23 − exponent), put together from its bits.
    (f64::from(found) - exact).abs() * f64::from_bits(((23 - exponent + 1023) as u64) << 52)
}

fn worst(unary: Unary, level: Level, arguments: &[f32], exact: &[f64]) -> (f64, f32) {
    let graph = Graph::new();
    graph.output("y", graph.input("x", [BLOCK]).unary(unary));
    let mut executable = Executable::new(&graph, &pool(1), level).unwrap();
    let mut states = States::new(&[]);
    let mut values = vec![0.0; BLOCK];
    let mut worst = (0.0, 0.0);
    for (block, exact) in arguments.chunks(BLOCK).zip(exact.chunks(BLOCK)) {
        let mut padded = block.to_vec();
        padded.resize(BLOCK, 0.0);
        executable.run(&mut states, &Run { inputs: &[Feed::F32(&padded)], ..Run::default() }).unwrap();
        executable.output(0, &mut values);
        for ((x, found), exact) in block.iter().zip(&values).zip(exact) {
            let error = error(*found, *exact);
            if error > worst.0 {
                worst = (error, *x);
            }
            // The sign of zero survives in odd functions.
            let odd = matches!(
                unary,
                Unary::ExponentialMinusOne
                    | Unary::LogarithmOnePlus
                    | Unary::HyperbolicTangent
                    | Unary::ErrorFunction
            );
            if odd && *x == 0.0 {
                assert_eq!(found.to_bits(), x.to_bits(), "{} of {x:?}", unary.name());
            }
        }
    }
    worst
}

#[test]
fn errors_stay_within_their_bounds() {
    let bounds = [
        (Unary::Exponential, 2.0),
        (Unary::Logarithm, 2.0),
        (Unary::HyperbolicTangent, 2.0),
        (Unary::Sigmoid, 2.0),
        (Unary::ExponentialMinusOne, 2.0),
        (Unary::LogarithmOnePlus, 2.0),
        (Unary::Softplus, 3.0),
        (Unary::ErrorFunction, 3.0),
    ];
    let arguments = arguments();
    let mut table = String::new();
    let mut missed = false;
    for (unary, bound) in bounds {
        let exact: Vec<f64> = arguments.iter().map(|x| exact(unary, *x)).collect();
        for level in Level::all_available() {
            let (error, at) = worst(unary, level, &arguments, &exact);
            missed |= error > bound;
            table +=
                &format!("{} at {}: {error:.3} ulp at {at:e} (bound {bound})\n", unary.name(), level.name());
        }
    }
    assert!(!missed, "\n{table}");
}
