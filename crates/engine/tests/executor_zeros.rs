//! Products whose left operand is full of zeros: the same values and bits, and nothing done for the zeros.

mod executor_support;

use executor_support::{check, numbers, pool, roundings_of, run};
use narrows_engine::cpu::Level;
use narrows_engine::reference::Feed;
use narrows_engine::{Convolution, Graph};

/// Rows with holes: a third of the patches of 7 rows by 5 columns hold something, and single numbers elsewhere.
fn patchy(rows: usize, columns: usize) -> Vec<f32> {
    let (values, draws) = (numbers(rows * columns, -1.0, 1.0, 3), numbers(rows * columns, 0.0, 1.0, 4));
    let patch = |row: usize, column: usize| draws[row / 7 * columns + column / 5] < 0.33;
    (0..rows * columns)
        .map(|at| if patch(at / columns, at % columns) || draws[at] > 0.97 { values[at] } else { 0.0 })
        .collect()
}

/// Inner dimensions of one pass, of several blocks, and with a block or a panel begun.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 70, 65),
    (1, 900, 30),
    (6, 64, 64),
    (13, 130, 16),
    (64, 384, 130),
    (70, 385, 1),
    (70, 900, 150),
    (130, 1030, 65),
    (3, 1, 7),
];

#[test]
fn products_of_rows_with_holes_are_right() {
    for (rows, inner, columns) in SIZES {
        for turned in [false, true] {
            let graph = Graph::new();
            let x = graph.input("x", [rows, inner]);
            let w = graph.state("w", if turned { [columns, inner] } else { [inner, columns] });
            // Read as it is fed, from panels, and turned, as in the gradient of a weight.
            let y = x.product(w, false, turned);
            graph.output("fed", y);
            // What the next tile's program reads is asked for in between.
            let (s, t) = (graph.state("s", [rows, columns]), graph.state("t", [rows, columns]));
            graph.output("streams", x.product(w, false, turned) * s + t);
            graph.output("panels", (x * 0.5).product(w, false, turned).tanh());
            graph.output("turned", (x * 0.5).product(y, true, false));
            let feed = Feed::new().input("x", patchy(rows, inner));
            let feed = feed.state("w", numbers(inner * columns, -1.0, 1.0, 2));
            let feed = feed.state("s", numbers(rows * columns, -1.0, 1.0, 5));
            let feed = feed.state("t", numbers(rows * columns, -1.0, 1.0, 6));
            let tolerance = roundings_of(80.0, (inner.max(rows) as f64).sqrt() * 20.0);
            check(&format!("{rows}×{inner}×{columns} {turned}"), &graph, &feed, tolerance);
        }
    }
}

/// Dense neighbours keep a row's zeros in the chain of sums; alone they are left out.
#[test]
fn zeros_left_out_change_no_bit() {
    // Products that round to −0 leave it, unless a zero is met later.
    let rows_of = |inner: usize| {
        let tiny = |values: Vec<f32>| values.iter().map(|value| value * 1e-30).collect();
        [patchy(1, inner), tiny(patchy(1, inner)), tiny(numbers(inner, 0.5, 1.0, 7))]
    };
    for level in Level::all_available() {
        for ((rows, inner, columns), row) in
            SIZES.into_iter().flat_map(|size| rows_of(size.1).map(|row| (size, row)))
        {
            let product = |company: usize| {
                let graph = Graph::new();
                let x = graph.input("x", [company + 1, inner]);
                let w = graph.state("w", [inner, columns]);
                graph.output("y", (x * 1.0).matmul(w));
                graph.output("fed", x.matmul(w));
                let mut values = row.clone();
                values.extend(numbers(company * inner, 0.5, 1.0, 5));
                let small = numbers(inner * columns, -1e-30, 2e-31, 2);
                let feed = Feed::new().input("x", values).state("w", small);
                let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
                left.outputs.iter().flat_map(|output| &output.1[..columns]).map(|y| y.to_bits()).collect()
            };
            let alone: Vec<u32> = product(0);
            for company in [1, 5, rows + 5] {
                let same: bool = product(company) == alone;
                assert!(same, "{inner}×{columns} with {company} others at {}", level.name());
            }
        }
    }
}

