//! Convolutions: every level against the reference over random sizes, the gradients included, and the values that the lectures and the
//! literature print.

mod executor_support;

use executor_support::{EXACT, check, numbers, pool, refusal, roundings_of, run};
use narrows_engine::cpu::{Executable, Level};
use narrows_engine::random::Stream;
use narrows_engine::reference::{Feed, evaluate};
use narrows_engine::{Convolution, Graph, Tensor};

/// A convolution of some sizes.
#[derive(Debug)]
struct Case {
    images: [usize; 4],
    kernel: [usize; 4],
    form: Convolution,
}

impl Case {
    /// A random one; the kernel fits.
    fn random(words: &mut Stream) -> Case {
        let mut draw = |from: usize, to: usize| from + (words.uniform() * (to + 1 - from) as f32) as usize;
        loop {
            let groups = [1, 1, 1, 2, 3, 9][draw(0, 5)];
            let (inner, outer) = (groups * draw(1, 17), groups * draw(1, 17));
            let images = [draw(1, 3), draw(1, 17), draw(1, 17), inner];
            let kernel = [draw(1, 5), draw(1, 5), inner / groups, outer];
            let form = Convolution {
                stride: [draw(1, 3), draw(1, 3)],
                dilation: [draw(1, 3), draw(1, 3)],
                before: [draw(0, 3), draw(0, 3)],
                after: [draw(0, 3), draw(0, 3)],
                groups,
            };
            let case = Case { images, kernel, form };
            if case.output().is_some() {
                return case;
            }
        }
    }

    fn output(&self) -> Option<[usize; 2]> {
        self.form.output([self.images[1], self.images[2]], [self.kernel[0], self.kernel[1]])
    }

    /// The small image's sizes.
    fn result(&self) -> [usize; 4] {
        let [height, width] = self.output().unwrap();
        [self.images[0], height, width, self.kernel[3]]
    }

    /// Down and up again, with first and second derivatives by everything; of images full of zeros, too.
    fn compare(&self) {
        self.compare_with(1.0);
        self.compare_with(0.2);
    }

    /// The same for images of which so much is not zero.
    fn compare_with(&self, held: f32) {
        let graph = Graph::new();
        let x = graph.input("x", self.images);
        let small = graph.input("small", self.result());
        let kernel = graph.state("kernel", self.kernel);
        let [k, l, inner, outer] = self.kernel;
        let groups = self.form.groups;
        let back = graph.state("back", [k, l, outer / groups, inner * groups]);
        let y = x.convolution(kernel, &self.form);
        let up = small.transposed_convolution(back, &self.form, [self.images[1], self.images[2]]);
        let biased = y + graph.table([outer], &vec![0.5; outer]);
        graph.output("y", y);
        graph.output("biased", biased.sigmoid());
        graph.output("up", up);
        // Linear in everything, so that sizes of results stay known.
        let loss = (y * small + y * small.stop_gradient()).sum_all() + (up * x).sum_all();
        let of = [x, small, kernel, back];
        let names = ["x", "small", "kernel", "back"];
        let first = graph.gradient(loss, &of).unwrap();
        for (name, gradient) in names.iter().zip(&first) {
            graph.output(&format!("by {name}"), *gradient);
        }
        let turned = first.iter().zip([small.sum_all(), x.sum_all(), back.sum_all(), kernel.sum_all()]);
        let second = turned
            .map(|(gradient, other)| (*gradient * other.stop_gradient()).sum_all())
            .reduce(|a, b| a + b);
        for (name, gradient) in names.iter().zip(graph.gradient(second.unwrap() * 0.01, &of).unwrap()) {
            graph.output(&format!("again by {name}"), gradient);
        }
        let [k, l, inner, outer] = self.kernel;
        let places: usize = self.images[..3].iter().product();
        let size = (k * l * inner.max(outer) * groups + places) as f64;
        check(&format!("{self:?} with {held}"), &graph, &self.feed(held), roundings_of(4.0, size));
    }

    fn feed(&self, held: f32) -> Feed {
        let count = |sizes: [usize; 4]| sizes.iter().product();
        let [k, l, inner, outer] = self.kernel;
        Feed::new()
            .input("x", with_holes(count(self.images), held, 1))
            .input("small", with_holes(count(self.result()), held, 2))
            .state("kernel", numbers(count(self.kernel), -1.0, 1.0, 3))
            .state("back", numbers(k * l * inner * outer, -1.0, 1.0, 4))
    }

