//! Gradients beside numbers computed by hand, ties, and what stops a gradient.

use narrows_engine::reference::{Evaluation, Feed, evaluate_only};
use narrows_engine::{Graph, Tensor};

/// The gradient of the loss that `build` makes of one state `x`.
fn gradient(shape: &[usize], x: &[f64], build: impl for<'g> Fn(Tensor<'g>) -> Tensor<'g>) -> Vec<f64> {
    let graph = Graph::new();
    let state = graph.state("x", shape);
    let derived = graph.gradient(build(state), &[state]).unwrap()[0];
    let feed = Feed::new().state("x", x.iter().copied());
    evaluate_only(&graph, &feed, &[derived]).unwrap().value(derived).unwrap().to_vec()
}

/// The values of several tensors, one after another.
fn values(evaluation: &Evaluation, tensors: &[Tensor<'_>]) -> Vec<f64> {
    tensors.iter().flat_map(|tensor| evaluation.value(*tensor).unwrap().to_vec()).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}

/// y = σ(w·x + b) with squared error: the chain written out. σ(0.5) = 0.62246, σ' = 0.23500, dy = 2(0.62246 − 1).
#[test]
fn one_sigmoid_unit() {
    let graph = Graph::new();
    let (x, w, b) = (graph.input("x", [1, 2]), graph.state("w", [2, 1]), graph.state("b", [1]));
    let loss = ((x.matmul(w) + b).sigmoid() - 1.0).square().sum_all();
    let derived = graph.gradient(loss, &[w, b, x]).unwrap();
    let feed = Feed::new().input("x", [1.0, 2.0]).state("w", [0.5, -0.25]).state("b", [0.5]);
    let evaluation = evaluate_only(&graph, &feed, &derived).unwrap();
    let delta = 2.0 * (0.622_459_33 - 1.0) * 0.235_003_71;
    close(evaluation.value(derived[0]).unwrap(), &[delta, 2.0 * delta]);
    close(evaluation.value(derived[1]).unwrap(), &[delta]);
    close(evaluation.value(derived[2]).unwrap(), &[0.5 * delta, -0.25 * delta]);
}

/// d Σ(A·B)₁ⱼ for A = (1 2; 3 4), B = (5 6; 7 8): the first row of dA is B's row sums, 11 and 15; dB is A's first row, twice.
#[test]
fn one_row_of_a_product() {
    let graph = Graph::new();
    let (a, b) = (graph.state("a", [2, 2]), graph.state("b", [2, 2]));
    let derived = graph.gradient(a.matmul(b).slice(&[0, 0], &[1, 2]).sum_all(), &[a, b]).unwrap();
    let feed = Feed::new().state("a", [1.0, 2.0, 3.0, 4.0]).state("b", [5.0, 6.0, 7.0, 8.0]);
    let evaluation = evaluate_only(&graph, &feed, &derived).unwrap();
    close(evaluation.value(derived[0]).unwrap(), &[11.0, 15.0, 0.0, 0.0]);
    close(evaluation.value(derived[1]).unwrap(), &[1.0, 1.0, 2.0, 2.0]);
}

/// The two gradients of x³·y at (2, 5): 3x²y and x³; and its second ones: 6xy and 3x².
#[test]
fn a_gradient_of_a_gradient() {
    let graph = Graph::new();
    let (x, y) = (graph.scalar("x"), graph.scalar("y"));
    let first = graph.gradient(x * x * x * y, &[x, y]).unwrap();
    let second = graph.gradient(first[0], &[x, y]).unwrap();
    let all = [first, second].concat();
    let feed = Feed::new().scalar("x", 2.0).scalar("y", 5.0);
    let evaluation = evaluate_only(&graph, &feed, &all).unwrap();
    assert_eq!(values(&evaluation, &all), [60.0, 8.0, 60.0, 12.0]);
}

/// Softmax with cross-entropy in one stable form: p − t.
#[test]
fn softmax_with_cross_entropy() {
    let found = gradient(&[1, 3], &[1.0, 2.0, 3.0], |x| {
        let target = x.graph().table([1, 3], &[0.0, 1.0, 0.0]);
        let shifted = x - x.max(1).stop_gradient();
        let log_probability = shifted - shifted.exp().sum(&[1]).log();
        -(target * log_probability).sum_all()
    });
    close(&found, &[0.090_030_573, 0.244_728_471 - 1.0, 0.665_240_956]);
}

#[test]
fn a_path_through_an_intermediate_value_counts_for_both() {
    let graph = Graph::new();
    let x = graph.scalar("x");
    let middle = x * x;
    let derived = graph.gradient(middle * middle, &[x, middle]).unwrap();
    let evaluation = evaluate_only(&graph, &Feed::new().scalar("x", 3.0), &derived).unwrap();
    assert_eq!(values(&evaluation, &derived), [4.0 * 27.0, 18.0]);
}

#[test]
fn stop_gradient_is_a_constant_to_differentiation() {
    // d(x·stop(x²)) = x², not 3x².
    assert_eq!(gradient(&[2], &[3.0, -2.0], |x| (x * x.square().stop_gradient()).sum_all()), [9.0, 4.0]);
    assert_eq!(gradient(&[2], &[3.0, -2.0], |x| x.stop_gradient().sum_all()), [0.0, 0.0]);
}

#[test]
fn at_a_tie_the_first_operand_has_the_derivative() {
    let both = |loss: Tensor<'_>, a, b| {
        let derived = loss.graph().gradient(loss.sum_all(), &[a, b]).unwrap();
        let feed = Feed::new().state("a", [2.0]).state("b", [2.0]);
        values(&evaluate_only(loss.graph(), &feed, &derived).unwrap(), &derived)
    };
    let graph = Graph::new();
    let (a, b) = (graph.state("a", [1]), graph.state("b", [1]));
    assert_eq!(both(a.maximum(b), a, b), [1.0, 0.0]);
    assert_eq!(both(b.maximum(a), a, b), [0.0, 1.0]);
    assert_eq!(both(a.minimum(b), a, b), [1.0, 0.0]);
    assert_eq!(both(b.minimum(a), a, b), [0.0, 1.0]);
}

