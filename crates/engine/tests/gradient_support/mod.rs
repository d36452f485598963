//! What the gradient tests share: numbers away from kinks, and the check of one operation.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part")]

use narrows_engine::check::{Agreement, Failure, check_gradient, check_second_gradient};
use narrows_engine::random::{Stream, shuffle};
use narrows_engine::reference::Feed;
use narrows_engine::{Graph, Shape, Tensor};

/// A state's shape and its values.
pub struct Leaf {
    pub shape: Shape,
    pub values: Vec<f64>,
}

/// Numbers spread over low to high, different at every call with another `salt`.
pub fn between(low: f64, high: f64, shape: impl Into<Shape>, salt: u32) -> Leaf {
    let shape = shape.into();
    let mut words = Stream::new(11, salt, 0);
    let values = (0..shape.elements()).map(|_| low + (high - low) * f64::from(words.uniform())).collect();
    Leaf { shape, values }
}

/// Numbers of both signs whose size lies between low and high.
pub fn both_signs(low: f64, high: f64, shape: impl Into<Shape>, salt: u32) -> Leaf {
    let mut leaf = between(low, high, shape, salt);
    for (place, value) in leaf.values.iter_mut().enumerate() {
        *value *= if (place + salt as usize).is_multiple_of(2) { 1.0 } else { -1.0 };
    }
    leaf
}

/// Multiples of 0.3 between −2 and 2, shifted: lattices of different shifts have no number in common.
pub fn lattice(shift: f64, shape: impl Into<Shape>, salt: u32) -> Leaf {
    let shape = shape.into();
    let mut words = Stream::new(12, salt, 0);
    let values = (0..shape.elements()).map(|_| 0.3 * (f64::from(words.below(13)) - 6.0) + shift).collect();
    Leaf { shape, values }
}

/// Different numbers in random order, 0.1 apart.
pub fn distinct(shape: impl Into<Shape>, salt: u32) -> Leaf {
    let shape = shape.into();
    let mut order: Vec<u32> = (0..shape.elements() as u32).collect();
    shuffle(13, salt, 0, &mut order);
    let middle = shape.elements() as f64 / 2.0;
    Leaf { shape, values: order.iter().map(|&place| 0.1 * (f64::from(place) - middle) + 0.03).collect() }
}

/// First and second derivatives of Σ w·(y² + y), where y is what `build` makes of states of these values.
///
/// The square makes the gradient that arrives at y depend on the states, so that the second derivative differentiates the
/// rule itself; the weights w make each element count differently, so that none can be taken for another. Besides, the first
/// derivatives of y's mean, since gradients that are one number repeated take a way of their own.
pub fn derivatives(
    leaves: &[Leaf],
    build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>,
) -> Result<(Agreement, Agreement), Failure> {
    derivatives_fed(Feed::new(), leaves, build)
}

/// As [`derivatives`], with values for the other leaves that `build` declares.
pub fn derivatives_fed(
    mut feed: Feed,
    leaves: &[Leaf],
    build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>,
) -> Result<(Agreement, Agreement), Failure> {
    let graph = Graph::new();
    let mut states = Vec::new();
    for (number, leaf) in leaves.iter().enumerate() {
        let name = format!("state {number}");
        states.push(graph.state(&name, leaf.shape));
        feed = feed.state(&name, leaf.values.iter().copied());
    }
    let y = build(&graph, &states);
    let mut words = Stream::new(14, 0, 0);
    let weights: Vec<f32> =
        (0..y.shape().elements()).map(|_| (0.5 + words.uniform()).copysign(words.uniform() - 0.3)).collect();
    let mean = y.sum_all() * (1.0 / y.shape().elements() as f32);
    check_gradient(&graph, mean, &states, &feed)?;
    let loss = (graph.table(y.shape(), &weights) * (y * y + y)).sum_all();
    let first = check_gradient(&graph, loss, &states, &feed)?;
    let second = check_second_gradient(&graph, loss, &states, &feed)?;
    let elements: usize = leaves.iter().map(|leaf| leaf.values.len().min(260)).sum();
    assert_eq!((first.compared, second.compared), (elements, elements));
    Ok((first, second))
}

/// Derivatives that agree and are not all zero.
#[track_caller]
pub fn expect_smooth(
    what: &str,
    leaves: &[Leaf],
    build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>,
) {
    match derivatives(leaves, build) {
        Ok((first, second)) => {
            assert!(first.largest > 1e-3 && second.largest > 1e-3, "{what}: {first:?} {second:?}");
        }
        Err(failure) => panic!("{what}: {failure}"),
    }
}

/// Derivatives that agree and are all zero.
#[track_caller]
pub fn expect_flat(
    what: &str,
    leaves: &[Leaf],
    build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>,
) {
    match derivatives(leaves, build) {
        Ok((first, second)) => assert_eq!((first.largest, second.largest), (0.0, 0.0), "{what}"),
        Err(failure) => panic!("{what}: {failure}"),
    }
}
