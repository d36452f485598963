//! Pooling behind a convolution and unpooling in front of one, while pixels are at hand: the values of the reference, and the bits of maps
//! that lie in memory.

mod executor_support;

use executor_support::{check, numbers, pool, roundings_of, run};
use narrows_engine::cpu::{Executable, Level};
use narrows_engine::random::Stream;
use narrows_engine::reference::Feed;
use narrows_engine::{Convolution, Graph, Pool, Tensor};

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
        // Its kernel's gradient is that by what unpooling spreads.
        let beside = graph.state("beside", [taps[0], taps[1], images[3], channels]);
        let heard = (x.convolution(beside, &form) * spread.stop_gradient()).sum_all();
        let loss = largest.square().sum_all() + (y * 0.25).square().sum_all() + heard;
        let by = [
            ("x", x),
            ("kernel", kernel),
            ("bias", bias),
            ("small", small),
            ("back", back),
            ("beside", beside),
        ];
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

    /// Quarters, of which sums are exact and some are equal.
    fn exact(&self) -> Feed {
        self.feed(|count, salt| {
            let quarter = |value: f32| if value > -1.0 { value.round() / 4.0 } else { 0.0 };
            numbers(count, -4.0, 4.0, salt).into_iter().map(quarter).collect()
        })
    }

    /// Numbers whose sums are rounded.
    fn rounded(&self) -> Feed {
        self.feed(|count, salt| numbers(count, -1.0, 1.0, salt))
    }

    fn feed(&self, some: impl Fn(usize, u32) -> Vec<f32>) -> Feed {
        let &Case { images, taps, form, size, channels } = self;
        let map = form.output([images[1], images[2]], taps).unwrap();
        let [rows, columns] = Pool::of(size).output(map).unwrap();
        let small = images[0] * rows * columns * channels;
        let area = size[0] * size[1];
        let kernel = taps[0] * taps[1] * images[3] * channels;
        Feed::new()
            .input("x", some(images.iter().product(), 1))
            .state("kernel", some(kernel, 2))
            .state("bias", some(channels, 3))
            .input("small", some(small, 4))
            .input("positions", numbers(small, 0.0, area as f32, 5).into_iter().map(f32::floor))
            .state("back", some(6 * channels * 20, 6))
            .state("beside", some(kernel, 7))
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
    // Lines of a kernel's gradient that no whole window covers: as many parts as lines, blocks of several lines.
    cases.push(Case { images: [1, 5, 512, 1], taps: [1, 1], form, size: [2, 2], channels: 16 });
    cases.push(Case { images: [6, 29, 29, 4], taps: [3, 3], form, size: [2, 2], channels: 17 });
    cases
}