/// What zeros would be multiplied with is not touched: infinities there would give NaN.
#[test]
fn nothing_is_done_for_zeros() {
    let (inner, columns) = (900, 70);
    for level in Level::all_available() {
        // All rows hold something in every tenth column alone.
        let held = |at: usize| at.is_multiple_of(10);
        let w: Vec<f32> =
            (0..inner * columns).map(|at| if held(at / columns) { 1.0 } else { f32::INFINITY }).collect();
        for rows in [1, 6, 40] {
            let x: Vec<f32> = (0..rows * inner).map(|at| f32::from(u8::from(held(at % inner)))).collect();
            let graph = Graph::new();
            let (fed, weight) = (graph.input("x", [rows, inner]), graph.state("w", [inner, columns]));
            graph.output("fed", fed.matmul(weight));
            graph.output("panels", (fed * 1.0).matmul(weight));
            // A state is no data, so nobody marks it.
            graph.output("state", graph.state("s", [rows, inner]).matmul(weight));
            let turned = graph.state("t", [inner, rows]);
            graph.output("turned", turned.product(weight, true, false));
            let across: Vec<f32> = (0..rows * inner).map(|at| f32::from(u8::from(held(at / rows)))).collect();
            let feed = Feed::new().input("x", x.clone()).state("s", x).state("w", w.clone());
            let left = run(&graph, &feed.state("t", across), &pool(1), level, 1).unwrap();
            for (name, values) in &left.outputs {
                let right = values.iter().all(|value| *value == 90.0);
                assert!(right, "{name} of {rows} rows at {}: {:?}", level.name(), &values[..3]);
            }
        }
    }
}

/// Forms of convolutions: summed straight and in blocks, of one channel and of several panels, at strides; narrow and wide images, of whole
/// vectors of channels, to whole panels.
const FORMS: [([usize; 4], usize, [usize; 2]); 8] = [
    ([9, 8, 32, 3], 33, [2, 2]),
    ([7, 12, 70, 3], 64, [1, 1]),
    ([8, 9, 25, 3], 20, [1, 1]),
    ([9, 9, 1, 5], 8, [1, 1]),
    ([6, 7, 24, 2], 130, [1, 2]),
    ([9, 7, 32, 3], 64, [2, 2]),
    ([3, 40, 16, 3], 64, [1, 1]),
    ([5, 6, 64, 3], 128, [1, 1]),
];

/// An image with holes has the same bits among dense ones as alone, down and up: holes here and there, and such as are the same in almost
/// every pixel, so that windows are summed two by two.
#[test]
fn zeros_left_out_change_no_bit_of_a_convolution() {
    for level in Level::all_available() {
        for (([height, width, inputs, size], outputs, stride), alike) in
            FORMS.iter().flat_map(|form| [(*form, false), (*form, true)])
        {
            let form = Convolution { stride, before: [1; 2], after: [1; 2], ..Convolution::default() };
            let [h, w] = form.output([height, width], [size; 2]).unwrap();
            let (large, small) = (height * width * inputs, h * w * outputs);
            // Products that round to −0 leave it, unless a zero is met later.
            let holes = |count: usize, channels: usize, salt: u32| -> Vec<f32> {
                let (values, draws) = (numbers(count, -1.0, 1.0, salt), numbers(count, 0.0, 1.0, salt + 1));
                let holds = |at: usize| match alike {
                    true => (draws[at % channels] < 0.4) != (draws[at] < 0.03),
                    false => draws[at] < 0.3,
                };
                (0..count).map(|at| if holds(at) { 1e-30 * values[at] } else { 0.0 }).collect()
            };
            let results = |before: usize| {
                let count = before + 1;
                let graph = Graph::new();
                let x = graph.input("x", [count, height, width, inputs]);
                let g = graph.input("g", [count, h, w, outputs]);
                let kernel = graph.state("kernel", [size, size, inputs, outputs]);
                // Read where a step before has put them, too.
                graph.output("down", x.convolution(kernel, &form));
                graph.output("again", (x * 1.0).convolution(kernel, &form));
                let back = graph.state("back", [size, size, outputs, inputs]);
                graph.output("up", g.transposed_convolution(back, &form, [height, width]));
                let with = |count: usize, mut own: Vec<f32>| {
                    let mut values = numbers(before * count, 0.5, 1.0, 5);
                    values.append(&mut own);
                    values
                };
                let weights = size * size * inputs * outputs;
                let feed = Feed::new()
                    .input("x", with(large, holes(large, inputs, 3)))
                    .input("g", with(small, holes(small, outputs, 5)))
                    .state("kernel", numbers(weights, -1e-30, 2e-31, 1))
                    .state("back", numbers(weights, -1e-30, 2e-31, 2));
                let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
                let last = |at: usize, count: usize| -> Vec<u32> {
                    let values = &left.outputs[at].1;
                    values[values.len() - count..].iter().map(|value| value.to_bits()).collect()
                };
                [last(0, small), last(1, small), last(2, large)]
            };
            let alone = results(0);
            for before in [1, 3] {
                let same = results(before) == alone;
                assert!(
                    same,
                    "{height}×{width}×{inputs} to {outputs} behind {before}, alike {alike}, at {}",
                    level.name()
                );
            }
        }
    }
}

