//! Random graphs, and graphs that take every way through lowering and scheduling, at every level against the reference.

mod executor_support;

use executor_support::{Tolerance, check, check_against, numbers, roundings_of};
use narrows_engine::op::{Binary, Distribution, Unary};
use narrows_engine::random::Stream;
use narrows_engine::reference::{Feed, evaluate};
use narrows_engine::{Graph, Tensor};

/// Writes graphs whose values stay of size 1, so that errors do too.
struct Writer<'g> {
    graph: &'g Graph,
    words: Stream,
    values: Vec<Tensor<'g>>,
    sizes: [usize; 3],
    feed: Feed,
}

impl<'g> Writer<'g> {
    fn new(graph: &'g Graph, seed: u32) -> Writer<'g> {
        let mut words = Stream::new(41, seed, 0);
        let choice = [1, 2, 5, 16, 17, 33, 64, 65, 70, 130];
        let sizes = std::array::from_fn(|_| choice[words.below(choice.len() as u32) as usize]);
        Writer { graph, words, values: Vec::new(), sizes, feed: Feed::new().keyed(seed.into(), 3) }
    }

    fn below(&mut self, count: usize) -> usize {
        self.words.below(count as u32) as usize
    }

    fn size(&mut self) -> usize {
        self.sizes[self.words.below(3) as usize]
    }

    fn leaf(&mut self) {
        let name = format!("leaf {}", self.values.len());
        let salt = self.values.len() as u32;
        let (rows, columns) = (self.size(), self.size());
        let shape = match self.below(6) {
            0 => [1, columns],
            1 => [rows, 1],
            2 => [1, 1],
            _ => [rows, columns],
        };
        let values = numbers(shape[0] * shape[1], -1.0, 1.0, salt);
        let feed = std::mem::take(&mut self.feed);
        if self.below(2) == 0 {
            self.values.push(self.graph.input(&name, shape));
            self.feed = feed.input(&name, values);
        } else {
            self.values.push(self.graph.state(&name, shape));
            self.feed = feed.state(&name, values);
        }
    }

    fn pick(&mut self) -> Tensor<'g> {
        // Recent values more often, old ones now and then: chains with reuse from afar.
        let count = self.values.len();
        let back = self.below(count).min(self.below(count));
        self.values[count - 1 - back]
    }

    fn partner(&mut self, x: Tensor<'g>) -> Tensor<'g> {
        for _ in 0..20 {
            let y = self.pick();
            if x.shape().broadcast(&y.shape()).is_some() {
                return y;
            }
        }
        self.graph.constant(0.5)
    }

    fn operation(&mut self) -> Tensor<'g> {
        let x = self.pick();
        let [rows, columns] = *x.shape().sizes() else { return x };
        match self.below(16) {
            0 => x.tanh(),
            1 => x.sigmoid(),
            2 => (x * x + 0.25).sqrt() - 0.5,
            3 => {
                let y = self.partner(x);
                (x + y) * 0.5
            }
            4 => {
                let y = self.partner(x);
                x * y
            }
            5 => {
                let y = self.partner(x);
                (x - y * 0.25) * 0.75
            }
            6 => {
                let y = self.partner(x);
                x / (y.abs() + 1.0)
            }
            7 => {
                let y = self.partner(x);
                x.maximum(y * 0.9).minimum(self.graph.constant(0.8))
            }
            8 => x.sum(&[1]) * (1.0 / columns as f32),
            9 => x.sum(&[0]) * (1.0 / rows as f32),
            10 => x.sum(&[0, 1]) * (1.0 / (rows * columns) as f32),
            11 => x.max(self.below(2)),
            12 | 13 => {
                let inner = columns;
                let w = (0..30).map(|_| self.pick()).find(|w| w.shape().sizes().contains(&inner));
                let w = w.unwrap_or(x);
                let turn = w.shape().sizes()[0] != inner;
                x.product(w, false, turn) * (1.0 / inner as f32).sqrt()
            }
            14 => x.transpose(),
            _ => {
                let exponent = (x * 0.5).exp();
                exponent / (exponent.sum(&[1]) + 1.0)
            }
        }
    }
}

