//! Leaves and states at every level against the reference.

mod executor_support;

use executor_support::{EXACT, Tolerance, check, numbers, roundings_of};
use narrows_engine::op::Distribution;
use narrows_engine::reference::Feed;
use narrows_engine::{Graph, Shape};

#[test]
fn random_numbers_have_the_bits_of_their_definition() {
    for distribution in [Distribution::Uniform, Distribution::Normal] {
        for (rows, columns) in
            [(1usize, 1usize), (1, 70), (9, 1), (130, 1), (3, 16), (17, 63), (9, 65), (2, 1000)]
        {
            let graph = Graph::new();
            let ids = graph.indices("ids", [rows]);
            let noise = graph.random(ids, columns, distribution);
            graph.output("noise", noise);
            graph.output("second", graph.random(ids, columns, distribution));
            graph.output("sum", noise.max(0));
            graph.output("turned", noise.transpose());
            let ids = (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761));
            let feed = Feed::new().input("ids", ids).keyed(0x1234_5678_9abc_def0, 77);
            check(&format!("random {rows}×{columns}"), &graph, &feed, EXACT);
        }
    }
}

#[test]
fn positions() {
    for sizes in [
        &[1usize][..],
        &[17],
        &[513],
        &[1, 1],
        &[1, 130],
        &[130, 1],
        &[9, 63],
        &[65, 65],
        &[2, 3, 1],
        &[3, 4, 130],
        &[2, 3, 4, 5],
    ] {
        for axis in 0..sizes.len() {
            let graph = Graph::new();
            let position = graph.position(sizes, axis);
            graph.output("position", position);
            graph.output("summed", position.sum(&[axis]) + graph.position(sizes, axis) * 2.0);
            check(&format!("position along {axis} of {sizes:?}"), &graph, &Feed::new(), EXACT);
        }
    }
    let graph = Graph::new();
    graph.output("spread", graph.position([1, 5], 1).stretch([4, 5]) + graph.position([4, 1], 0));
    graph.output("product", graph.position([3, 2], 0).matmul(graph.position([2, 3], 1)));
    check("position", &graph, &Feed::new(), EXACT);
}

#[test]
fn pixels_indices_scalars_tables_and_constants() {
    for (rows, columns) in [(1usize, 1usize), (1, 17), (70, 1), (3, 65), (2, 130)] {
        let count = rows * columns;
        let graph = Graph::new();
        let (pixels, indices) = (graph.pixels("p", [rows, columns]), graph.indices("i", [rows, columns]));
        let scalar = graph.scalar("s");
        let table = graph.table([rows, columns], &numbers(count, -1.0, 1.0, 4));
        let row = graph.table([columns], &numbers(columns, -1.0, 1.0, 5));
        graph.output("pixels", pixels.convert());
        graph.output("scaled", pixels.convert() * 0.5 - scalar);
        graph.output("indices", indices.convert());
        graph.output("table", table);
        graph.output("row", row.stretch([rows, columns]) + scalar);
        graph.output("scalar", scalar);
        graph.output("twice", scalar);
        graph.output("constant", graph.constant(2.5));
        graph.output("constant stretched", graph.constant(2.5).stretch([rows, columns]));
        graph.output("scalar stretched", scalar.stretch([columns, rows]));
        graph.output("product", pixels.convert().product(table, false, true));
        graph.output("constant product", graph.constant(1.0).stretch([2, rows]).matmul(pixels.convert()));
        let feed = Feed::new()
            .input("p", (0..count).map(|at| (at * 37 % 256) as u8))
            .input("i", (0..count as u32).map(|at| at * 1000))
            .scalar("s", 0.25f32);
        check(&format!("leaves {rows}×{columns}"), &graph, &feed, roundings_of(count as f64, 256.0));
    }
}

#[test]
fn states_change_together() {
    for sizes in [&[1usize][..], &[17], &[3, 65], &[130, 1], &[70, 64]] {
        let graph = Graph::new();
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| graph.state(name, sizes));
        let x = graph.input("x", sizes);
        // Two swap; one takes what another was; one counts; one is only read; outputs are leaves and updates.
        graph.update(a, b);
        graph.update(b, a);
        graph.update(c, a + x);
        graph.update(d, d * 0.5 + c);
        graph.output("c before", c);
        graph.output("a before", a + 0.0);
        graph.output("a before too", a);
        graph.output("d after", d * 0.5 + c);
        graph.output("later", (d + e).exp().sum(&[0]).log());
        graph.output("x", x);
        graph.output("constant", graph.constant(3.0));
        let count = Shape::from(sizes).elements();
        let mut feed = Feed::new().input("x", numbers(count, -1.0, 1.0, 6));
        for (salt, name) in ["a", "b", "c", "d", "e"].iter().enumerate() {
            feed = feed.state(name, numbers(count, -1.0, 1.0, salt as u32));
        }
        check(&format!("states {sizes:?}"), &graph, &feed, roundings_of(20.0, 3.0));
    }
}

#[test]
fn a_state_may_become_a_number_a_row_or_itself() {
    let graph = Graph::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| graph.state(name, [3, 5]));
    let count = graph.state("count", []);
    graph.update(a, graph.scalar("s").stretch([3, 5]));
    graph.update(b, graph.state("row", [5]).stretch([3, 5]));
    graph.update(c, c);
    graph.update(d, a.transpose().reshape([3, 5]));
    graph.update(count, count + 1.0);
    graph.output("mean", c * (1.0 / (count + 1.0)));
    let mut feed = Feed::new().scalar("s", 4.0).state("row", numbers(5, 0.0, 1.0, 9)).state("count", [7.0]);
    for (salt, name) in ["a", "b", "c", "d"].iter().enumerate() {
        feed = feed.state(name, numbers(15, -1.0, 1.0, salt as u32));
    }
    check("states", &graph, &feed, Tolerance { relative: 2e-7, absolute: 0.0 });
}

#[test]
fn graphs_without_work() {
    let graph = Graph::new();
    graph.input("x", [3]);
    graph.state("w", [2]);
    check("nothing", &graph, &Feed::new().input("x", [0.0; 3]).state("w", [1.0, 2.0]), EXACT);
    let graph = Graph::new();
    graph.output("one", graph.constant(1.0));
    check("a constant", &graph, &Feed::new(), EXACT);
}

/// What is fed under another shape is read where the caller has it: element by element, by products, and repeated.
#[test]
fn fed_rows_of_another_shape() {
    let graph = Graph::new();
    let x = graph.input("x", [6, 70]);
    let one = graph.input("one", [1, 1]);
    let w = graph.state("w", [3, 5]);
    graph.output("square", x.reshape([2, 3, 70]).square());
    graph.output("product", x.reshape([140, 3]).matmul(w));
    graph.output("turned", x.reshape([3, 140]).transpose());
    graph.output("stored", x.reshape([2, 210]));
    graph.output("repeated", x.reshape([420]) * one.reshape([1]).stretch([420]));
    let feed = Feed::new()
        .input("x", numbers(420, -2.0, 2.0, 1))
        .input("one", [3.0])
        .state("w", numbers(15, -2.0, 2.0, 2));
    check("reshaped", &graph, &feed, roundings_of(4.0, 12.0));
}
