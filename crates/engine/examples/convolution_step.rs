//! Times one training step of a convolutional autoencoder, 1→32→64 at stride 2 and back: `convolution_step BATCH THREADS [LEVEL]`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use narrows_engine::{Convolution, Graph, Tensor};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (batch, threads) = (number(1, 64), number(2, 2));
    let level = arguments.get(3).and_then(|name| Level::from_name(name)).unwrap_or(Level::best());
    let graph = Graph::new();
    let x = graph.input("x", [batch, 28, 28, 1]);
    let rate = graph.scalar("rate");
    let down = Convolution { stride: [2, 2], before: [1, 1], after: [1, 1], ..Convolution::default() };
    let mut weights = Vec::new();
    let mut layer = |kernel: [usize; 4]| {
        let number = weights.len();
        weights.push(graph.state(&format!("{number}.weight"), kernel));
        weights.push(graph.state(&format!("{number}.bias"), [kernel[3]]));
        (weights[number], weights[number + 1])
    };
    let zero = graph.constant(0.0);
    let (w, b) = layer([3, 3, 1, 32]);
    let y = zero.maximum(x.convolution(w, &down) + b);
    let (w, b) = layer([3, 3, 32, 64]);
    let y = zero.maximum(y.convolution(w, &down) + b);
    let (w, b) = layer([4, 4, 64, 32]);
    let y = zero.maximum(y.transposed_convolution(w, &down, [14, 14]) + b);
    let (w, b) = layer([4, 4, 32, 1]);
    let y = y.transposed_convolution(w, &down, [28, 28]) + b;
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
        let fan = shape.elements() / shape.columns();
        let bound = (6.0 / fan as f32).sqrt();
        let values: Vec<f32> =
            (0..shape.elements()).map(|_| (stream.uniform() * 2.0 - 1.0) * bound).collect();
        states.set(name, &values).unwrap();
    }
    let mut stream = narrows_engine::random::Stream::new(1, 1, 1);
    let table: Vec<f32> = (0..4096 * 784).map(|_| stream.uniform()).collect();
    println!("{}", executable.listing());
    let mut times = Vec::new();
    for step in 0..200 {
        let start = Instant::now();
        let first = step * batch % 4096 * 784;
        let inputs = [Feed::F32(&table[first..first + batch * 784])];
        let run = Run { inputs: &inputs, scalars: &[1e-3], seed: 1, step: step as u32 };
        executable.run(&mut states, &run).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if step % 50 == 0 {
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
