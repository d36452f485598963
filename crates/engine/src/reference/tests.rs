//! The reference beside numbers written out by hand.

use super::{Feed, evaluate, evaluate_only};
use crate::graph::op::{Distribution, Reduction};
use crate::graph::{Graph, Tensor};
use crate::random::draw;
use crate::{Error, Shape};

/// The value of what `build` makes of an input `x` of this shape that counts 0, 1, 2, ….
fn of_counting(shape: impl Into<Shape>, build: impl for<'g> Fn(Tensor<'g>) -> Tensor<'g>) -> Vec<f64> {
    let graph = Graph::new();
    let x = graph.input("x", shape);
    let result = build(x);
    let feed = Feed::new().input("x", (0..x.shape().elements()).map(|place| place as f64));
    evaluate(&graph, &feed).unwrap().value(result).unwrap().to_vec()
}

#[test]
fn movement() {
    assert_eq!(of_counting([2, 3], |x| x.transpose()), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    // Axis 0 of the result is axis 2 of the operand: element (i, j, k) of the result is (j, k, i) of the operand.
    let turned = of_counting([2, 2, 3], |x| x.permute(&[2, 0, 1]));
    assert_eq!(turned, [0.0, 3.0, 6.0, 9.0, 1.0, 4.0, 7.0, 10.0, 2.0, 5.0, 8.0, 11.0]);
    assert_eq!(of_counting([2, 1], |x| x.stretch([2, 3])), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(of_counting([2], |x| x.stretch([2, 2])), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(of_counting([3, 3], |x| x.slice(&[1, 0], &[2, 2])), [3.0, 4.0, 6.0, 7.0]);
    assert_eq!(of_counting([2], |x| (x + 1.0).pad(&[1], &[2])), [0.0, 1.0, 2.0, 0.0, 0.0]);
    let beside = of_counting([2, 2], |x| x.concatenate(&[x.slice(&[0, 0], &[2, 1])], 1));
    assert_eq!(beside, [0.0, 1.0, 0.0, 2.0, 3.0, 2.0]);
    assert_eq!(of_counting([2, 2], |x| x.graph().position([2, 2], 0) * 10.0 + x), [0.0, 1.0, 12.0, 13.0]);
}

#[test]
fn reductions() {
    assert_eq!(of_counting([2, 3], |x| x.sum(&[1])), [3.0, 12.0]);
    assert_eq!(of_counting([2, 3], |x| x.sum(&[0])), [3.0, 5.0, 7.0]);
    assert_eq!(of_counting([2, 3], |x| x.sum_all()), [15.0]);
    assert_eq!(of_counting([2, 3], |x| (-x).max(1)), [0.0, -3.0]);
    assert_eq!(of_counting([2, 3], |x| x.reduce(Reduction::Maximum, &[0, 1])), [5.0]);
    assert_eq!(of_counting([2, 3], |x| x.argmax(0)), [1.0, 1.0, 1.0]);
    assert_eq!(of_counting([4], |x| (x - 1.5).abs().argmax(0)), [0.0], "the lowest of equal ones");
}

/// (0 1 2; 3 4 5) times (1 0; 0 1; 1 1).
#[test]
fn products() {
    let factor = |x: Tensor<'_>| x.graph().table([3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).id();
    let expected = [2.0, 3.0, 8.0, 9.0];
    assert_eq!(of_counting([2, 3], |x| x.matmul(x.graph().tensor(factor(x)))), expected);
    assert_eq!(
        of_counting([2, 3], |x| x.transpose().product(x.graph().tensor(factor(x)), true, false)),
        expected
    );
    assert_eq!(
        of_counting([2, 3], |x| x.product(x.graph().tensor(factor(x)).transpose(), false, true)),
        expected
    );
    let both =
        of_counting([2, 3], |x| x.transpose().product(x.graph().tensor(factor(x)).transpose(), true, true));
    assert_eq!(both, expected);
}

#[test]
fn rows_by_number() {
    let graph = Graph::new();
    let (x, indices) = (graph.input("x", [3, 2]), graph.indices("i", [3]));
    let (read, added) = (x.gather(indices), x.scatter_add(indices, 4));
    let feed = Feed::new().input("x", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).input("i", [1u32, 1, u32::MAX]);
    let evaluation = evaluate(&graph, &feed).unwrap();
    assert_eq!(evaluation.value(read).unwrap(), [2.0, 3.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(evaluation.value(added).unwrap(), [0.0, 0.0, 2.0, 4.0, 0.0, 0.0, 4.0, 5.0]);
}

#[test]
fn selection_and_leaves() {
    let graph = Graph::new();
    let ids = graph.indices("ids", [2]);
    let noise = [Distribution::Uniform, Distribution::Normal].map(|kind| graph.random(ids, 3, kind));
    let pixels = graph.pixels("p", [3]).convert();
    let chosen = pixels.select(graph.scalar("s"), graph.constant(-1.0));
    let feed = Feed::new().input("ids", [7u32, 5]).input("p", [0u8, 1, 255]).scalar("s", 0.1f32).keyed(3, 9);
    let evaluation = evaluate(&graph, &feed).unwrap();
    assert_eq!(evaluation.value(chosen).unwrap(), [-1.0, f64::from(0.1f32), f64::from(0.1f32)]);
    let first = draw(3, 9, 0, 5, 1, Distribution::Uniform);
    let second = draw(3, 9, 1, 5, 1, Distribution::Normal);
    assert_eq!(evaluation.value(noise[0]).unwrap()[4], f64::from(first));
    assert_eq!(evaluation.value(noise[1]).unwrap()[4], f64::from(second));
}

/// Everything in a step reads the old states; those without an update stay.
#[test]
fn states_are_committed_when_the_step_ends() {
    let graph = Graph::new();
    let (a, b, c) = (graph.state("a", [1]), graph.state("b", [1]), graph.state("c", [1]));
    graph.update(a, b + 1.0);
    graph.update(b, a);
    graph.output("sum", a + b + c);
    let feed = Feed::new().state("a", [10.0]).state("b", [20.0]).state("c", [0.5]);
    let evaluation = evaluate(&graph, &feed).unwrap();
    let states: Vec<f64> = evaluation.states.values().map(|values| values[0]).collect();
    assert_eq!(states, [21.0, 10.0, 0.5]);
    assert_eq!(evaluation.outputs["sum"], [30.5]);
}

#[test]
fn only_what_is_needed_has_to_be_fed() {
    let graph = Graph::new();
    let (x, y) = (graph.input("x", [2]), graph.input("y", [2]));
    let (double, other) = (x * 2.0, y * 2.0);
    let feed = Feed::new().input("x", [1.0, 2.0]);
    let evaluation = evaluate_only(&graph, &feed, &[double]).unwrap();
    assert_eq!((evaluation.value(double), evaluation.value(other)), (Some(&[2.0, 4.0][..]), None));
    let error = evaluate(&graph, &feed).unwrap_err();
    assert!(matches!(error, Error::Feed { kind: "input", expected: 2, found: 0, .. }), "{error}");
    let error = evaluate(&graph, &feed.input("x", [1.0]).input("y", [0.0, 0.0])).unwrap_err();
    assert_eq!(error.to_string(), "input `x`: expected 2 values, found 1");
}