    fn kernel_feed(&self) -> Feed {
        let count = |sizes: [usize; 4]| sizes.iter().product();
        Feed::new()
            .input("x", numbers(count(self.images), -1.0, 1.0, 1))
            .state("kernel", numbers(count(self.kernel), -1.0, 1.0, 3))
    }
}

/// Numbers of which so much is not zero, here more and there less.
fn with_holes(count: usize, held: f32, salt: u32) -> Vec<f32> {
    let (values, draws) = (numbers(count, -1.0, 1.0, salt), numbers(count, 0.0, 1.0, salt + 10));
    let holds = |at: usize| draws[at] * draws[at / 300] <= held * held;
    (0..count).map(|at| if holds(at) { values[at] } else { 0.0 }).collect()
}

#[test]
fn random_sizes() {
    let mut words = Stream::new(5, 0, 0);
    for _ in 0..60 {
        Case::random(&mut words).compare();
    }
}

/// More channels than a panel, inner dimensions of several blocks, more places than a unit, images of which a unit holds many.
#[test]
fn large_sizes() {
    let form = Convolution { before: [1; 2], after: [1; 2], ..Convolution::default() };
    for (images, kernel, stride) in [
        ([2, 9, 7, 70], [3, 3, 70, 130], [1, 1]),
        ([40, 3, 2, 5], [3, 2, 5, 4], [1, 1]),
        ([3, 31, 33, 3], [5, 4, 3, 20], [2, 3]),
        ([2, 40, 40, 1], [3, 3, 1, 1], [1, 1]),
        ([2, 4, 4, 1], [1, 1, 1, 1], [1, 1]),
        ([1, 6, 5, 200], [1, 1, 200, 66], [2, 1]),
        ([2, 21, 35, 32], [3, 3, 32, 64], [2, 2]),
        ([3, 11, 11, 25], [3, 3, 25, 50], [1, 1]),
    ] {
        Case { images, kernel, form: Convolution { stride, ..form } }.compare();
    }
}

/// Bands as wide as the kernel, or with nothing in them, more rows of a kernel than a block has segments, and lines of several blocks.
#[test]
fn unusual_sizes() {
    let around = Convolution { before: [1; 2], after: [1; 2], ..Convolution::default() };
    let plain = Convolution::default();
    for (images, kernel, form) in [
        ([2, 1, 1, 16], [3, 3, 16, 8], around),
        ([3, 5, 5, 16], [5, 5, 16, 120], plain),
        ([2, 9, 1, 40], [3, 1, 40, 20], plain),
        ([2, 4, 5, 40], [2, 3, 40, 8], Convolution { dilation: [1, 2], ..plain }),
        ([2, 3, 1, 33], [1, 1, 33, 34], Convolution { stride: [2, 2], before: [1; 2], ..plain }),
        ([2, 3, 2, 40], [1, 1, 40, 33], Convolution { stride: [3, 3], before: [1; 2], ..plain }),
        ([1, 70, 1, 1], [65, 3, 1, 8], Convolution { before: [0, 1], after: [0, 1], ..plain }),
        ([1, 3, 200, 8], [3, 3, 8, 20], around),
        ([1, 4, 4, 260], [2, 2, 260, 40], plain),
        // Read in place, up and down: with zeros around, cropped, behind a wide border.
        ([2, 8, 8, 20], [4, 4, 20, 32], Convolution { stride: [2, 2], ..around }),
        ([2, 5, 5, 20], [1, 1, 20, 32], Convolution { stride: [2, 2], before: [1; 2], ..plain }),
        ([2, 5, 4, 48], [2, 2, 48, 16], Convolution { before: [6, 5], after: [4, 7], ..plain }),
        ([2, 9, 11, 16], [5, 5, 16, 32], Convolution { stride: [2, 3], dilation: [1, 3], ..around }),
    ] {
        Case { images, kernel, form }.compare();
    }
}

fn only<'g>(graph: &'g Graph, y: Tensor<'g>) {
    graph.output("y", y);
}

fn exactly(graph: &Graph, expected: &[f64]) {
    check("printed values", graph, &Feed::new(), EXACT);
    assert_eq!(evaluate(graph, &Feed::new()).unwrap().outputs["y"], expected);
}

