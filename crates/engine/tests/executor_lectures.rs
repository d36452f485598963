//! The lectures' worked example: a network of three layers of sigmoid units, by hand and by the executor.

mod executor_support;

use executor_support::{pool, run};
use narrows_engine::Graph;
use narrows_engine::cpu::Level;
use narrows_engine::reference::{Feed, evaluate};

#[test]
fn the_lectures_network_maps_as_they_say() {
    // A row of weights for each unit, as the lectures write them.
    let layers = [
        ([[1.0f32, -2.0], [-1.0, 1.0]], [1.0f32, 0.0]),
        ([[2.0, -1.0], [-2.0, -1.0]], [0.0, 0.0]),
        ([[3.0, -1.0], [-1.0, 4.0]], [-2.0, 2.0]),
    ];
    let graph = Graph::new();
    let mut y = graph.input("x", [2, 2]);
    for (weights, biases) in layers {
        let weights = graph.table([2, 2], weights.as_flattened());
        y = (y.product(weights, false, true) + graph.table([2], &biases)).sigmoid();
    }
    graph.output("y", y);
    let feed = Feed::new().input("x", [1.0f32, -1.0, 0.0, 0.0]);
    let expected = [0.62, 0.83, 0.51, 0.85];
    let within =
        |found: &[f64]| found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.005);
    assert!(within(&evaluate(&graph, &feed).unwrap().outputs["y"]));
    for level in Level::all_available() {
        let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
        let found: Vec<f64> = left.outputs[0].1.iter().map(|value| f64::from(*value)).collect();
        assert!(within(&found), "{found:?} at {}", level.name());
    }
}