fn random_graph(seed: u32) {
    let graph = Graph::new();
    let mut writer = Writer::new(&graph, seed);
    (0..6).for_each(|_| writer.leaf());
    for _ in 0..8 + writer.below(22) {
        let value = writer.operation();
        writer.values.push(value);
    }
    for number in 0..3 {
        let value = writer.pick();
        graph.output(&format!("output {number}"), value);
    }
    // Every state that some value has the shape of becomes that value, alone or mixed with what it was.
    for at in 0..6 {
        let state = writer.values[at];
        if !graph.states().iter().any(|(name, _)| *name == format!("leaf {at}")) {
            continue;
        }
        let found = (0..40).map(|_| writer.pick()).find(|value| value.shape() == state.shape());
        if let Some(value) = found {
            graph.update(state, if writer.below(2) == 0 { value } else { state * 0.9 + value * 0.1 });
        }
    }
    let feed = std::mem::take(&mut writer.feed);
    let expected = evaluate(&graph, &feed).unwrap();
    let tolerance = Tolerance { relative: 3e-5, absolute: 3e-5 };
    check_against(&format!("graph {seed}"), &graph, &feed, tolerance, &expected);
}

#[test]
fn random_graphs_meet_the_reference() {
    (0..400).for_each(random_graph);
}

/// A dense network with everything a training step has, one part of it at a time.
struct Network<'g> {
    graph: &'g Graph,
    feed: Feed,
    salt: u32,
}

impl<'g> Network<'g> {
    fn new(graph: &'g Graph) -> Self {
        Network { graph, feed: Feed::new().scalar("rate", 0.05).keyed(9, 4), salt: 0 }
    }

    fn state(
        &mut self,
        name: &str,
        shape: impl Into<narrows_engine::Shape>,
        low: f32,
        high: f32,
    ) -> Tensor<'g> {
        let shape = shape.into();
        self.salt += 1;
        let values = numbers(shape.elements(), low, high, self.salt);
        self.feed = std::mem::take(&mut self.feed).state(name, values);
        self.graph.state(name, shape)
    }

    fn input(&mut self, name: &str, shape: [usize; 2]) -> Tensor<'g> {
        self.salt += 1;
        let values = numbers(shape[0] * shape[1], 0.0, 1.0, self.salt);
        self.feed = std::mem::take(&mut self.feed).input(name, values);
        self.graph.input(name, shape)
    }

    fn adam(&mut self, w: Tensor<'g>, g: Tensor<'g>, rate: Tensor<'g>) {
        let number = self.salt;
        let m = self.state(&format!("m{number}"), w.shape(), -0.1, 0.1);
        let v = self.state(&format!("v{number}"), w.shape(), 0.01, 0.1);
        let m_next = m * 0.9 + g * 0.1;
        let v_next = v * 0.99 + g * g * 0.01;
        self.graph.update(m, m_next);
        self.graph.update(v, v_next);
        self.graph.update(w, w - rate * (m_next / (v_next.sqrt() + 1e-6)));
    }
}

const CLOSE: Tolerance = Tolerance { relative: 2e-5, absolute: 2e-5 };

fn dense(batch: usize, widths: &[usize], tied: bool, clip: bool) {
    let graph = Graph::new();
    let mut network = Network::new(&graph);
    let rate = graph.scalar("rate");
    let x = network.input("x", [batch, widths[0]]);
    let (mut y, mut weights) = (x, Vec::new());
    for layer in 1..widths.len() {
        let bound = (3.0 / widths[layer - 1] as f32).sqrt();
        let w = network.state(&format!("w{layer}"), [widths[layer - 1], widths[layer]], -bound, bound);
        let b = network.state(&format!("b{layer}"), [widths[layer]], -0.5, 0.5);
        weights.extend([w, b]);
        y = (y.matmul(w) + b).tanh();
    }
    if tied {
        for layer in (1..widths.len()).rev() {
            let b = network.state(&format!("c{layer}"), [widths[layer - 1]], -0.5, 0.5);
            y = y.product(weights[2 * (layer - 1)], false, true) + b;
            weights.push(b);
        }
    } else {
        let w = network.state("out", [widths[widths.len() - 1], widths[0]], -0.3, 0.3);
        weights.push(w);
        y = y.matmul(w).sigmoid();
    }
    let loss = (y - x).square().sum_all() * (1.0 / batch as f32);
    graph.output("loss", loss);
    let mut gradients = graph.gradient(loss, &weights).unwrap();
    if clip {
        let norm = gradients.iter().fold(graph.constant(0.0), |sum, g| sum + g.square().sum_all()).sqrt();
        graph.output("norm", norm);
        let scale = graph.constant(1.0).minimum(1.0 / (norm + 1e-6));
        gradients.iter_mut().for_each(|g| *g = *g * scale);
    }
    for (w, g) in weights.into_iter().zip(gradients) {
        network.adam(w, g, rate);
    }
    check(&format!("dense {batch} {widths:?} tied {tied} clip {clip}"), &graph, &network.feed, CLOSE);
}

#[test]
fn training_steps_of_dense_networks() {
    for (batch, widths) in [
        (1usize, &[7usize, 5][..]),
        (7, &[65, 30, 3]),
        (64, &[70, 64, 1]),
        (50, &[100, 33, 17, 2]),
        (130, &[64, 130]),
    ] {
        for (tied, clip) in [(false, false), (true, false), (false, true), (true, true)] {
            dense(batch, widths, tied, clip);
        }
    }
}