/// The rectifier's kink belongs to the constant: derivative 0 at 0. So does that of |x|.
#[test]
fn kinks_at_zero() {
    let x = [-1.0, 0.0, 2.0];
    assert_eq!(gradient(&[3], &x, |x| x.graph().constant(0.0).maximum(x).sum_all()), [0.0, 0.0, 1.0]);
    assert_eq!(gradient(&[3], &x, |x| x.abs().sum_all()), [-1.0, 0.0, 1.0]);
}

#[test]
fn the_lowest_index_of_equal_largest_ones_has_the_derivative() {
    let x = [1.0, 3.0, 3.0, 2.0, 2.0, 1.0];
    assert_eq!(gradient(&[2, 3], &x, |x| x.max(1).sum_all()), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient(&[3, 2], &x, |x| x.max(0).sum_all()), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(gradient(&[3], &[0.0; 3], |x| x.max(0).sum_all()), [1.0, 0.0, 0.0]);
}

/// A rectifier's dead side stays 0 where the gradient that arrives is infinite.
#[test]
fn selection_keeps_infinities_out() {
    let found = gradient(&[2], &[-1.0, 4.0], |x| x.graph().constant(0.0).maximum(x).sqrt().sum_all());
    assert_eq!(found, [0.0, 0.25]);
}

#[test]
fn rows_that_are_read_twice_add_up() {
    let graph = Graph::new();
    let (table, indices) = (graph.state("table", [3, 2]), graph.indices("i", [4]));
    let weights = graph.table([4, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let derived = graph.gradient((table.gather(indices) * weights).sum_all(), &[table]).unwrap();
    let feed = Feed::new().state("table", [0.0; 6]).input("i", [0u32, 2, 0, 77]);
    let evaluation = evaluate_only(&graph, &feed, &derived).unwrap();
    assert_eq!(values(&evaluation, &derived), [6.0, 8.0, 0.0, 0.0, 10.0, 12.0]);
}