/// Each group's result is that of a convolution of its channels alone: groups that are bundled, the last bundle not full, and wide ones.
#[test]
fn groups_hear_their_own_channels_alone() {
    for (groups, inputs, outputs) in [(45, 2, 3), (70, 1, 1), (3, 16, 5), (2, 17, 20)] {
        let graph = Graph::new();
        let form = Convolution { before: [1; 2], stride: [1, 2], groups, ..Convolution::default() };
        let case =
            Case { images: [2, 4, 5, groups * inputs], kernel: [3, 2, inputs, groups * outputs], form };
        let (x, kernel) = (graph.input("x", case.images), graph.state("kernel", case.kernel));
        let alone = |group: usize| {
            let image = x.slice(&[0, 0, 0, group * inputs], &[2, 4, 5, inputs]);
            let weights = kernel.slice(&[0, 0, 0, group * outputs], &[3, 2, inputs, outputs]);
            image.convolution(weights, &Convolution { groups: 1, ..form })
        };
        let parts: Vec<_> = (0..groups).map(alone).collect();
        graph.output("apart", parts[0].concatenate(&parts[1..], 3));
        graph.output("together", x.convolution(kernel, &form));
        let outputs = evaluate(&graph, &case.kernel_feed()).unwrap().outputs;
        let largest = outputs["apart"].iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let pairs = outputs["apart"].iter().zip(&outputs["together"]);
        assert!(largest > 1.0 && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-12), "{groups} groups");
    }
}

/// A depthwise convolution's plan grows with its channels, not with their square.
#[test]
fn plans_of_many_groups_are_short() {
    let steps = |channels: usize| {
        let graph = Graph::new();
        let form = Convolution { before: [1; 2], after: [1; 2], groups: channels, ..Convolution::default() };
        let (x, kernel) = (graph.input("x", [2, 6, 6, channels]), graph.state("kernel", [3, 3, 1, channels]));
        let loss = x.convolution(kernel, &form).square().sum_all();
        graph.output("by", graph.gradient(loss, &[kernel]).unwrap()[0]);
        Executable::new(&graph, &pool(1), Level::Plain).unwrap().steps().len()
    };
    let (few, many) = (steps(64), steps(256));
    assert!(few <= 6 && many <= 7 * few, "{few} and {many}");
}

/// The same bits at any number of threads.
#[test]
fn threads_make_no_difference() {
    let graph = Graph::new();
    let case = Case {
        images: [9, 23, 19, 5],
        kernel: [3, 3, 5, 70],
        form: Convolution { stride: [2, 1], before: [1; 2], after: [0, 1], ..Convolution::default() },
    };
    let (x, kernel) = (graph.input("x", case.images), graph.state("kernel", case.kernel));
    let loss = x.convolution(kernel, &case.form).tanh().square().sum_all();
    for (name, gradient) in ["x", "kernel"].iter().zip(graph.gradient(loss, &[x, kernel]).unwrap()) {
        graph.output(name, gradient);
    }
    for level in Level::all_available() {
        let bits =
            |threads: usize| run(&graph, &case.kernel_feed(), &pool(threads), level, 1).unwrap().bits();
        let alone = bits(1);
        assert!([2, 3, 7].into_iter().all(|threads| bits(threads) == alone), "{}", level.name());
    }
}

