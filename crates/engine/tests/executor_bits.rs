//! The same bits whatever the threads, the batch and the company, at every level.

mod executor_support;

use executor_support::{Left, numbers, pool, run};
use narrows_engine::cpu::{Level, Pool};
use narrows_engine::op::Distribution;
use narrows_engine::reference::Feed;
use narrows_engine::{Graph, Tensor};
use std::sync::Arc;

/// A training step with dropout and Adam over 50 rows; large enough that threads share it.
fn training() -> (Graph, Feed) {
    let graph = Graph::new();
    let widths = [97usize, 200, 65, 30, 97];
    let x = graph.input("x", [50, widths[0]]);
    let ids = graph.indices("ids", [50]);
    let mut feed = Feed::new()
        .input("x", numbers(50 * widths[0], 0.0, 1.0, 1))
        .input("ids", (0..50u32).map(|row| row * 3))
        .keyed(5, 0);
    let (mut y, mut weights) = (x, Vec::new());
    for layer in 1..widths.len() {
        let (name, shape) = (format!("w{layer}"), [widths[layer - 1], widths[layer]]);
        let bound = (3.0 / shape[0] as f32).sqrt();
        feed = feed.state(&name, numbers(shape[0] * shape[1], -bound, bound, layer as u32));
        feed = feed.state(&format!("b{layer}"), vec![0.1f32; shape[1]]);
        let (w, b) = (graph.state(&name, shape), graph.state(&format!("b{layer}"), [shape[1]]));
        weights.extend([w, b]);
        y = y.matmul(w) + b;
        // Of five rows that follow each other, some of what they have in common is taken.
        let fives = y.reshape([10, 5, shape[1]]);
        y = (fives - fives.mean(&[1]) * 0.1).reshape([50, shape[1]]);
        if layer < widths.len() - 1 {
            let kept = graph.random(ids, shape[1], Distribution::Uniform).greater(graph.constant(0.2));
            y = (y * y.sigmoid()) * kept * 1.25;
        }
    }
    let loss = (y - x).square().sum_all() * (1.0 / 50.0);
    graph.output("loss", loss);
    for (number, (w, g)) in weights.iter().zip(graph.gradient(loss, &weights).unwrap()).enumerate() {
        adam(&graph, &mut feed, number, *w, g);
    }
    (graph, feed)
}

fn adam<'g>(graph: &'g Graph, feed: &mut Feed, number: usize, w: Tensor<'g>, g: Tensor<'g>) {
    let moments = ["m", "v"].map(|name| graph.state(&format!("{name}{number}"), w.shape()));
    for name in ["m", "v"] {
        *feed = std::mem::take(feed).state(&format!("{name}{number}"), vec![0.0f32; w.shape().elements()]);
    }
    let next = [moments[0] * 0.9 + g * 0.1, moments[1] * 0.99 + g * g * 0.01];
    graph.update(moments[0], next[0]);
    graph.update(moments[1], next[1]);
    graph.update(w, w - 0.01 * (next[0] / (next[1].sqrt() + 1e-8)));
}

fn trained(graph: &Graph, feed: &Feed, pool: &Arc<Pool>, level: Level) -> Left {
    run(graph, feed, pool, level, 6).unwrap()
}

#[test]
fn training_has_the_same_bits_at_every_number_of_threads() {
    let (graph, feed) = training();
    let start = run(&graph, &feed, &pool(1), Level::Plain, 1).unwrap().outputs[0].1[0];
    for level in Level::all_available() {
        let one = trained(&graph, &feed, &pool(1), level);
        assert!(one.outputs[0].1[0] < 0.9 * start, "it learns");
        for threads in [1, 2, 3, 7] {
            let pool = pool(threads);
            for _again in 0..2 {
                let found = trained(&graph, &feed, &pool, level);
                assert!(found.bits() == one.bits(), "{threads} threads at {}", level.name());
            }
        }
    }
}

/// Who finds the pool busy works alone, and gets the same.
#[test]
fn a_busy_pool_changes_no_bit() {
    let (graph, feed) = training();
    let level = Level::best();
    let expected = trained(&graph, &feed, &pool(1), level).bits();
    drop((graph, feed));
    let pool = pool(2);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (graph, feed) = training();
                for _ in 0..4 {
                    assert!(trained(&graph, &feed, &pool, level).bits() == expected);
                }
            });
        }
    });
}

