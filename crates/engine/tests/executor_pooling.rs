//! Pooling and unpooling: every level against the reference over random sizes, and the lectures' values.

mod executor_support;

use executor_support::{EXACT, check, numbers, pool, refusal, roundings_of, run};
use narrows_engine::cpu::Level;
use narrows_engine::random::Stream;
use narrows_engine::reference::{Feed, evaluate};
use narrows_engine::{Graph, Pool};

/// All ways, and derivatives by everything.
fn compare(images: [usize; 4], pool: &Pool) {
    let Some(size) = pool.output([images[1], images[2]]) else { return };
    let small_shape = [images[0], size[0], size[1], images[3]];
    let large = [images[1], images[2]];
    let graph = Graph::new();
    let x = graph.input("x", images);
    let small = graph.input("small", small_shape);
    let positions = x.pool_positions(pool);
    let outputs = [
        ("positions", positions),
        ("largest", x.max_pool(pool)),
        ("sum", x.pool_sum(pool)),
        ("put", small.unpool(pool, positions, large)),
        ("repeat", small.pool_repeat(pool, large)),
    ];
    let mut loss = graph.constant(0.0);
    for (name, output) in outputs {
        graph.output(name, output);
        let other = if output.shape() == small.shape() { small } else { x };
        loss = loss + (output * other.stop_gradient()).sum_all();
    }
    for (name, gradient) in ["by x", "by small"].iter().zip(graph.gradient(loss, &[x, small]).unwrap()) {
        graph.output(name, gradient);
    }
    // Few different numbers, so that some are equal.
    let some = |count: usize, salt: u32| {
        numbers(count, -4.0, 4.0, salt).into_iter().map(|value| value.round() / 4.0).collect::<Vec<f32>>()
    };
    let feed = Feed::new()
        .input("x", some(images.iter().product(), 1))
        .input("small", some(small_shape.iter().product(), 2));
    check(&format!("{images:?} {pool:?}"), &graph, &feed, roundings_of(4.0, 100.0));
}

#[test]
fn random_sizes() {
    let mut words = Stream::new(6, 0, 0);
    let mut draw = |from: usize, to: usize| from + (words.uniform() * (to + 1 - from) as f32) as usize;
    for _ in 0..150 {
        let images = [draw(1, 3), draw(1, 17), draw(1, 17), draw(1, 20)];
        let mut two = |from: usize, to: usize| [draw(from, to), draw(from, to)];
        let (size, stride, wanted) = (two(1, 4), two(1, 4), [two(0, 4), two(0, 2)]);
        // A window sees at least a pixel.
        let [before, after] = wanted.map(|around| [0, 1].map(|axis| around[axis].min(size[axis] - 1)));
        compare(images, &Pool { size, stride, before, after });
    }
    compare([2, 9, 11, 130], &Pool::of([2, 2]));
    compare([70, 6, 6, 64], &Pool::of([3, 2]));
}

/// The lectures' maps at stride 1, 4×4 each, become 2×2.
#[test]
fn the_lectures_maps() {
    let first = [3., -1., -3., -1., -3., 1., 0., -3., -3., -3., 0., 1., 3., -2., -2., -1.];
    let second = [-1., -1., -1., -1., -1., -1., -2., 1., -1., -1., -2., 1., -1., 0., -4., 3.];
    let graph = Graph::new();
    let both: Vec<f32> = (0..32).map(|at| if at % 2 == 0 { first[at / 2] } else { second[at / 2] }).collect();
    let maps = graph.table([1, 4, 4, 2], &both);
    let pool = Pool::of([2, 2]);
    let positions = maps.pool_positions(&pool);
    let pooled = maps.max_pool(&pool);
    graph.output("y", pooled);
    graph.output("back", pooled.unpool(&pool, positions, [4, 4]));
    check("the lectures' maps", &graph, &Feed::new(), EXACT);
    let found = evaluate(&graph, &Feed::new()).unwrap().outputs;
    let map =
        |name: &str, number: usize| found[name].iter().copied().skip(number).step_by(2).collect::<Vec<_>>();
    assert_eq!(map("y", 0), [3., 0., 3., 1.]);
    assert_eq!(map("y", 1), [-1., 1., 0., 3.]);
    assert_eq!(map("back", 0), [3., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 3., 0., 0., 0.]);
}

