//! Activations, outputs with their losses, dropout, preparation: against formulae written independently in f64, by the
//! reference, by differences, and by the executor at every level that this machine has.

mod library_support;

use library_support::{compute, narrow, numbers};
use narrows::autoencoder::Output;
use narrows::data::Preparation;
use narrows::engine::Graph;
use narrows::engine::check::{check_gradient, check_second_gradient};
use narrows::engine::cpu::{Executable, Feed as Fed, Level, Run, States};
use narrows::engine::reference::{Feed, erf, evaluate};
use narrows::network::activation::activate;
use narrows::network::dropout::dropout;
use narrows::network::prepare::prepare;
use narrows::recipe::Activation;

const ACTIVATIONS: [Activation; 10] = [
    Activation::Identity,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Elu,
    Activation::Silu,
    Activation::Gelu,
    Activation::Softplus,
    Activation::Softmax,
];
const OUTPUTS: [Output; 3] = [Output::Gaussian, Output::Bernoulli, Output::Categorical];
const COLUMNS: usize = 7;

fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = row.iter().map(|a| (a - largest).exp()).sum();
    row.iter().map(|a| (a - largest).exp() / total).collect()
}

fn formula(activation: Activation, a: f64) -> f64 {
    match activation {
        Activation::Identity => a,
        Activation::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        Activation::Tanh => a.tanh(),
        Activation::Relu => a.max(0.0),
        Activation::LeakyRelu => {
            if a > 0.0 {
                a
            } else {
                0.01 * a
            }
        }
        Activation::Elu => {
            if a > 0.0 {
                a
            } else {
                a.exp() - 1.0
            }
        }
        Activation::Silu => a / (1.0 + (-a).exp()),
        Activation::Gelu => a * 0.5 * (1.0 + erf(a / 2f64.sqrt())),
        Activation::Softplus => a.max(0.0) + (-a.abs()).exp().ln_1p(),
        Activation::Softmax => f64::NAN,
    }
}

/// Rows of what an activation should give.
fn expected(activation: Activation, sums: &[f64]) -> Vec<f64> {
    match activation {
        Activation::Softmax => sums.chunks(COLUMNS).flat_map(softmax).collect(),
        _ => sums.iter().map(|a| formula(activation, *a)).collect(),
    }
}

/// Runs a graph of one input at a level.
fn executed(graph: &Graph, inputs: &[&[f32]], outputs: usize, level: Level) -> Vec<f32> {
    let mut executable = Executable::new(graph, &compute(1).pool, level).unwrap();
    let feeds: Vec<Fed<'_>> = inputs.iter().map(|values| Fed::F32(values)).collect();
    let mut states = States::new(&graph.states());
    executable.run(&mut states, &Run { inputs: &feeds, ..Run::default() }).unwrap();
    let mut values = vec![0.0; outputs];
    executable.output(0, &mut values);
    values
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance, "{what}: {found}, expected {expected}");
}

/// Sums away from kinks, small and large, of both signs; as the f32 that a plan is fed.
fn sums(rows: usize) -> Vec<f64> {
    let values = numbers(rows * COLUMNS, -6.0, 6.0, 1);
    values.iter().map(|a| f64::from((if a.abs() < 0.05 { a + 0.2 } else { *a }) as f32)).collect()
}

#[test]
fn every_activation_is_its_formula() {
    let sums = sums(5);
    for activation in ACTIVATIONS {
        let graph = Graph::new();
        graph.output("y", activate(activation, graph.input("a", [5, COLUMNS])));
        let expected = expected(activation, &sums);
        let reference = &evaluate(&graph, &Feed::new().input("a", sums.clone())).unwrap().outputs["y"];
        for (found, expected) in reference.iter().zip(&expected) {
            // Constants such as the leak are f32.
            close(*found, *expected, 1e-7, &activation.to_string());
        }
        for level in Level::all_available() {
            let found = executed(&graph, &[&narrow(&sums)], sums.len(), level);
            for (found, expected) in found.iter().zip(&expected) {
                close(f64::from(*found), *expected, 1e-6, &format!("{activation} at {}", level.name()));
            }
        }
    }
}

#[test]
fn every_activation_has_its_first_and_second_derivatives() {
    for activation in ACTIVATIONS {
        let graph = Graph::new();
        let a = graph.state("a", [3, COLUMNS]);
        // Weighted, since a softmax sums to one whatever its sums are; cubed, so that second derivatives are not 0.
        let weights = graph.table([COLUMNS], &[0.3, -1.2, 2.0, 0.7, -0.4, 1.1, 0.9]);
        let y = activate(activation, a);
        let loss = (y * y * y * weights).sum_all();
        let feed = Feed::new().state("a", sums(3));
        let first = check_gradient(&graph, loss, &[a], &feed).unwrap_or_else(|e| panic!("{activation}: {e}"));
        assert!(first.compared == 3 * COLUMNS && first.largest > 0.1, "{activation}: {first:?}");
        let second =
            check_second_gradient(&graph, loss, &[a], &feed).unwrap_or_else(|e| panic!("{activation}: {e}"));
        assert!(second.largest > 0.1, "{activation}: {second:?}");
    }
}

