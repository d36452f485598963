//! Every optimiser against its published formula, one number at a time in f64: decay, clipping and averaging included.

mod library_support;

use library_support::{compute, narrow, recipe};
use narrows::engine::Graph;
use narrows::engine::cpu::{Executable, Level, Run, States};
use narrows::network::dense::{Parameters, Role};
use narrows::train::optimiser::{StepScalars, add_updates, declare_scalars};

const STEPS: usize = 6;
const RATE: f64 = 0.05;
/// Starting values: a weight of 2×3 and a bias of 3; Σ s(w − c)² + Σ b³/3 is minimised.
const WEIGHT: [f64; 6] = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
const BIAS: [f64; 3] = [0.4, -0.6, 0.9];
const CENTRE: [f64; 6] = [1.0, 0.0, -1.0, 0.25, 2.0, 1.0];
const SLOPE: [f64; 6] = [1.0, 2.0, 0.5, 3.0, 0.1, 1.5];

/// Gradient of the loss at the parameters (6 weights, then 3 biases).
fn gradient(p: &[f64]) -> Vec<f64> {
    let weights = (0..6).map(|at| 2.0 * SLOPE[at] * (p[at] - CENTRE[at]));
    weights.chain((6..9).map(|at| p[at] * p[at])).collect()
}

/// Weights and biases after every step, by the engine's executor.
fn optimised(settings: &[&str], state: &str) -> Vec<Vec<f64>> {
    let train = recipe(settings).train;
    let graph = Graph::new();
    let mut parameters = Parameters::default();
    let w = parameters.get(&graph, "w", &[2, 3], Role::Weight);
    let b = parameters.get(&graph, "b", &[3], Role::Bias);
    let table = |values: &[f64]| graph.table([2, 3], &narrow(values));
    let loss = ((w - table(&CENTRE)).square() * table(&SLOPE)).sum_all()
        + (b * b * b).sum_all() * graph.constant(1.0 / 3.0);
    graph.output("loss", loss);
    let scalars = declare_scalars(&graph);
    add_updates(&graph, loss, &parameters, &train, &scalars, None).unwrap();
    let mut states = States::new(&graph.states());
    states.set("w", &narrow(&WEIGHT)).unwrap();
    states.set("b", &narrow(&BIAS)).unwrap();
    let mut executable = Executable::new(&graph, &compute(2).pool, Level::best()).unwrap();
    (0..STEPS)
        .map(|step| {
            // A rate that changes, so that one that is not passed on shows.
            let rate = RATE / (1.0 + step as f64);
            let scalars = StepScalars::new(&train, rate, 1.0, step as u64).as_array();
            executable.run(&mut states, &Run { scalars: &scalars, ..Run::default() }).unwrap();
            let get = |name: &str| states.get(&format!("{state}{name}")).unwrap();
            get("w").into_iter().chain(get("b")).map(f64::from).collect()
        })
        .collect()
}

/// The published formulae, one number at a time: parameter, gradient, step from 1, rate, moments → new parameter.
type Rule = fn(f64, f64, i32, f64, &mut [f64; 2]) -> f64;

/// Parameters after every step by a rule, the gradient first changed by `change`.
fn by_rule(rule: Rule, change: impl Fn(&[f64], Vec<f64>) -> Vec<f64>) -> Vec<Vec<f64>> {
    let mut p: Vec<f64> = WEIGHT.into_iter().chain(BIAS).collect();
    let mut moments = vec![[0.0; 2]; p.len()];
    (0..STEPS)
        .map(|step| {
            let rate = RATE / (1.0 + step as f64);
            let gradient = change(&p, gradient(&p));
            for at in 0..p.len() {
                p[at] = rule(p[at], gradient[at], step as i32 + 1, rate, &mut moments[at]);
            }
            p.clone()
        })
        .collect()
}

#[track_caller]
fn same(found: &[Vec<f64>], expected: &[Vec<f64>], what: &str) {
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 3e-6, "{what}, step {step}, [{at}]: {found} for {expected}");
        }
    }
}

fn plain(_: &[f64], gradient: Vec<f64>) -> Vec<f64> {
    gradient
}

const SGD: Rule = |w, g, _, rate, _| w - rate * g;

/// Adam with β₁ = 0.8, β₂ = 0.9, ε = 0.01.
const ADAM: Rule = |w, g, t, rate, m| {
    m[0] = 0.8 * m[0] + 0.2 * g;
    m[1] = 0.9 * m[1] + 0.1 * g * g;
    let (mean, square) = (m[0] / (1.0 - 0.8f64.powi(t)), m[1] / (1.0 - 0.9f64.powi(t)));
    w - rate * mean / (square.sqrt() + 0.01)
};

#[test]
fn every_optimiser_is_its_formula() {
    let cases: [(&str, Rule); 6] = [
        ("sgd", SGD),
        ("{ kind = 'momentum', momentum = 0.7 }", |w, g, _, rate, m| {
            m[0] = 0.7 * m[0] + g;
            w - rate * m[0]
        }),
        ("{ kind = 'nesterov', momentum = 0.7 }", |w, g, _, rate, m| {
            m[0] = 0.7 * m[0] + g;
            w - rate * (0.7 * m[0] + g)
        }),
        ("{ kind = 'rmsprop', decay = 0.8, epsilon = 0.01 }", |w, g, _, rate, m| {
            m[0] = 0.8 * m[0] + 0.2 * g * g;
            w - rate * g / (m[0].sqrt() + 0.01)
        }),
        ("{ kind = 'adagrad', epsilon = 0.01 }", |w, g, _, rate, m| {
            m[0] += g * g;
            w - rate * g / (m[0].sqrt() + 0.01)
        }),
        ("{ kind = 'adam', beta1 = 0.8, beta2 = 0.9, epsilon = 0.01 }", ADAM),
    ];
    for (optimiser, rule) in cases {
        let found = optimised(&[&format!("train.optimiser={optimiser}")], "");
        same(&found, &by_rule(rule, plain), optimiser);
    }
}

