//! Rows that are zero but for a few values: every operation at every level against the reference, and what products with them are rewritten to
//! against the same products written out.

mod executor_support;

use executor_support::{EXACT, check, numbers, pool, roundings_of, run};
use narrows_engine::cpu::Level;
use narrows_engine::plan::{Plan, Work};
use narrows_engine::reference::{Feed, evaluate};
use narrows_engine::{Graph, Tensor};

/// B, H, k, D.
const SIZES: [[usize; 4]; 10] = [
    [1, 1, 1, 1],
    [4, 1, 1, 3],
    [3, 5, 2, 1],
    [1, 17, 3, 4],
    [7, 64, 1, 16],
    [5, 65, 4, 65],
    [17, 130, 9, 33],
    [40, 200, 70, 100],
    [33, 1000, 8, 64],
    [9, 70, 70, 130],
];

fn feed([rows, columns, count, width]: [usize; 4]) -> Feed {
    Feed::new()
        .input("x", numbers(rows * columns, -2.0, 2.0, 1))
        .input("values", numbers(rows * count, -2.0, 2.0, 2))
        .input("dense", numbers(rows * width, -2.0, 2.0, 3))
        .state("table", numbers(columns * width, -2.0, 2.0, 4))
}

#[test]
fn every_operation() {
    for sizes in SIZES {
        let [rows, columns, count, width] = sizes;
        let graph = Graph::new();
        let x = graph.input("x", [rows, columns]);
        let values = graph.input("values", [rows, count]);
        let dense = graph.input("dense", [rows, width]);
        let table = graph.state("table", [columns, width]);
        let positions = x.largest_positions(count);
        graph.output("positions", positions);
        graph.output("picked", x.pick(positions));
        let spread = values.spread(positions, columns);
        graph.output("spread", spread.stop_gradient() + 0.0 * x);
        graph.output("product", spread.matmul(table));
        graph.output("outer", spread.transpose().matmul(dense));
        graph.output("turned", dense.transpose().matmul(spread));
        graph.output("sum", spread.sum(&[0]));
        graph.output("twice", (spread + (x * 0.5).pick(positions).spread(positions, columns)).matmul(table));
        let loss = (spread.matmul(table) - dense).square().sum_all();
        for (name, gradient) in
            ["by values", "by table"].iter().zip(graph.gradient(loss, &[values, table]).unwrap())
        {
            graph.output(name, gradient);
        }
        let size = 200.0 * (rows * count) as f64;
        check(&format!("{sizes:?}"), &graph, &feed(sizes), roundings_of(8.0, size));
    }
}

/// Ties, NaN, infinities, and rows in which most values are equal.
#[test]
fn positions_are_those_that_largest_marks() {
    for (rows, columns, count) in
        [(4, 40, 7), (3, 5000, 20), (2, 5000, 3000), (2, 5001, 300), (2, 70_000, 40)]
    {
        let graph = Graph::new();
        let x = graph.input("x", [rows, columns]);
        graph.output(
            "rough",
            (x.greater(graph.constant(0.0)) + x.greater(graph.constant(1.9))).largest_positions(count),
        );
        graph.output("exact", x.largest_positions(count));
        let mut values = numbers(rows * columns, -2.0, 2.0, columns as u32);
        values[3] = f32::NAN;
        values[columns / 2] = f32::INFINITY;
        values[columns - 1] = f32::NAN;
        check(&format!("{count} of {columns}"), &graph, &Feed::new().input("x", values), EXACT);
    }
    let graph = Graph::new();
    graph.output("y", graph.input("x", [1, 9000]).largest_positions(5));
    let same = Feed::new().input("x", vec![0.0f32; 9000]);
    check("all equal", &graph, &same, EXACT);
    assert_eq!(evaluate(&graph, &same).unwrap().outputs["y"], [0.0, 1.0, 2.0, 3.0, 4.0]);
}

/// The same products, with the rows written out: `stop_gradient` hides that they were spread.
#[test]
fn rewritten_products_are_those_of_rows_written_out() {
    let sizes = [17, 130, 9, 33];
    let [rows, columns, count, width] = sizes;
    let build = |hide: bool| {
        let graph = Graph::new();
        let positions = graph.input("x", [rows, columns]).largest_positions(count);
        let spread = graph.input("values", [rows, count]).spread(positions, columns);
        let spread = if hide { spread.stop_gradient() } else { spread };
        let (dense, table) = (graph.input("dense", [rows, width]), graph.state("table", [columns, width]));
        let x = graph.input("again", [rows, columns]);
        for (name, value) in [
            ("product", spread.matmul(table)),
            ("outer", spread.product(dense, true, false)),
            ("turned", dense.product(spread, true, false)),
            ("sum", spread.sum(&[0])),
            ("scaled", (spread * 3.0).matmul(table)),
            ("masked", (x * spread).matmul(table)),
            ("with another", (spread + spread * 2.0).matmul(table)),
        ] {
            graph.output(name, value);
        }
        let feed = feed(sizes).input("again", numbers(rows * columns, -2.0, 2.0, 9));
        let works: Vec<Work> = Plan::new(&graph).unwrap().steps.into_iter().map(|step| step.work).collect();
        let dense_products = works.iter().filter(|work| matches!(work, Work::Product { .. })).count();
        (evaluate(&graph, &feed).unwrap().outputs, dense_products)
    };
    let ((sparse, none), (dense, some)) = (build(false), build(true));
    assert!(none == 0 && some > 5, "{none} {some}");
    for (name, values) in &dense {
        for (found, expected) in sparse[name].iter().zip(values) {
            assert!((found - expected).abs() < 1e-9, "{name}: {found} {expected}");
        }
    }
}

/// A training step through sparse rows: the same bits at any number of threads, and rows alone as in company.
#[test]
fn bits_depend_on_neither_threads_nor_company() {
    let sizes = [70, 1000, 8, 100];
    let [rows, columns, count, width] = sizes;
    let graph = Graph::new();
    let (x, dense) = (graph.input("x", [rows, columns]), graph.input("dense", [rows, width]));
    let table = graph.state("table", [columns, width]);
    let code = {
        let positions = x.largest_positions(count);
        x.pick(positions).spread(positions, columns)
    };
    let loss = (code.matmul(table) - dense).square().sum_all() * 0.001;
    let gradient = graph.gradient(loss, &[table]).unwrap()[0];
    graph.output("loss", loss);
    graph.update(table, table - gradient * 0.1);
    for level in Level::all_available() {
        let left = |threads: usize| run(&graph, &feed(sizes), &pool(threads), level, 4).unwrap().bits();
        let one = left(1);
        assert!([2, 3, 7].into_iter().all(|threads| left(threads) == one), "{}", level.name());
    }
    let decoded = |first: usize, last: usize, level: Level| {
        let graph = Graph::new();
        let x = graph.input("x", [last - first, columns]);
        let positions = x.largest_positions(count);
        let code: Tensor<'_> = x.pick(positions).spread(positions, columns);
        graph.output("y", code.matmul(graph.state("table", [columns, width])));
        let all = numbers(rows * columns, -2.0, 2.0, 1);
        let part = Feed::new().input("x", all[first * columns..last * columns].to_vec());
        let part = part.state("table", numbers(columns * width, -2.0, 2.0, 4));
        run(&graph, &part, &pool(2), level, 1).unwrap().outputs.remove(0).1
    };
    for level in Level::all_available() {
        let all = decoded(0, rows, level);
        for row in [0, 13, 69] {
            let alone = decoded(row, row + 1, level);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&alone), bits(&all[row * width..(row + 1) * width]), "{}", level.name());
        }
    }
}
