//! Times one training step of a deep dense autoencoder: `dense_step BATCH THREADS [LEVEL]`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use narrows_engine::{Graph, Tensor};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (batch, threads) = (number(1, 64), number(2, 2));
    let level = arguments.get(3).and_then(|name| Level::from_name(name)).unwrap_or(Level::best());
    let widths = [784, 1000, 500, 250, 30, 250, 500, 1000, 784];
    let graph = Graph::new();
    let x = graph.input("x", [batch, widths[0]]);
    let rate = graph.scalar("rate");
    let (mut y, mut weights) = (x, Vec::new());
    for layer in 0..widths.len() - 1 {
        let w = graph.state(&format!("{layer}.weight"), [widths[layer], widths[layer + 1]]);
        let b = graph.state(&format!("{layer}.bias"), [widths[layer + 1]]);
        weights.extend([w, b]);
        y = y.matmul(w) + b;
        if layer != 3 && layer != widths.len() - 2 {
            y = graph.constant(0.0).maximum(y);
        }
    }
    let loss = (y - x).square().sum_all() * (1.0 / batch as f32);
    graph.output("loss", loss);
    let gradients = graph.gradient(loss, &weights).unwrap();
    for (number, (w, g)) in weights.iter().zip(&gradients).enumerate() {
        adam(&graph, number, *w, *g, rate);
    }
    let pool = Pool::new(threads).unwrap();
    let mut executable = Executable::new(&graph, &pool, level).unwrap();
    let mut states = States::new(&graph.states());
    for (name, shape) in graph.states().iter().filter(|state| state.0.ends_with("weight")) {
        let mut stream = narrows_engine::random::Stream::new(7, 0, shape.elements() as u32);
        let bound = (6.0 / (shape.sizes()[0] + shape.sizes()[1]) as f32).sqrt();
        let values: Vec<f32> =
            (0..shape.elements()).map(|_| (stream.uniform() * 2.0 - 1.0) * bound).collect();
        states.set(name, &values).unwrap();
    }
    let mut stream = narrows_engine::random::Stream::new(1, 1, 1);
    let table: Vec<f32> = (0..4096 * widths[0]).map(|_| stream.uniform()).collect();
    println!(
        "{} steps in {} phases, arena {} KiB, {} MFLOP",
        executable.plan().steps.len(),
        executable.schedule().phases.len(),
        executable.schedule().arena_bytes() / 1024,
        executable.plan().flops() / 1_000_000
    );
    let mut times = Vec::new();
    for step in 0..400 {
        let start = Instant::now();
        let first = step * batch % 4096 * widths[0];
        let run = Run {
            inputs: &[Feed::F32(&table[first..first + batch * widths[0]])],
            scalars: &[1e-3],
            seed: 1,
            step: step as u32,
        };
        executable.run(&mut states, &run).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if step % 100 == 0 {
            println!("loss {}", executable.number(0));
        }
    }
    times[20..].sort_by(f64::total_cmp);
    println!("median {:.3} ms, best {:.3} ms", times[20 + (times.len() - 20) / 2], times[20]);
}

fn adam<'g>(graph: &'g Graph, number: usize, w: Tensor<'g>, g: Tensor<'g>, rate: Tensor<'g>) {
    let m = graph.state(&format!("{number}.m"), w.shape());
    let v = graph.state(&format!("{number}.v"), w.shape());
    let m_next = m * 0.9 + g * 0.1;
    let v_next = v * 0.999 + g * g * 0.001;
    graph.update(m, m_next);
    graph.update(v, v_next);
    graph.update(w, w - rate * (m_next / (v_next.sqrt() + 1e-8)));
}
