//! Pooling behind a convolution and unpooling in front of one, while pixels are at hand: the values of the reference, and the bits of maps
//! that lie in memory.

mod executor_support;

use executor_support::{check, numbers, pool, roundings_of, run};
use narrows_engine::cpu::{Executable, Level};
use narrows_engine::random::Stream;
use narrows_engine::reference::Feed;
use narrows_engine::{Convolution, Graph, Pool};

/// A convolution and pooling behind it, then unpooling and a convolution behind that.
#[derive(Clone, Copy, Debug)]
struct Case {
    images: [usize; 4],
    taps: [usize; 2],
    form: Convolution,
    size: [usize; 2],
    channels: usize,
}

impl Case {
    fn random(words: &mut Stream) -> Case {
        let mut draw = |from: usize, to: usize| from + (words.uniform() * (to + 1 - from) as f32) as usize;
        let taps = [draw(1, 4), draw(1, 4)];
        Case {
            images: [draw(1, 4), draw(4, 19), draw(4, 19), [1, 3, 16, 25][draw(0, 3)]],
            taps,
            form: Convolution {
                stride: [draw(1, 2), draw(1, 2)],
                dilation: [draw(1, 2), draw(1, 2)],
                before: [draw(0, taps[0]), draw(0, taps[1])],
                after: [draw(0, 1), draw(0, 2)],
                groups: 1,
            },
            size: [draw(1, 3), draw(1, 3)],
            channels: [2, 17, 25, 64, 70][draw(0, 4)],
        }
    }

    /// With `kept`, the maps leave the run, so they must lie in memory. Nothing if windows are larger than their map.
    fn graph(&self, kept: bool) -> Option<Graph> {
        let &Case { images, taps, form, size, channels } = self;
        let map = form.output([images[1], images[2]], taps)?;
        Pool::of(size).output(map)?;
        let graph = Graph::new();
        let x = graph.input("x", images);
        let kernel = graph.state("kernel", [taps[0], taps[1], images[3], channels]);
        let bias = graph.state("bias", [channels]);
        let sums = x.convolution(kernel, &form);
        let rectified = graph.constant(0.0).maximum(sums + bias);
        let largest = rectified.max_pool(&Pool::of(size));
        graph.output("largest", largest);
        let small = graph.input("small", largest.shape());
        let positions = graph.input("positions", largest.shape());
        let spread = small.unpool(&Pool::of(size), positions, map);
        let back = graph.state("back", [3, 2, channels, 20]);
        let around = Convolution { before: [1, 1], after: [1, 0], ..Convolution::default() };
        let y = spread.convolution(back, &around);
        graph.output("y", y);
        let loss = largest.square().sum_all() + (y * 0.25).square().sum_all();
        let by = [("x", x), ("kernel", kernel), ("bias", bias), ("small", small), ("back", back)];
        let gradients = graph.gradient(loss, &by.map(|(_, tensor)| tensor)).ok()?;
        for ((name, _), gradient) in by.iter().zip(gradients) {
            graph.output(&format!("by {name}"), gradient);
        }
        if kept {
            graph.output("sums", sums);
            graph.output("spread", spread);
        }
        Some(graph)
    }

    fn feed(&self) -> Feed {
        let &Case { images, taps, form, size, channels } = self;
        let map = form.output([images[1], images[2]], taps).unwrap();
        let [rows, columns] = Pool::of(size).output(map).unwrap();
        let small = images[0] * rows * columns * channels;
        // Sums of quarters are exact, and some of them equal.
        let quarters = |count: usize, salt: u32| {
            numbers(count, -4.0, 4.0, salt)
                .into_iter()
                .map(|value| value.round() / 4.0 * f32::from(u8::from(value > -1.0)))
                .collect::<Vec<f32>>()
        };
        let area = size[0] * size[1];
        Feed::new()
            .input("x", quarters(images.iter().product(), 1))
            .state("kernel", quarters(taps[0] * taps[1] * images[3] * channels, 2))
            .state("bias", quarters(channels, 3))
            .input("small", quarters(small, 4))
            .input("positions", numbers(small, 0.0, area as f32, 5).into_iter().map(f32::floor))
            .state("back", quarters(6 * channels * 20, 6))
    }
}