/// The code's gradient comes through a product with a short inner dimension behind which a mask is read: its left operand
/// is cut into segments to ask for the mask ahead.
#[test]
fn a_short_inner_dimension_with_streams_behind() {
    for inner in [2usize, 6, 30, 64] {
        for turned in [false, true] {
            let graph = Graph::new();
            let mut network = Network::new(&graph);
            let x = network.input("x", [100, inner]);
            let w = network.state("w", if turned { [70, inner] } else { [inner, 70] }, -1.0, 1.0);
            let [a, b, c] = ["a", "b", "c"].map(|name| network.state(name, [100, 70], -1.0, 1.0));
            graph.output("y", x.product(w, false, turned) * a + b * c);
            graph.update(a, a * 0.5 + x.product(w, false, turned));
            graph.scalar("rate");
            check(&format!("inner {inner}"), &graph, &network.feed, roundings_of(40.0, 4.0));
        }
    }
}

/// Results that no second cache holds: what is read and written beside them is asked for from every segment of the inner dimension.
#[test]
fn large_results_with_streams_behind() {
    for inner in [3usize, 64, 100, 200] {
        let graph = Graph::new();
        let mut network = Network::new(&graph);
        // Not as they were fed, but in panels.
        let x = network.input("x", [704, inner]).tanh();
        let w = network.state("w", [inner, 400], -1.0, 1.0);
        let [a, b] = ["a", "b"].map(|name| network.state(name, [704, 400], -1.0, 1.0));
        let each = network.state("each", [11, 1, 400], -1.0, 1.0);
        let y = x.matmul(w);
        // A row for 64, read where it lies.
        let scaled = (y.reshape([11, 64, 400]) * each).reshape([704, 400]);
        graph.output("y", y * a + b);
        graph.output("scaled", scaled);
        graph.output("of each", (scaled * b).reshape([11, 64, 400]).sum(&[1]));
        graph.update(a, a * 0.5 + y);
        graph.scalar("rate");
        check(&format!("inner {inner}"), &graph, &network.feed, roundings_of(80.0, inner as f64 + 64.0));
    }
}

/// A leaf's function is spread in front of a reduction and multiplied behind it: had the second place computed it for the
/// first, the two would wait for each other.
#[test]
fn functions_of_leaves_used_before_and_after_a_reduction() {
    let graph = Graph::new();
    let mut network = Network::new(&graph);
    let (x, w) = (network.input("x", [20, 9]), network.state("w", [9, 6], -1.0, 1.0));
    let s = network.state("s", [6], -1.0, 1.0);
    let rate = graph.scalar("rate");
    let y = x.matmul(w) * s.exp();
    let loss = y.square().sum_all();
    graph.output("loss", loss);
    let gradients = graph.gradient(loss, &[w, s]).unwrap();
    graph.output("ds", gradients[1]);
    network.adam(s, gradients[1] * 0.01, rate);
    check("learnt scale", &graph, &network.feed, Tolerance { relative: 1e-5, absolute: 1e-5 });

    // The same with a function of a leaf in front of a reduction, alone and on its way out.
    let graph = Graph::new();
    let mut network = Network::new(&graph);
    let (x, w) = (network.input("x", [20, 9]), network.state("w", [20, 9], -1.0, 1.0));
    graph.scalar("rate");
    let e = x.exp();
    let f = e * 2.0;
    let sum = (f * w).sum(&[1]);
    let z = (w.matmul(network.state("square", [9, 9], -1.0, 1.0)) + sum) * f;
    graph.output("f", f);
    graph.output("z", z + e);
    graph.output("g", f.product(z, true, false));
    check("function of an input", &graph, &network.feed, roundings_of(100.0, 60.0));
}

#[test]
fn masks_are_the_same_forwards_and_backwards() {
    let graph = Graph::new();
    let mut network = Network::new(&graph);
    let (x, w) = (network.input("x", [33, 20]), network.state("w", [20, 65], -0.3, 0.3));
    let v = network.state("v", [65, 20], -0.2, 0.2);
    let rate = graph.scalar("rate");
    let ids = graph.indices("ids", [33]);
    let kept = |columns| graph.random(ids, columns, Distribution::Uniform).greater(graph.constant(0.3));
    // The noise is on an input (made of leaves alone, and read by a product) and on a hidden layer.
    let noisy = x * kept(20) + graph.random(ids, 20, Distribution::Normal) * 0.1;
    let h = noisy.matmul(w).tanh() * kept(65) / 0.7;
    let loss = ((h.matmul(v) - x).square() * (noisy.equal(x) * 0.5 + 0.5)).sum_all() * (1.0 / 33.0);
    graph.output("loss", loss);
    let gradients = graph.gradient(loss, &[w, v]).unwrap();
    for (w, g) in [w, v].into_iter().zip(gradients) {
        network.adam(w, g, rate);
    }
    let feed = network.feed.clone().input("ids", (0..33u32).map(|row| row * 7 + 1));
    check("denoising", &graph, &feed, CLOSE);
}