/// A kernel's gradient for some channels has the same bits whether the others hold nothing, little or much, and so whichever way it is
/// summed: from one end of the images' channels to the other of the gradient's.
#[test]
fn a_kernels_gradient_has_the_same_bits_whichever_way_it_is_summed() {
    for level in Level::all_available() {
        for (height, width, inputs, outputs) in [(9, 8, 16, 64), (5, 130, 24, 40), (7, 7, 5, 16)] {
            let places = 3 * height * width;
            let graph = Graph::new();
            let x = graph.input("x", [3, height, width, inputs]);
            let g = graph.input("g", [3, height, width, outputs]);
            let kernel = graph.state("kernel", [3, 3, inputs, outputs]);
            let form = Convolution { before: [1; 2], after: [1; 2], ..Convolution::default() };
            let y = (x.convolution(kernel, &form) * g).sum_all();
            graph.output("by kernel", graph.gradient(y, &[kernel]).unwrap()[0]);
            // The first four channels hold a third of their numbers, the others so much.
            let held = |channels: usize, others: f32, salt: u32| -> Vec<f32> {
                let values = numbers(places * channels, -1.0, 1.0, salt);
                let draws = numbers(places * channels, 0.0, 1.0, salt + 1);
                let share = |at: usize| if at % channels < 4 { 0.3 } else { others };
                (0..places * channels)
                    .map(|at| if draws[at] < share(at) { values[at] } else { 0.0 })
                    .collect()
            };
            let bits = |of_images: f32, of_gradients: f32| -> Vec<u32> {
                let feed = Feed::new().input("x", held(inputs, of_images, 3));
                let feed = feed.input("g", held(outputs, of_gradients, 5));
                let feed = feed.state("kernel", vec![0.0; 9 * inputs * outputs]);
                let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
                let own = |at: &usize| at % outputs < 4 && at / outputs % inputs < 4;
                let values = &left.outputs[0].1;
                (0..values.len()).filter(own).map(|at| values[at].to_bits()).collect()
            };
            let dense = bits(1.0, 1.0);
            for (of_images, of_gradients) in
                [(0.0, 1.0), (0.1, 1.0), (1.0, 0.0), (1.0, 0.1), (0.2, 0.2), (0.0, 0.0)]
            {
                let same = bits(of_images, of_gradients) == dense;
                assert!(
                    same,
                    "{height}×{width}×{inputs} to {outputs}, {of_images}, {of_gradients}, {}",
                    level.name()
                );
            }
        }
    }
}