/// Where the two sides of a function meet, its slope at 0 is one of theirs, and for ELU both are 1.
#[test]
fn slopes_at_zero() {
    for (activation, slope) in [
        (Activation::Relu, 0.0),
        (Activation::LeakyRelu, 0.01),
        (Activation::Elu, 1.0),
        (Activation::Silu, 0.5),
        (Activation::Gelu, 0.5),
        (Activation::Softplus, 0.5),
        (Activation::Tanh, 1.0),
    ] {
        let graph = Graph::new();
        let a = graph.input("a", [1, 1]);
        graph.output("slope", graph.gradient(activate(activation, a).sum_all(), &[a]).unwrap()[0]);
        let found = evaluate(&graph, &Feed::new().input("a", [0.0])).unwrap().outputs["slope"][0];
        close(found, slope, 1e-7, &activation.to_string());
    }
}

#[test]
fn extreme_sums_stay_finite() {
    let rows: Vec<f64> = [
        [1e4, -1e4, 0.0, 1.0, -1.0, 88.0, -88.0],
        [1e4; COLUMNS],
        [-1e4; COLUMNS],
        [-1e4, -1e4, -1e4, -1e4, -1e4, -1e4, 1e4],
    ]
    .concat();
    for activation in ACTIVATIONS {
        let graph = Graph::new();
        let a = graph.input("a", [4, COLUMNS]);
        let y = activate(activation, a);
        let slopes = graph.gradient(y.square().sum_all(), &[a]).unwrap()[0];
        graph.output("y", y.concatenate(&[slopes], 0).reshape([8 * COLUMNS]));
        for level in Level::all_available() {
            let found = executed(&graph, &[&narrow(&rows)], 8 * COLUMNS, level);
            let what = format!("{activation} at {}", level.name());
            assert!(found.iter().all(|value| value.is_finite()), "{what}: {found:?}");
            for (found, expected) in found.iter().zip(expected(activation, &rows)) {
                close(f64::from(*found), expected, 1e-6, &what);
            }
            if activation == Activation::Softmax {
                for row in found[..4 * COLUMNS].chunks(COLUMNS) {
                    close(row.iter().map(|p| f64::from(*p)).sum(), 1.0, 1e-6, &what);
                }
            }
        }
    }
}

/// Targets that suit an output.
fn targets(output: Output, rows: usize) -> Vec<f64> {
    let wide = numbers(rows * COLUMNS, -2.0, 2.0, 5);
    let target = |at: usize| match output {
        Output::Gaussian => wide[at],
        Output::Bernoulli => [0.0, 1.0, 0.25, 0.8][at % 4],
        Output::Categorical => f64::from(u8::from(at % COLUMNS == (at / COLUMNS) % COLUMNS)),
    };
    (0..rows * COLUMNS).map(|at| f64::from(target(at) as f32)).collect()
}

fn row_loss(output: Output, sums: &[f64], target: &[f64]) -> f64 {
    let pairs = sums.iter().zip(target);
    match output {
        Output::Gaussian => pairs.map(|(a, x)| (x - a).powi(2)).sum(),
        Output::Bernoulli => {
            // ln σ(a) = −ln(1 + e^(−a)), ln(1 − σ(a)) = −ln(1 + eᵃ); where eᵃ overflows the logarithm is a itself.
            let log_one_plus_exp = |a: f64| if a > 700.0 { a } else { a.exp().ln_1p() };
            pairs.map(|(a, x)| x * log_one_plus_exp(-a) + (1.0 - x) * log_one_plus_exp(*a)).sum()
        }
        Output::Categorical => {
            let largest = sums.iter().copied().fold(f64::MIN, f64::max);
            let log_total = largest + sums.iter().map(|a| (a - largest).exp()).sum::<f64>().ln();
            pairs.map(|(a, t)| t * (log_total - a)).sum()
        }
    }
}

/// Losses and means for given sums, by the reference and at every level.
fn check_output(output: Output, rows: usize, sums: &[f64], target: &[f64]) {
    let graph = Graph::new();
    let (a, x) = (graph.input("a", [rows, COLUMNS]), graph.input("x", [rows, COLUMNS]));
    let losses = output.loss(a, x).reshape([rows]);
    let both = losses.concatenate(&[output.mean(a).reshape([rows * COLUMNS])], 0);
    graph.output("y", both);
    let losses = sums.chunks(COLUMNS).zip(target.chunks(COLUMNS)).map(|(a, x)| row_loss(output, a, x));
    let mean = |row: &[f64]| match output {
        Output::Gaussian => row.to_vec(),
        Output::Bernoulli => row.iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect(),
        Output::Categorical => softmax(row),
    };
    let expected: Vec<f64> = losses.chain(sums.chunks(COLUMNS).flat_map(mean)).collect();
    let feed = Feed::new().input("a", sums.to_vec()).input("x", target.to_vec());
    for (found, expected) in evaluate(&graph, &feed).unwrap().outputs["y"].iter().zip(&expected) {
        close(*found, *expected, 1e-12, &format!("{output:?}"));
    }
    for level in Level::all_available() {
        let found = executed(&graph, &[&narrow(sums), &narrow(target)], expected.len(), level);
        for (found, expected) in found.iter().zip(&expected) {
            close(f64::from(*found), *expected, 1e-6, &format!("{output:?} at {}", level.name()));
        }
    }
}