#[test]
fn adamw_shrinks_weights_and_not_biases_beside_the_gradient() {
    let found = optimised(
        &[
            "train.optimiser={ kind = 'adamw', beta1 = 0.8, beta2 = 0.9, epsilon = 0.01 }",
            "train.weight_decay=0.3",
        ],
        "",
    );
    // θ ← θ − η (m̂/(√v̂ + ε) + λθ), for the first six parameters only.
    let mut p: Vec<f64> = WEIGHT.into_iter().chain(BIAS).collect();
    let mut moments = vec![[0.0; 2]; p.len()];
    let mut expected = Vec::new();
    for step in 0..STEPS {
        let rate = RATE / (1.0 + step as f64);
        let gradient = gradient(&p);
        for at in 0..p.len() {
            let decay = if at < 6 { rate * 0.3 * p[at] } else { 0.0 };
            p[at] = ADAM(p[at], gradient[at], step as i32 + 1, rate, &mut moments[at]) - decay;
        }
        expected.push(p.clone());
    }
    same(&found, &expected, "adamw");
}

#[test]
fn weight_decay_adds_its_gradient_to_weights_only() {
    let found = optimised(&["train.optimiser=sgd", "train.weight_decay=0.25"], "");
    let decayed = |p: &[f64], mut gradient: Vec<f64>| {
        (0..6).for_each(|at| gradient[at] += 2.0 * 0.25 * p[at]);
        gradient
    };
    same(&found, &by_rule(SGD, decayed), "weight decay");
}

#[test]
fn clipping_by_norm_looks_at_all_parameters_together() {
    let found = optimised(&["train.optimiser=sgd", "train.clip_norm=2.5"], "");
    let mut clipped_steps = 0;
    let lengths: Vec<f64> = by_rule(SGD, plain).iter().map(|p| length(&gradient(p))).collect();
    let clipped = |_: &[f64], gradient: Vec<f64>| {
        let factor = (2.5 / length(&gradient)).min(1.0);
        gradient.iter().map(|g| g * factor).collect()
    };
    clipped_steps += lengths.iter().filter(|length| **length > 2.5).count();
    assert!(clipped_steps > 0);
    same(&found, &by_rule(SGD, clipped), "clip by norm");
    // A longer limit than any gradient changes nothing.
    same(&optimised(&["train.optimiser=sgd", "train.clip_norm=1000"], ""), &by_rule(SGD, plain), "no clip");
}

fn length(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g * g).sum::<f64>().sqrt()
}

#[test]
fn clipping_by_value_cuts_each_entry() {
    let found = optimised(&["train.optimiser=sgd", "train.clip_value=0.7"], "");
    let clipped = |_: &[f64], gradient: Vec<f64>| gradient.iter().map(|g| g.clamp(-0.7, 0.7)).collect();
    same(&found, &by_rule(SGD, clipped), "clip by value");
}

#[test]
fn the_average_is_of_the_new_weights_and_starts_at_zero() {
    let settings = ["train.optimiser=sgd", "train.average=0.75"];
    let weights = optimised(&settings, "");
    let mut mean = vec![0.0; 9];
    let expected: Vec<Vec<f64>> = weights
        .iter()
        .map(|weights| {
            mean = mean.iter().zip(weights).map(|(mean, w)| 0.75 * mean + 0.25 * w).collect();
            mean.clone()
        })
        .collect();
    same(&optimised(&settings, "average/"), &expected, "average");
}

/// A moment that decays becomes 0 before it becomes denormal.
#[test]
fn tiny_moments_are_flushed() {
    for (optimiser, moment) in [
        ("momentum", "velocity"),
        ("nesterov", "velocity"),
        ("rmsprop", "square"),
        ("adam", "mean"),
        ("adam", "square"),
    ] {
        let train = recipe(&[&format!("train.optimiser={optimiser}")]).train;
        let graph = Graph::new();
        let mut parameters = Parameters::default();
        let w = parameters.get(&graph, "w", &[4], Role::Weight);
        let loss = (w * 0.0).sum_all();
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &train, &scalars, None).unwrap();
        let mut states = States::new(&graph.states());
        let name = format!("{moment}/w");
        states.set(&name, &[1e-31, 1e-45, -1e-31, 1e-20]).unwrap();
        let mut executable = Executable::new(&graph, &compute(1).pool, Level::best()).unwrap();
        let scalars = StepScalars::new(&train, 0.1, 1.0, 0).as_array();
        executable.run(&mut states, &Run { scalars: &scalars, ..Run::default() }).unwrap();
        let after = states.get(&name).unwrap();
        assert_eq!(&after[..3], [0.0; 3], "{optimiser}");
        assert!(after[3] > 0.0, "{optimiser}");
    }
}