/// A bias and a rectifier in front of pooling are put behind it: the same values, and the same derivatives where these exist.
#[test]
fn biases_and_rectifiers_wait_for_pooling() {
    let pool_of = Pool { size: [3, 2], stride: [2, 2], before: [1, 0], after: [0, 0] };
    let graph = Graph::new();
    let (x, bias) = (graph.input("x", [2, 7, 9, 20]), graph.input("bias", [20]));
    let least = graph.constant(0.25);
    let before = least.maximum(x + bias).max_pool(&pool_of);
    let behind = least.maximum(x.max_pool(&pool_of) + bias);
    // One and the same node, so what is tested here is what is run.
    assert_eq!(before.id(), behind.id());
    let rectified = least.maximum(x + bias);
    let positions = rectified.pool_positions(&pool_of);
    graph.output("y", before);
    graph.output("expected", rectified.pool_pick(&pool_of, positions));
    for (name, y) in [("by x", before), ("expected by x", rectified.pool_pick(&pool_of, positions))] {
        let gradients = graph.gradient(y.square().sum_all(), &[x, bias]).unwrap();
        graph.output(name, gradients[0]);
        graph.output(&format!("{name} and bias"), gradients[1]);
    }
    let feed = Feed::new()
        .input("x", numbers(2 * 7 * 9 * 20, -1.0, 1.0, 1))
        .input("bias", numbers(20, -0.5, 0.5, 2));
    check("rectified", &graph, &feed, roundings_of(4.0, 30.0));
    let found = evaluate(&graph, &feed).unwrap().outputs;
    assert_eq!(found["y"], found["expected"]);
    assert_eq!(found["by x"], found["expected by x"]);
    assert!(
        found["by x and bias"]
            .iter()
            .zip(&found["expected by x and bias"])
            .all(|(a, b)| (a - b).abs() < 1e-9)
    );
    assert!(found["y"].contains(&0.25) && found["y"].iter().any(|value| *value > 0.9));
}

/// Positions of rectified pixels are those of what is pooled, the first in the image where all of a window are equal, and not of what was before.
#[test]
fn positions_are_those_of_rectified_pixels() {
    for (before, stride) in [([0, 0], [3, 2]), ([1, 1], [2, 2]), ([2, 0], [1, 1])] {
        let pool_of = Pool { size: [3, 2], stride, before, after: [0, 0] };
        let graph = Graph::new();
        let (x, bias) = (graph.input("x", [2, 6, 7, 18]), graph.input("bias", [18]));
        let rectified = graph.constant(0.0).maximum(x + bias);
        let (largest, positions) = rectified.max_pool_with_positions(&pool_of);
        graph.output("positions", positions);
        graph.output("expected", rectified.pool_positions(&pool_of));
        graph.output("back", largest.unpool(&pool_of, positions, [6, 7]));
        let feed = Feed::new()
            .input("x", numbers(2 * 6 * 7 * 18, -1.5, 0.5, 1))
            .input("bias", numbers(18, -0.25, 0.25, 2));
        check(&format!("{pool_of:?}"), &graph, &feed, roundings_of(4.0, 30.0));
        let found = evaluate(&graph, &feed).unwrap().outputs;
        assert_eq!(found["positions"], found["expected"], "{pool_of:?}");
    }
}