#[test]
fn every_loss_and_mean_is_its_formula() {
    for output in OUTPUTS {
        check_output(output, 6, &sums(6), &targets(output, 6));
        let extreme = [1e4, -1e4, 0.0, -1e4, 1e4, 90.0, -90.0];
        let mut rows = extreme.to_vec();
        rows.extend(extreme.iter().map(|a| -a));
        check_output(output, 2, &rows, &targets(output, 2));
    }
}

#[test]
fn every_loss_has_its_first_and_second_derivatives() {
    for output in OUTPUTS {
        let graph = Graph::new();
        let (a, x) = (graph.state("a", [3, COLUMNS]), graph.input("x", [3, COLUMNS]));
        let loss = output.loss(a, x).square().sum_all();
        let feed = Feed::new().state("a", numbers(3 * COLUMNS, -2.0, 2.0, 8)).input("x", targets(output, 3));
        let first = check_gradient(&graph, loss, &[a], &feed).unwrap_or_else(|e| panic!("{output:?}: {e}"));
        assert!(first.largest > 0.1, "{output:?}: {first:?}");
        check_second_gradient(&graph, loss, &[a], &feed).unwrap_or_else(|e| panic!("{output:?}: {e}"));
    }
}

/// What dropout makes of rows of ones that have these numbers, in this step.
fn dropped(row_ids: &[u32], step: u32) -> Vec<Vec<f32>> {
    let graph = Graph::new();
    let (x, ids) = (graph.input("x", [row_ids.len(), 400]), graph.indices("row ids", [row_ids.len()]));
    graph.output("y", dropout(&graph, x, ids, 0.2));
    let mut executable = Executable::new(&graph, &compute(2).pool, Level::best()).unwrap();
    let ones = vec![1.0; row_ids.len() * 400];
    let run = Run { inputs: &[Fed::F32(&ones), Fed::U32(row_ids)], seed: 5, step, ..Run::default() };
    executable.run(&mut States::new(&graph.states()), &run).unwrap();
    let mut values = vec![0.0; ones.len()];
    executable.output(0, &mut values);
    values.chunks(400).map(<[f32]>::to_vec).collect()
}

/// A share of the units is silent, the others make up for it, and a row's draws go with its number.
#[test]
fn dropout_keeps_the_sum_and_goes_with_the_row() {
    let rows = dropped(&[0, 7, 3, 90, 12], 4);
    assert!(rows.iter().flatten().all(|y| *y == 0.0 || *y == 1.25));
    let mean = rows.iter().flatten().map(|y| f64::from(*y)).sum::<f64>() / 2000.0;
    // One deviation is 0.011.
    assert!((mean - 1.0).abs() < 0.04, "{mean}");
    assert!(rows[0] != rows[1]);
    let moved = dropped(&[3, 0, 8], 4);
    assert!(moved[0] == rows[2] && moved[1] == rows[0]);
    assert!(dropped(&[3], 5)[0] != rows[2]);
}

/// Preparation in the graph is the data room's, columns without spread included, and rows of nothing.
#[test]
fn preparation_in_the_graph_is_that_of_the_data_room() {
    let mut rows = narrow(&numbers(40, -3.0, 900.0, 12));
    rows[..12].copy_from_slice(&[0.2, 0.5, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 255.0]);
    for preparation in [
        Preparation::None,
        Preparation::Scale { minimum: vec![0.0], maximum: vec![255.0] },
        Preparation::Scale { minimum: vec![-3.0, 5.0, 0.0, 1.0], maximum: vec![900.0, 5.0, 1.0, 2.0] },
        Preparation::Standardise { mean: vec![450.0, 7.0, 0.0, -1.0], deviation: vec![3.0, 0.0, 100.0, 0.5] },
        Preparation::TfIdf { weight: vec![0.5, 0.0, 1.25, 3.0] },
    ] {
        let graph = Graph::new();
        graph.output("y", prepare(&graph, &preparation, graph.input("x", [10, 4])));
        let mut expected = rows.clone();
        preparation.prepare(&mut expected);
        for (found, expected) in executed(&graph, &[&rows], 40, Level::best()).iter().zip(&expected) {
            close(f64::from(*found), f64::from(*expected), 3e-7, &format!("{preparation:?}"));
        }
    }
}