/// An encoder with everything that inference may contain.
fn inference(rows: &[u32]) -> (Graph, Feed) {
    let graph = Graph::new();
    let columns = 70;
    let x = graph.input("x", [rows.len(), columns]);
    let values: Vec<f32> = rows.iter().flat_map(|row| numbers(columns, -1.0, 1.0, *row)).collect();
    let mut feed = Feed::new().input("x", values).input("ids", rows.to_vec()).keyed(8, 2);
    let mut state = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        feed = std::mem::take(&mut feed).state(name, numbers(count, 0.1, 1.0, name.len() as u32));
        graph.state(name, shape)
    };
    let (v, w, u) = (state("v", &[70, 130]), state("ww", &[130, 33]), state("uuu", &[33, 1]));
    let (mean, variance) = (state("mean", &[1, 70]), state("variance", &[1, 70]));
    let (gain, shift) = (state("gain!", &[70]), state("shift?!", &[1, 70]));
    let scale = state("scale", &[1, 33]);
    // Normalised with statistics of rows and of columns; expressions of parameters alone at several places.
    let normal = (x - mean) / ((variance + 0.1).sqrt() + 1e-3) * gain + shift * mean;
    let rows_mean = normal.mean(&[1]);
    let centred = normal - rows_mean;
    let normal = centred / (centred.square().mean(&[1]) + 1e-5).sqrt();
    let h = normal.matmul(v) * 0.1 + (x.matmul(v) * 0.05 + 0.5);
    let h =
        h * h.sigmoid() + graph.random(graph.indices("ids", [rows.len()]), 130, Distribution::Normal) * 0.01;
    let code = h.matmul(w) * scale.exp() + scale * scale;
    graph.output("code", code);
    let e = (code - code.max(1)).exp();
    graph.output("softmax", e / e.sum(&[1]));
    graph.output("single", code.matmul(u) * 3.0 + 0.1);
    graph.output("argmax", code.argmax(1));
    graph.output("decoded", code.product(w, false, true).tanh().product(v, false, true));
    // Of rank 3: means over the middle, over both, and over the last.
    let cube = x.reshape([rows.len(), 7, 10]) * 3.0 + 0.7;
    graph.output("middle", cube.mean(&[1]).reshape([rows.len(), 10]));
    graph.output("centred", (cube - cube.mean(&[1])).reshape([rows.len(), 70]));
    graph.output("both", cube.square().mean(&[1, 2]).reshape([rows.len(), 1]));
    graph.output("last", cube.exp().sum(&[2]).reshape([rows.len(), 7]));
    graph.output("turned", (cube * cube + cube).permute(&[0, 2, 1]).reshape([rows.len(), 70]));
    (graph, feed)
}

fn inferred(rows: &[u32], level: Level) -> Vec<(String, Vec<f32>)> {
    let (graph, feed) = inference(rows);
    run(&graph, &feed, &pool(1), level, 1).unwrap().outputs
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_company() {
    for level in Level::all_available() {
        let batch: Vec<u32> = (0..130).map(|row| 1000 + row).collect();
        let together = inferred(&batch, level);
        for first in [0usize, 60, 123] {
            let few = inferred(&batch[first..first + 7], level);
            let alone = inferred(&batch[first + 3..first + 4], level);
            for (number, (name, values)) in together.iter().enumerate() {
                let width = values.len() / 130;
                let bits = |values: &[f32], row: usize| -> Vec<u32> {
                    values[row * width..(row + 1) * width].iter().map(|value| value.to_bits()).collect()
                };
                for row in 0..7 {
                    let same = bits(&few[number].1, row) == bits(values, first + row);
                    assert!(same, "{name} of row {row} in 7 at {}", level.name());
                }
                assert!(
                    bits(&alone[number].1, 0) == bits(values, first + 3),
                    "{name} alone at {}",
                    level.name()
                );
            }
        }
    }
}

#[test]
fn products_of_rows_have_the_same_bits_in_every_batch() {
    for level in Level::all_available() {
        for (inner, columns) in
            [(1usize, 1usize), (1, 65), (2, 17), (17, 1), (64, 64), (65, 30), (129, 5), (385, 16), (500, 70)]
        {
            for turned in [false, true] {
                let product = |rows: usize| {
                    let graph = Graph::new();
                    let x = graph.input("x", [rows, inner]);
                    let w = graph.state("w", if turned { [columns, inner] } else { [inner, columns] });
                    graph.output("y", x.product(w, false, turned) + graph.constant(0.1));
                    let feed =
                        Feed::new().input("x", numbers(200 * inner, -1.0, 1.0, 1)[..rows * inner].to_vec());
                    let feed = feed.state("w", numbers(inner * columns, -1.0, 1.0, 2));
                    run(&graph, &feed, &pool(1), level, 1).unwrap().bits()[..rows * columns].to_vec()
                };
                let most = product(200);
                for rows in [1, 2, 3, 5, 6, 7, 64, 65, 130] {
                    let same = product(rows) == most[..rows * columns];
                    assert!(same, "{rows}×{inner}×{columns} {turned} at {}", level.name());
                }
            }
        }
    }
}

/// Seven threads on however few cores: many runs, all short.
#[test]
fn more_threads_than_cores_come_through() {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", [64, 128]), graph.state("w", [128, 128]));
    let y = x.matmul(w).tanh().matmul(w).tanh();
    graph.output("y", y.sum(&[0]));
    graph.update(w, w * 0.999 + x.product(y, true, false) * 1e-4);
    let feed =
        Feed::new().input("x", numbers(64 * 128, -1.0, 1.0, 1)).state("w", numbers(128 * 128, -0.1, 0.1, 2));
    let (few, many) = (pool(1), pool(7));
    let expected = run(&graph, &feed, &few, Level::best(), 2000).unwrap();
    assert!(run(&graph, &feed, &many, Level::best(), 2000).unwrap().bits() == expected.bits());
}