/// What is not a number, or infinite, is nothing that could be left out, nor background.
#[test]
fn images_that_are_no_numbers_show() {
    for (odd, neighbours) in [(f32::NAN, 0.1), (f32::INFINITY, 0.1), (f32::NAN, 1.0), (f32::INFINITY, 1.0)] {
        let draws = numbers(2 * 7 * 6 * 32, 0.0, 1.0, 9);
        let values = numbers(2 * 7 * 6 * 32, 0.5, 1.0, 8);
        let mut images: Vec<f32> =
            (0..draws.len()).map(|at| if draws[at] < neighbours { values[at] } else { 0.0 }).collect();
        // The first pixel, which background is compared with, and one in the middle of the second image.
        let places = [0, (7 + 3) * 6 * 32 + 3 * 32 + 17];
        places.iter().for_each(|at| images[*at] = odd);
        let graph = Graph::new();
        let x = graph.input("x", [2, 7, 6, 32]);
        let y = x.convolution(graph.state("kernel", [3, 3, 32, 20]), &Convolution::default());
        graph.output("y", y);
        let kernel = numbers(9 * 32 * 20, 0.5, 1.0, 2);
        let feed = Feed::new().input("x", images).state("kernel", kernel);
        for level in Level::all_available() {
            let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
            for (at, value) in left.outputs[0].1.iter().enumerate() {
                let (place, image) = (at / 20 % 20, at / 400);
                let (line, column) = (place / 4, place % 4);
                let meets = match image {
                    0 => line == 0 && column == 0,
                    _ => (1..4).contains(&line) && (1..4).contains(&column),
                };
                assert_eq!(
                    !value.is_finite(),
                    meets,
                    "{odd} at {line}, {column} of {image}, {}",
                    level.name()
                );
            }
        }
    }
}

/// What zeros of images would be multiplied with is not touched, where neighbours hold something at other channels: infinities there
/// would give NaN.
#[test]
fn convolutions_do_nothing_for_zeros() {
    for level in Level::all_available() {
        for (inputs, outputs) in [(32, 64), (40, 30), (16, 128)] {
            let graph = Graph::new();
            let x = graph.input("x", [5, 9, 10, inputs]);
            let kernel = graph.state("kernel", [3, 3, inputs, outputs]);
            let y = x.convolution(kernel, &Convolution::default());
            graph.output("down", y);
            let up = x.transposed_convolution(kernel, &Convolution::default(), [11, 12]);
            graph.output("up", up);
            // The gradient by the kernel of places where the images hold nothing is infinite.
            let g = graph.input("g", [5, 7, 8, outputs]);
            graph.output("by kernel", graph.gradient((y * g).sum_all(), &[kernel]).unwrap()[0]);
            // Every pixel holds something in a few channels, which wander.
            let held = |at: usize| (at % inputs + at / inputs).is_multiple_of(8);
            let numbers: Vec<f32> = (0..450 * inputs).map(|at| f32::from(u8::from(held(at)))).collect();
            let empty = |at: usize| at % inputs % 4 == 3;
            let x: Vec<f32> = (0..450 * inputs).map(|at| if empty(at) { 0.0 } else { numbers[at] }).collect();
            let weights =
                (0..9 * inputs * outputs).map(|at| if empty(at / outputs) { f32::INFINITY } else { 1.0 });
            let gone = |at: usize| at / outputs / 8 % 7 == 3;
            let g = (0..280 * outputs).map(|at| if gone(at) { f32::INFINITY } else { 1.0 });
            // Lines of images that meet those places.
            let line = |at: usize| at / inputs / 10 % 9;
            let x = x.iter().enumerate().map(|(at, x)| if (3..6).contains(&line(at)) { 0.0 } else { *x });
            let feed = Feed::new().input("x", x).input("g", g).state("kernel", weights);
            let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
            for (name, values) in &left.outputs {
                let finite = values.iter().all(|value| value.is_finite());
                assert!(finite, "{name} from {inputs} to {outputs} at {}", level.name());
            }
        }
    }
}

/// NaN is something, wherever it stands.
#[test]
fn nan_is_not_left_out() {
    for at in [0, 5, 130, 899] {
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [6, 900]), graph.state("w", [900, 20]));
        graph.output("fed", x.matmul(w));
        graph.output("panels", (x * 1.0).matmul(w));
        let mut values = vec![0.0; 6 * 900];
        values[3 * 900 + at] = f32::NAN;
        let feed = Feed::new().input("x", values).state("w", numbers(900 * 20, -1.0, 1.0, 2));
        for level in Level::all_available() {
            let left = run(&graph, &feed, &pool(1), level, 1).unwrap();
            for (name, values) in &left.outputs {
                let rows = values.chunks(20).map(|row| row.iter().all(|value| value.is_nan()));
                let expected = (0..6).map(|row| row == 3);
                assert!(rows.eq(expected), "{name} at {}", level.name());
            }
        }
    }
}