/// An image's result has the same bits whatever stands beside it in the batch: summed across and along channels, in one block and in several,
/// straight and by places, of narrow and wide images, one channel and several panels of them.
#[test]
fn images_do_not_depend_on_their_company() {
    let around = Convolution { before: [1; 2], after: [1; 2], ..Convolution::default() };
    for (sizes, outputs, form) in [
        ([11, 9, 30], 33, Convolution { stride: [2, 2], ..around }),
        ([9, 8, 12], 3, around),
        ([9, 8, 1], 1, around),
        ([10, 11, 1], 25, Convolution::default()),
        ([7, 6, 70], 130, around),
        ([5, 40, 4], 5, around),
        ([6, 6, 4], 6, Convolution { groups: 2, ..around }),
    ] {
        let [height, width, inputs] = sizes;
        let groups = form.groups;
        let build = |count: usize| {
            let graph = Graph::new();
            let x = graph.input("x", [count, height, width, inputs]);
            let y = x.convolution(graph.state("kernel", [3, 3, inputs / groups, outputs]), &form);
            let back = graph.state("back", [3, 3, outputs / groups, inputs]);
            graph.output("y", y.transposed_convolution(back, &form, [height, width]));
            graph
        };
        let each = height * width * inputs;
        let values = numbers(7 * each, -1.0, 1.0, 1);
        let feed = |values: &[f32]| {
            let weights = 9 * inputs * outputs / groups;
            Feed::new()
                .input("x", values.iter().copied())
                .state("kernel", numbers(weights, -1.0, 1.0, 2))
                .state("back", numbers(weights, -1.0, 1.0, 3))
        };
        for level in Level::all_available() {
            let together = run(&build(7), &feed(&values), &pool(2), level, 1).unwrap().outputs[0].1.clone();
            let alone = build(1);
            for image in 0..7 {
                let own = &values[image * each..(image + 1) * each];
                let found = run(&alone, &feed(own), &pool(1), level, 1).unwrap().outputs[0].1.clone();
                let expected = &together[image * each..(image + 1) * each];
                assert_eq!(found, expected, "{sizes:?} to {outputs} at {}", level.name());
            }
        }
    }
}

/// The 6×6 image and the two filters of the lectures' example.
mod lecture {
    use super::*;

    const IMAGE: [f32; 36] = [
        1.0, 0.0, 0.0, 0.0, 0.0, 1.0, //
        0.0, 1.0, 0.0, 0.0, 1.0, 0.0, //
        0.0, 0.0, 1.0, 1.0, 0.0, 0.0, //
        1.0, 0.0, 0.0, 0.0, 1.0, 0.0, //
        0.0, 1.0, 0.0, 0.0, 1.0, 0.0, //
        0.0, 0.0, 1.0, 0.0, 1.0, 0.0,
    ];
    /// Both filters, the last axis telling them apart.
    const FILTERS: [[f32; 9]; 2] = [
        [1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0],
        [-1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0],
    ];

    fn convolved(form: &Convolution) -> Vec<Vec<f64>> {
        let graph = Graph::new();
        let kernel: Vec<f32> = (0..18).map(|at| FILTERS[at % 2][at / 2]).collect();
        let x = graph.table([1, 6, 6, 1], &IMAGE);
        only(&graph, x.convolution(graph.table([3, 3, 1, 2], &kernel), form));
        check("the lectures' example", &graph, &Feed::new(), EXACT);
        let both = evaluate(&graph, &Feed::new()).unwrap().outputs["y"].clone();
        (0..2).map(|filter| both.iter().copied().skip(filter).step_by(2).collect()).collect()
    }

    #[test]
    fn at_stride_1() {
        let maps = convolved(&Convolution::default());
        let first = [3., -1., -3., -1., -3., 1., 0., -3., -3., -3., 0., 1., 3., -2., -2., -1.];
        let second = [-1., -1., -1., -1., -1., -1., -2., 1., -1., -1., -2., 1., -1., 0., -4., 3.];
        assert_eq!(maps, [first, second]);
    }

    #[test]
    fn at_stride_2() {
        let maps = convolved(&Convolution { stride: [2, 2], ..Convolution::default() });
        assert_eq!(maps[0], [3., -3., -3., 0.]);
    }

    #[test]
    fn with_zeros_around() {
        let form = Convolution::default().same([6, 6], [3, 3]);
        assert_eq!((form.before, form.after), ([1, 1], [1, 1]));
        assert!(convolved(&form).iter().all(|map| map.len() == 36));
        assert_eq!(convolved(&form)[0][7], 3.0, "the inside is the same");
    }
}

/// Figure 2.1 of Dumoulin and Visin's guide: a 3×3 kernel over a 4×4 image, no zeros, stride 1.
#[test]
fn the_guides_first_figure() {
    let graph = Graph::new();
    let image: Vec<f32> = (0..16).map(|at| at as f32).collect();
    let x = graph.table([1, 4, 4, 1], &image);
    only(
        &graph,
        x.convolution(
            graph.table([3, 3, 1, 1], &[0., 1., 2., 2., 2., 0., 0., 1., 2.]),
            &Convolution::default(),
        ),
    );
    // By hand: rows of windows that begin at 0, 1, 4, 5; the kernel sums to 10, its own mean position weighs the rest.
    let by_hand = |at: f64| {
        (0..9).map(|k| [0., 1., 2., 2., 2., 0., 0., 1., 2.][k] * (at + (k / 3 * 4 + k % 3) as f64)).sum()
    };
    exactly(&graph, &[by_hand(0.0), by_hand(1.0), by_hand(4.0), by_hand(5.0)]);
}