#[test]
fn batch_statistics_softmax_and_embeddings() {
    let graph = Graph::new();
    let mut network = Network::new(&graph);
    let x = network.input("x", [50, 31]);
    let rate = graph.scalar("rate");
    let (w, table) = (network.state("w", [31, 10], -0.5, 0.5), network.state("table", [12, 31], -0.5, 0.5));
    let (mean, gain) = (network.state("mean", [1, 31], -0.5, 0.5), network.state("gain", [31], 0.5, 1.5));
    let words = graph.indices("words", [50]);
    let embedded = x + table.gather(words);
    let batch_mean = embedded.mean(&[0]);
    let centred = embedded - batch_mean;
    let normal = centred / (centred.square().mean(&[0]) + 1e-3).sqrt() * gain;
    graph.update(mean, mean * 0.9 + batch_mean * 0.1);
    let logits = normal.matmul(w);
    let shifted = logits - logits.max(1).stop_gradient();
    let log_sum = shifted.exp().sum(&[1]).log();
    let labels = graph.indices("labels", [50, 1]).convert();
    let hit = graph.position([50, 10], 1).equal(labels.stretch([50, 10]));
    let loss = (hit * (log_sum - shifted)).sum_all() * (1.0 / 50.0);
    graph.output("loss", loss);
    graph.output("right", logits.argmax(1).equal(labels).sum_all());
    graph.output("softmax", shifted.exp() / shifted.exp().sum(&[1]));
    let gradients = graph.gradient(loss, &[w, table, gain]).unwrap();
    for (w, g) in [w, table, gain].into_iter().zip(gradients) {
        network.adam(w, g, rate);
    }
    let feed = network.feed.clone();
    let feed =
        feed.input("words", (0..50u32).map(|i| i * i % 12)).input("labels", (0..50u32).map(|i| i * 3 % 10));
    check("classifier", &graph, &feed, CLOSE);
}

#[test]
fn softmax_of_anything_sums_to_one() {
    let graph = Graph::new();
    let x = graph.input("x", [4, 3]);
    let e = (x - x.max(1)).exp();
    graph.output("sum", (e / e.sum(&[1])).sum(&[1]));
    let values = [1e4f32, -1e4, 0.0, -1e4, -1e4, -1e4, 1e4, 1e4, 1e4, 1.0, 2.0, 3.0];
    check("softmax", &graph, &Feed::new().input("x", values), roundings_of(4.0, 1.0));
}

/// Adam's quotient is computed with estimates where that is exact enough, and the slow way where it is not.
#[test]
fn the_quotient_of_adaptive_optimisers_at_the_edges() {
    let squares =
        [0.0f32, 1e-45, 1e-40, 1.2e-38, 1e-30, 1e-8, 1.0, 1e30, 3e38, f32::INFINITY, f32::NAN, -1.0];
    let small = [0.0f32, 1e-40, 1e-30, 1e-8, 1.0, 1e30, f32::INFINITY];
    let count = squares.len() * small.len();
    let graph = Graph::new();
    let [m, v, c] = ["m", "v", "c"].map(|name| graph.state(name, [count]));
    // Only plans that change a state have fused instructions.
    graph.update(m, m / (v.sqrt() + c));
    let feed = Feed::new()
        .state("m", vec![3.0f32; count])
        .state("v", squares.iter().flat_map(|v| small.map(|_| *v)))
        .state("c", squares.iter().flat_map(|_| small));
    check("quotient", &graph, &feed, Tolerance { relative: 4e-7, absolute: 1e-43 });
}

/// Expressions of leaves that are used twice at each of many levels: time must not double with each.
#[test]
fn deep_expressions_of_leaves_compile_quickly() {
    let graph = Graph::new();
    let mut y = graph.input("x", [3, 5]);
    for _ in 0..200 {
        y = (y * y + y) * 0.5;
        y = y.unary(Unary::Sigmoid).binary(Binary::Multiply, y);
    }
    graph.output("y", y);
    graph.output("sum", y.sum(&[1]));
    check(
        "deep",
        &graph,
        &Feed::new().input("x", numbers(15, 0.0, 1.0, 1)),
        Tolerance { relative: 1e-3, absolute: 1e-30 },
    );
}