fn cases() -> Vec<Case> {
    let mut words = Stream::new(9, 0, 0);
    let mut cases: Vec<Case> = (0..40).map(|_| Case::random(&mut words)).collect();
    // Many units, and lines that are long.
    let form = Convolution::default();
    cases.push(Case { images: [40, 28, 28, 1], taps: [3, 3], form, size: [2, 2], channels: 25 });
    cases.push(Case { images: [2, 9, 400, 3], taps: [2, 3], form, size: [2, 2], channels: 64 });
    // A line of windows that is too long to be at hand at once.
    cases.push(Case { images: [1, 5, 600, 2], taps: [2, 2], form, size: [2, 3], channels: 33 });
    cases
}

#[test]
fn pooled_and_unpooled_at_hand_are_right() {
    let mut seen = 0;
    for case in cases() {
        let Some(graph) = case.graph(false) else { continue };
        let inner = case.taps[0] * case.taps[1] * case.images[3] + 6 * case.channels;
        check(&format!("{case:?}"), &graph, &case.feed(), roundings_of(80.0, inner as f64 * 200.0));
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn maps_that_never_lie_in_memory_have_the_bits_of_those_that_do() {
    let plain = pool(1);
    let level = Level::best();
    let mut at_hand = 0;
    for case in cases() {
        let (Some(graph), Some(kept)) = (case.graph(false), case.graph(true)) else { continue };
        let listing = |graph: &Graph| Executable::new(graph, &plain, level).unwrap().listing();
        let shown = listing(&graph);
        let both = shown.contains("the largest of") && shown.contains("(unpooled by");
        let long = case.size[0] * case.images[2] > 1100;
        assert_eq!(both, !long, "{case:?}\n{shown}");
        assert!(!listing(&kept).contains("the largest of"), "{case:?}");
        at_hand += usize::from(both);
        for level in Level::all_available() {
            let own = run(&graph, &case.feed(), &pool(2), level, 1).unwrap().outputs;
            let other = run(&kept, &case.feed(), &plain, level, 1).unwrap().outputs;
            for ((name, own), (_, other)) in own.iter().zip(&other) {
                let same = own.iter().zip(other).all(|(own, other)| own.to_bits() == other.to_bits());
                assert!(same, "{name} of {case:?} at {}", level.name());
            }
        }
    }
    assert!(at_hand > 30, "{at_hand}");
}

#[test]
fn threads_make_no_difference() {
    let case = Case {
        images: [9, 23, 19, 20],
        taps: [3, 3],
        form: Convolution { before: [1, 1], after: [1, 1], ..Convolution::default() },
        size: [2, 3],
        channels: 70,
    };
    let graph = case.graph(false).unwrap();
    for level in Level::all_available() {
        let bits = |threads: usize| run(&graph, &case.feed(), &pool(threads), level, 1).unwrap().bits();
        let alone = bits(1);
        assert!([2, 3, 7].into_iter().all(|threads| bits(threads) == alone), "{}", level.name());
    }
}

/// Pixels that rows are made of, read where they lie and moved, whether they lie with gaps or not.
#[test]
fn rows_are_made_of_pixels() {
    for channels in [1, 2, 16, 25, 48, 64, 70] {
        let graph = Graph::new();
        let x = graph.input("x", [13, 3, 5, channels]);
        let kernel = graph.state("kernel", [2, 2, channels, channels]);
        let map = x.convolution(kernel, &Convolution::default());
        let rows = map.reshape([13, 8 * channels]);
        graph.output("y", rows.matmul(graph.state("weight", [8 * channels, 33])));
        let moved = (x * 0.5).reshape([13, 15 * channels]);
        graph.output("moved", moved);
        graph.output("back", (moved + 1.0).reshape([13, 5, 3, channels]));
        let feed = Feed::new()
            .input("x", numbers(13 * 15 * channels, -1.0, 1.0, 1))
            .state("kernel", numbers(4 * channels * channels, -1.0, 1.0, 2))
            .state("weight", numbers(8 * channels * 33, -1.0, 1.0, 3));
        let inner = (32 * channels * channels) as f64;
        check(&format!("{channels} channels"), &graph, &feed, roundings_of(20.0, inner));
    }
}
