//! A matrix times its own transpose: half of the sums, all of the values.

mod executor_support;

use executor_support::{check, numbers, pool, roundings_of, run};
use narrows_engine::Graph;
use narrows_engine::cpu::Level;
use narrows_engine::reference::Feed;

/// Columns and inner dimensions: a panel and a bit, whole panels, a last panel of one column, more rows than a unit has.
const SIZES: [(usize, usize); 8] =
    [(65, 3), (65, 130), (100, 385), (128, 1), (130, 900), (257, 40), (400, 131), (321, 384)];

#[test]
fn symmetric_products_are_right_with_programs_that_are_not() {
    for (columns, inner) in SIZES {
        for turned in [true, false] {
            let graph = Graph::new();
            let x = graph.state("x", if turned { [inner, columns] } else { [columns, inner] });
            let square = || x.product(x, turned, !turned);
            graph.output("plain", square());
            // Rows, columns and the whole of others, and a state that is changed in place.
            let (row, column) = (graph.state("row", [columns]), graph.state("column", [columns, 1]));
            let whole = graph.state("whole", [columns, columns]);
            // A row for each fifth of the rows, where there are fifths.
            let parts = if columns % 5 == 0 { 5 } else { 1 };
            let part = graph.state("part", [parts, 1, columns]);
            let by_part = square().reshape([parts, columns / parts, columns]) * part;
            graph.output("by part", by_part.reshape([columns, columns]));
            graph.output("shifted", square() * row + column);
            graph.update(whole, whole * 0.9 + square() * 0.1);
            let feed = Feed::new()
                .state("x", numbers(columns * inner, -1.0, 1.0, 1))
                .state("row", numbers(columns, -1.0, 1.0, 2))
                .state("column", numbers(columns, -1.0, 1.0, 3))
                .state("part", numbers(parts * columns, -1.0, 1.0, 5))
                .state("whole", numbers(columns * columns, -1.0, 1.0, 4));
            let tolerance = roundings_of(8.0, inner as f64);
            check(&format!("{columns}×{inner} {turned}"), &graph, &feed, tolerance);
        }
    }
}

#[test]
fn symmetric_products_have_the_bits_of_any_other_at_every_number_of_threads() {
    for level in Level::all_available() {
        for (columns, inner) in SIZES {
            let product = |own: bool, threads: usize| {
                let graph = Graph::new();
                let (x, y) = (graph.state("x", [inner, columns]), graph.state("y", [inner, columns]));
                graph.output("z", x.product(if own { x } else { y }, true, false).tanh());
                let values = numbers(columns * inner, -1.0, 1.0, 1);
                let feed = Feed::new().state("x", values.clone()).state("y", values);
                run(&graph, &feed, &pool(threads), level, 1).unwrap().bits()
            };
            let expected = product(false, 1);
            for threads in [1, 2, 3, 7] {
                let same = product(true, threads) == expected;
                assert!(same, "{columns}×{inner}, {threads} threads at {}", level.name());
            }
        }
    }
}

/// What stands below the diagonal is not summed: the plan counts half.
#[test]
fn half_of_the_sums_are_counted() {
    let flops = |own: bool| {
        let graph = Graph::new();
        let (x, y) = (graph.state("x", [50, 200]), graph.state("y", [50, 200]));
        graph.output("z", x.product(if own { x } else { y }, true, false));
        narrows_engine::plan::Plan::new(&graph).unwrap().flops()
    };
    assert_eq!(2 * flops(true), flops(false));
}