/// A number that is none stays one: it is not lost beside larger ones.
#[test]
fn not_a_number_is_the_largest() {
    let graph = Graph::new();
    let x = graph.input("x", [1, 2, 4, 16]);
    graph.output("y", x.max_pool(&Pool::of([2, 2])));
    let mut values = numbers(128, -1.0, 1.0, 1);
    values[3] = f32::NAN;
    values[64 + 35] = f32::NAN;
    let feed = Feed::new().input("x", values);
    for level in Level::all_available() {
        let found = run(&graph, &feed, &pool(1), level, 1).unwrap().outputs[0].1.clone();
        let lost: Vec<usize> = (0..32).filter(|at| found[*at].is_nan()).collect();
        assert_eq!(lost, [3, 19], "{}", level.name());
    }
}

#[test]
fn threads_make_no_difference() {
    let graph = Graph::new();
    let x = graph.input("x", [9, 23, 19, 70]);
    let pool_of = Pool { size: [3, 3], stride: [2, 2], before: [1, 1], after: [1, 0] };
    let loss = (x.max_pool(&pool_of) * x.pool_sum(&pool_of)).sum_all();
    graph.output("by x", graph.gradient(loss, &[x]).unwrap()[0]);
    let feed = Feed::new().input("x", numbers(9 * 23 * 19 * 70, -1.0, 1.0, 1));
    for level in Level::all_available() {
        let bits = |threads: usize| run(&graph, &feed, &pool(threads), level, 1).unwrap().bits();
        let alone = bits(1);
        assert!([2, 3, 7].into_iter().all(|threads| bits(threads) == alone), "{}", level.name());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let pool = Pool::of([3, 2]);
    let large = refusal(&|graph| {
        graph.state("x", [1, 2, 9, 1]).max_pool(&pool);
    });
    assert!(large.contains("3×2") && large.contains("1×2×9×1"), "{large}");
    let size = refusal(&|graph| {
        graph.state("x", [1, 2, 2, 1]).pool_repeat(&pool, [9, 4]);
    });
    assert!(size.contains("9×4"), "{size}");
    let positions = refusal(&|graph| {
        let x = graph.state("x", [1, 2, 2, 1]);
        x.unpool(&pool, graph.state("positions", [1, 2, 3, 1]), [6, 4]);
    });
    assert!(positions.contains("1×2×3×1"), "{positions}");
    let still = refusal(&|graph| {
        graph.state("x", [1, 2, 2, 1]).pool_sum(&Pool { stride: [0, 1], ..pool });
    });
    assert!(still.contains("stride"), "{still}");
    let blind = refusal(&|graph| {
        graph.state("x", [1, 2, 2, 1]).max_pool(&Pool { before: [3, 0], ..pool });
    });
    assert!(blind.contains("larger than the zeros"), "{blind}");
}

/// A state that becomes its own pooling is read everywhere before it is written.
#[test]
fn a_state_may_become_its_own_pooling() {
    let graph = Graph::new();
    let x = graph.state("x", [1, 6, 6, 20]);
    graph.update(x, x.max_pool(&Pool { size: [3, 3], stride: [1, 1], before: [1, 1], after: [1, 1] }));
    let feed = Feed::new().state("x", numbers(720, -1.0, 1.0, 1));
    check("its own pooling", &graph, &feed, EXACT);
}

/// Two picks by the same positions: of the images themselves, and of the same ones without their derivative.
#[test]
fn positions_may_be_used_twice() {
    let pool_of = Pool::of([2, 2]);
    let graph = Graph::new();
    let x = graph.input("x", [2, 6, 6, 20]);
    let positions = x.pool_positions(&pool_of);
    graph.output("y", x.pool_pick(&pool_of, positions));
    graph.output("z", x.stop_gradient().pool_pick(&pool_of, positions) * 2.0);
    graph.output("other", (x * 3.0).pool_pick(&pool_of, positions) * positions);
    graph.output("positions", positions);
    let feed = Feed::new().input("x", numbers(1440, -1.0, 1.0, 1));
    check("twice", &graph, &feed, roundings_of(4.0, 10.0));
}
