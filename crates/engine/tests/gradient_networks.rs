//! Gradients of whole losses, as networks have them, and the checker itself.

mod gradient_support;

use gradient_support::{Leaf, between, derivatives, derivatives_fed, expect_smooth};
use narrows_engine::check::{Failure, check_gradient, check_second_gradient};
use narrows_engine::reference::Feed;
use narrows_engine::{Graph, Tensor};

fn weights() -> [Leaf; 4] {
    [
        between(-0.8, 0.8, [6, 4], 1),
        between(-0.3, 0.3, [4], 2),
        between(-0.8, 0.8, [4, 6], 3),
        between(-0.3, 0.3, [6], 4),
    ]
}

fn rows() -> Feed {
    Feed::new().input("x", between(-1.0, 1.0, [5, 6], 5).values)
}

fn dense<'g>(x: Tensor<'g>, w: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
    x.matmul(w) + b
}

#[test]
fn an_autoencoder_with_squared_error() {
    let activations: [fn(Tensor<'_>) -> Tensor<'_>; 4] =
        [|x| x.tanh(), |x| x.sigmoid(), |x| x * x.sigmoid(), |x| x.softplus()];
    for activation in activations {
        let (first, second) = derivatives_fed(rows(), &weights(), |graph, w| {
            let x = graph.input("x", [5, 6]);
            let code = activation(dense(x, w[0], w[1]));
            (dense(code, w[2], w[3]) - x).square().sum(&[1]).mean(&[0])
        })
        .unwrap();
        assert!(first.largest > 0.01 && second.largest > 0.01);
    }
}

/// The decoder's weight is the encoder's, transposed: both contributions reach the one state.
#[test]
fn tied_weights() {
    let leaves: Vec<Leaf> =
        weights().into_iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, leaf)| leaf).collect();
    derivatives_fed(rows(), &leaves, |graph, w| {
        let x = graph.input("x", [5, 6]);
        let code = dense(x, w[0], w[1]).sigmoid();
        (code.product(w[0], false, true) + w[2] - x).square().sum(&[1]).mean(&[0])
    })
    .unwrap();
}

#[test]
fn softmax_cross_entropy_in_its_stable_form() {
    expect_smooth(
        "softmax cross-entropy",
        &[between(-2.0, 2.0, [4, 5], 1), between(0.1, 1.0, [4, 5], 2)],
        |_, x| {
            let shifted = x[0] - x[0].max(1);
            (x[1] * (shifted.exp().sum(&[1]).log() - shifted)).sum(&[1])
        },
    );
}

/// Batch statistics: centred, scaled by the deviation, times γ, plus β.
#[test]
fn batch_normalisation() {
    let leaves = [between(-1.0, 1.0, [6, 3], 1), between(0.5, 1.5, [3], 2), between(-0.5, 0.5, [3], 3)];
    expect_smooth("batch normalisation", &leaves, |_, x| {
        let centred = x[0] - x[0].mean(&[0]);
        centred / (centred.square().mean(&[0]) + 1e-3).sqrt() * x[1] + x[2]
    });
}

/// The contractive penalty Σ (h(1−h))² Σ w² is a gradient's norm; trained, it is a gradient of a gradient, and its own second
/// derivative is of fourth order.
#[test]
fn the_contractive_penalty_as_a_gradient_of_a_gradient() {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", [1, 3]), graph.state("w", [3, 2]));
    let code = x.matmul(w).sigmoid();
    let mut penalty = graph.constant(0.0);
    for unit in 0..2 {
        let row = graph.gradient(code.slice(&[0, unit], &[1, 1]), &[x]).unwrap()[0];
        penalty = penalty + row.square().sum_all();
    }
    let slope = (code * (1.0 - code)).square();
    let closed_form = (slope * w.square().sum(&[0])).sum_all();
    let feed = Feed::new().input("x", [0.3, -0.7, 1.1]).state("w", between(-1.0, 1.0, [3, 2], 1).values);
    let values = narrows_engine::reference::evaluate_only(&graph, &feed, &[penalty, closed_form]).unwrap();
    let (found, expected) = (values.value(penalty).unwrap()[0], values.value(closed_form).unwrap()[0]);
    assert!((found - expected).abs() < 1e-14, "{found} for {expected}");
    assert!(check_gradient(&graph, penalty, &[w, x], &feed).unwrap().largest > 0.01);
    assert!(check_second_gradient(&graph, penalty, &[w, x], &feed).unwrap().largest > 0.01);
}

/// stop_gradient makes a derived gradient that differences contradict: element 1 is half of what it should be, element 2 two
/// thirds. The checker names the worse.
#[test]
fn the_checker_names_the_worst_element() {
    let graph = Graph::new();
    let x = graph.state("x", [3]);
    let feed = Feed::new().state("x", [1.0, 3.0, 2.0]);
    let element = |at: usize| x.slice(&[at], &[1]);
    let right = element(0).square();
    let half = element(1) * element(1).stop_gradient();
    let two_thirds = element(2).square() * element(2).stop_gradient();
    let failure = check_gradient(&graph, (right + half + two_thirds).sum_all(), &[x], &feed).unwrap_err();
    let Failure::Mismatch { leaf, derived, difference, error } = failure else { panic!("{failure}") };
    assert_eq!((leaf.as_str(), derived), ("x[1]", 3.0));
    assert!((difference - 6.0).abs() < 1e-9 && (error - 0.5).abs() < 1e-6);
}

#[test]
fn the_checker_sees_small_mistakes_and_missing_terms_in_large_tensors() {
    let wrong = derivatives(&[between(0.5, 1.0, [4], 1)], |_, x| x[0] + 1e-5 * x[0].stop_gradient());
    assert!(matches!(wrong, Err(Failure::Mismatch { .. })));
    let wrong =
        derivatives(&[between(0.5, 1.0, [40, 50], 1)], |_, x| x[0].exp() + 1e-3 * x[0].stop_gradient());
    assert!(matches!(wrong, Err(Failure::Mismatch { .. })));
}

#[test]
fn the_checker_refuses_what_is_not_a_number() {
    let graph = Graph::new();
    let x = graph.state("x", [2]);
    let feed = Feed::new().state("x", [1.0, 0.0]);
    let failure = check_gradient(&graph, x.sqrt().sum_all(), &[x], &feed).unwrap_err();
    assert!(failure.to_string().starts_with("d loss / d x[1]: "), "{failure}");
}

#[test]
fn the_checker_moves_leaves_only_and_wants_them_fed() {
    let graph = Graph::new();
    let x = graph.input("x", [2]);
    let y = x * 2.0;
    let feed = Feed::new().input("x", [1.0, 2.0]);
    let failure = check_gradient(&graph, y.sum_all(), &[y], &feed).unwrap_err();
    assert!(matches!(failure, Failure::NotALeaf { .. }));
    let failure = check_gradient(&graph, y.sum_all(), &[x], &Feed::new()).unwrap_err();
    assert_eq!(failure.to_string(), "input `x`: expected 2 values, found 0");
}