/// Figure 4.5 of the guide: the transpose of a 3×3 kernel over a 5×5 image at stride 2 takes 2×2 to 5×5, as a convolution of the image
/// with zeros put between its pixels.
#[test]
fn the_guides_figure_of_a_transposed_convolution() {
    let graph = Graph::new();
    let (x, kernel) = (graph.table([1, 2, 2, 1], &[1., 2., 3., 4.]), [1., 2., 3., 4., 5., 6., 7., 8., 9.]);
    let form = Convolution { stride: [2, 2], ..Convolution::default() };
    let up = x.transposed_convolution(graph.table([3, 3, 1, 1], &kernel), &form, [5, 5]);
    let turned: Vec<f32> = kernel.iter().rev().copied().collect();
    let apart = graph.table([1, 3, 3, 1], &[1., 0., 2., 0., 0., 0., 3., 0., 4.]);
    let padded = Convolution { before: [2; 2], after: [2; 2], ..Convolution::default() };
    only(&graph, up - apart.convolution(graph.table([3, 3, 1, 1], &turned), &padded));
    assert_eq!(up.shape().sizes(), [1, 5, 5, 1]);
    exactly(&graph, &[0.0; 25]);
}

/// "Deconvolution is padded convolution with the filter flipped."
#[test]
fn a_transposed_convolution_is_a_padded_one_with_the_filter_flipped() {
    let graph = Graph::new();
    let x = graph.input("x", [2, 6, 5, 3]);
    let kernel = graph.state("kernel", [3, 3, 3, 4]);
    let flipped = graph.state("flipped", [3, 3, 3, 4]);
    let up = x.transposed_convolution(kernel, &Convolution::default(), [8, 7]);
    let padded = Convolution { before: [2; 2], after: [2; 2], ..Convolution::default() };
    graph.output("difference", up - x.convolution(flipped, &padded));
    let weights = numbers(108, -1.0, 1.0, 2);
    let turned: Vec<f32> = (0..108).map(|at| weights[(8 - at / 12) * 12 + at % 12]).collect();
    let feed =
        Feed::new().input("x", numbers(180, -1.0, 1.0, 1)).state("kernel", weights).state("flipped", turned);
    check("flipped", &graph, &feed, roundings_of(4.0, 27.0));
    assert!(evaluate(&graph, &feed).unwrap().outputs["difference"].iter().all(|value| value.abs() < 1e-12));
}

#[test]
fn what_does_not_fit_is_refused() {
    let form = Convolution::default();
    let large = refusal(&|graph| {
        graph.state("x", [1, 4, 9, 1]).convolution(graph.state("k", [5, 3, 1, 2]), &form);
    });
    assert!(large.contains("5×3") && large.contains("1×4×9×1"), "{large}");
    let grouped = refusal(&|graph| {
        let form = Convolution { groups: 2, ..form };
        graph.state("x", [1, 4, 4, 3]).convolution(graph.state("k", [1, 1, 1, 2]), &form);
    });
    assert!(grouped.contains("2 groups"), "{grouped}");
    let channels = refusal(&|graph| {
        graph.state("x", [1, 4, 4, 3]).convolution(graph.state("k", [1, 1, 2, 2]), &form);
    });
    assert!(channels.contains("1×4×4×3") && channels.contains("1×1×2×2"), "{channels}");
    let still = refusal(&|graph| {
        let form = Convolution { stride: [0, 1], ..form };
        graph.state("x", [1, 4, 4, 3]).convolution(graph.state("k", [1, 1, 3, 2]), &form);
    });
    assert!(still.contains("stride"), "{still}");
    let size = refusal(&|graph| {
        let form = Convolution { stride: [2, 2], ..form };
        graph.state("x", [1, 2, 2, 1]).transposed_convolution(graph.state("k", [3, 3, 1, 1]), &form, [8, 5]);
    });
    assert!(size.contains("8×5"), "{size}");
}