#[test]
fn pooled_and_unpooled_at_hand_are_right() {
    let mut seen = 0;
    for case in cases() {
        let Some(graph) = case.graph(false) else { continue };
        let inner = case.taps[0] * case.taps[1] * case.images[3] + 6 * case.channels;
        check(&format!("{case:?}"), &graph, &case.exact(), roundings_of(80.0, inner as f64 * 200.0));
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
        // Windows of one pixel are a plain product, whose result lies in memory.
        let product = case.taps == [1; 2] && case.form == Convolution::default();
        assert_eq!(both, !long && !product, "{case:?}\n{shown}");
        let unfused = listing(&kept);
        assert!(
            !unfused.contains("the largest of") && unfused.matches("(unpooled by").count() <= 2,
            "{unfused}"
        );
        at_hand += usize::from(both);
        for level in Level::all_available() {
            let own = run(&graph, &case.rounded(), &pool(2), level, 1).unwrap().outputs;
            let other = run(&kept, &case.rounded(), &plain, level, 1).unwrap().outputs;
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
    let shown = Executable::new(&graph, &pool(1), Level::best()).unwrap().listing();
    assert!(shown.contains("the largest of") && shown.contains("(unpooled by"), "{shown}");
    for level in Level::all_available() {
        let bits = |threads: usize| run(&graph, &case.rounded(), &pool(threads), level, 1).unwrap().bits();
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
        graph.output("y", rows.matmul(graph.state("weight", [8 * channels, 133])));
        // Data, which is marked where it lies in panels; and the first rows of what has more.
        graph.output(
            "data",
            (x * 0.25).reshape([13, 15 * channels]).matmul(graph.state("wide", [15 * channels, 133])),
        );
        let pixels = map.reshape([13 * 8, channels]);
        graph.output(
            "first",
            pixels.slice(&[0, 0], &[70, channels]).matmul(graph.state("few", [channels, 9])),
        );
        let moved = (x * 0.5).reshape([13, 15 * channels]);
        graph.output("moved", moved);
        graph.output("back", (moved + 1.0).reshape([13, 5, 3, channels]));
        let feed = Feed::new()
            .input("x", numbers(13 * 15 * channels, -1.0, 1.0, 1))
            .state("kernel", numbers(4 * channels * channels, -1.0, 1.0, 2))
            .state("weight", numbers(8 * channels * 133, -1.0, 1.0, 3))
            .state("wide", numbers(15 * channels * 133, -1.0, 1.0, 4))
            .state("few", numbers(channels * 9, -1.0, 1.0, 5));
        let inner = (32 * channels * channels) as f64;
        let shown = Executable::new(&graph, &pool(1), Level::best()).unwrap().listing();
        assert_eq!(shown.contains("(pixels)"), [16, 48, 64].contains(&channels), "{shown}");
        check(&format!("{channels} channels"), &graph, &feed, roundings_of(20.0, inner));
    }
}

/// Pooling of pooling, unpooling of unpooling, pixels counted anew in between, a map that pooling's own program reads, a state that positions lie in.
#[test]
fn what_only_looks_like_pooling_at_hand_is_right() {
    let feed = Feed::new()
        .input("x", numbers(2 * 18 * 18 * 3, -1.0, 1.0, 1))
        .state("kernel", numbers(27 * 16, -1.0, 1.0, 2))
        .state("back", numbers(9 * 16 * 16, -1.0, 1.0, 3))
        .state("places", numbers(2 * 4 * 4 * 16, 0.0, 4.0, 4).into_iter().map(f32::floor));
    /// The convolution's result, what it is made with, and the next kernel.
    struct Parts<'g> {
        graph: &'g Graph,
        map: Tensor<'g>,
        kernel: Tensor<'g>,
        back: Tensor<'g>,
        places: Tensor<'g>,
    }
    fn learn<'g>(of: &Parts<'g>, form: &Convolution, spread: Tensor<'g>) {
        let y = spread.convolution(of.back, form);
        of.graph.output("y", y);
        let gradients = of.graph.gradient(y.square().sum_all(), &[of.kernel, of.back]).unwrap();
        of.graph.output("by kernel", gradients[0]);
        of.graph.output("by back", gradients[1]);
    }
    let plain = Convolution::default();
    type Build = fn(&Parts<'_>, &Convolution);
    let builds: [(&str, Build); 5] = [
        // The last windows reach beyond the map, where no pixel is, whatever a convolution would find there.
        ("beyond the map", |of, form| {
            let three = Pool { after: [2, 2], ..Pool::of([3, 3]) };
            let (largest, places) = of.map.max_pool_with_positions(&three);
            learn(of, form, largest.unpool(&three, places, [16, 16]));
        }),
        ("twice", |of, form| {
            let two = Pool::of([2, 2]);
            let (once, places) = of.map.max_pool_with_positions(&two);
            let (twice, above) = once.max_pool_with_positions(&two);
            let spread = twice.unpool(&two, above, [8, 8]).unpool(&two, places, [16, 16]);
            learn(of, form, spread);
        }),
        ("counted anew", |of, form| {
            let (two, other) = (Pool::of([2, 2]), of.map.reshape([2, 32, 8, 16]));
            let (largest, places) = other.max_pool_with_positions(&two);
            learn(of, form, largest.unpool(&two, places, [32, 8]).reshape([4, 8, 16, 16]));
        }),
        ("read again", |of, form| learn(of, form, of.map.max_pool(&Pool::of([1, 1])) + of.map)),
        ("positions of a state", |of, _| {
            let small = of.map.slice(&[0; 4], &[2, 4, 4, 16]);
            let spread = small.unpool(&Pool::of([2, 2]), of.places, [8, 8]);
            let form = Convolution { stride: [2, 2], before: [1, 1], ..Convolution::default() };
            let y = spread.convolution(of.back, &form);
            of.graph.output("y", y);
            of.graph.update(of.places, y);
        }),
    ];
    for (name, build) in builds {
        let graph = Graph::new();
        let x = graph.input("x", [2, 18, 18, 3]);
        let kernel = graph.state("kernel", [3, 3, 3, 16]);
        let back = graph.state("back", [3, 3, 16, 16]);
        let places = graph.state("places", [2, 4, 4, 16]);
        graph.output("places are there", places.sum_all());
        let map = x.convolution(kernel, &plain);
        build(&Parts { graph: &graph, map, kernel, back, places }, &plain);
        check(name, &graph, &feed, roundings_of(80.0, 4e4));
    }
}

/// A map that is pooled at hand takes no memory.
#[test]
fn maps_at_hand_take_no_room() {
    let room = |kept: bool| {
        let graph = Graph::new();
        let x = graph.input("x", [16, 30, 30, 1]);
        let map = x.convolution(graph.state("kernel", [3, 3, 1, 64]), &Convolution::default());
        graph.output("y", map.max_pool(&Pool::of([4, 4])));
        if kept {
            graph.output("map", map);
        }
        Executable::new(&graph, &pool(1), Level::best()).unwrap().bytes()
    };
    let map = 16 * 28 * 28 * 64 * size_of::<f32>();
    assert!(room(false) < map / 2 && room(true) > map, "{} {}", room(false), room(true));
}
