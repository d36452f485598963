//! Every primitive's rule, first and second derivatives against central differences in f64.

mod gradient_support;

use gradient_support::{
    Leaf, between, both_signs, derivatives_fed, distinct, expect_flat, expect_smooth, lattice,
};
use narrows_engine::op::{Binary, Distribution, Reduction, Unary};
use narrows_engine::random::Stream;
use narrows_engine::reference::Feed;
use narrows_engine::{Convolution, Graph, Pool, Shape};

fn shapes() -> [Shape; 5] {
    [Shape::SCALAR, Shape::from([7]), Shape::from([3, 5]), Shape::from([2, 3, 4]), Shape::from([1, 9])]
}

#[test]
fn every_unary_function() {
    for unary in Unary::ALL {
        for (salt, shape) in shapes().into_iter().enumerate() {
            let salt = salt as u32;
            let leaf = match unary {
                Unary::SquareRoot | Unary::Logarithm => between(0.3, 2.5, shape, salt),
                Unary::LogarithmOnePlus => between(-0.7, 2.0, shape, salt),
                Unary::Reciprocal | Unary::Absolute | Unary::Sign => both_signs(0.4, 2.5, shape, salt),
                Unary::Negate
                | Unary::Exponential
                | Unary::ExponentialMinusOne
                | Unary::HyperbolicTangent
                | Unary::Sigmoid
                | Unary::Softplus
                | Unary::ErrorFunction => between(-2.0, 2.0, shape, salt),
            };
            let what = format!("{} of {shape}", unary.name());
            if unary == Unary::Sign {
                expect_flat(&what, &[leaf], |_, x| x[0].unary(unary));
            } else {
                expect_smooth(&what, &[leaf], |_, x| x[0].unary(unary));
            }
        }
    }
}

/// The same, with a third derivative: the loss is the function's own derivative.
#[test]
fn derivatives_of_unary_functions_are_functions_again() {
    for unary in
        Unary::ALL.into_iter().filter(|unary| !matches!(unary, Unary::Sign | Unary::Absolute | Unary::Negate))
    {
        expect_smooth(unary.name(), &[between(0.3, 1.5, [5], 1)], |graph, x| {
            let y = x[0].unary(unary).sum_all();
            graph.gradient(y, x).map_or(y, |gradient| gradient[0])
        });
    }
}

#[test]
fn every_binary_function_with_every_way_of_broadcasting() {
    let pairs: [(Shape, Shape); 7] = [
        ([3, 5].into(), [3, 5].into()),
        ([3, 5].into(), [5].into()),
        ([5].into(), [3, 5].into()),
        ([3, 1].into(), [1, 5].into()),
        ([2, 3, 4].into(), [3, 1].into()),
        (Shape::SCALAR, [2, 3].into()),
        ([1].into(), [1].into()),
    ];
    for binary in Binary::ALL {
        for (salt, (left, right)) in pairs.into_iter().enumerate() {
            let leaves = [lattice(0.0, left, salt as u32), lattice(0.15, right, 100 + salt as u32)];
            let what = format!("{} of {left} and {right}", binary.name());
            if matches!(binary, Binary::Greater | Binary::GreaterOrEqual | Binary::Equal) {
                expect_flat(&what, &leaves, |_, x| x[0].binary(binary, x[1]));
            } else {
                expect_smooth(&what, &leaves, |_, x| x[0].binary(binary, x[1]));
            }
        }
    }
}

#[test]
fn one_tensor_as_both_operands() {
    for binary in [Binary::Add, Binary::Multiply, Binary::Maximum, Binary::Minimum] {
        expect_smooth(binary.name(), &[lattice(0.15, [3, 4], 2)], |_, x| x[0].binary(binary, x[0]));
    }
    for binary in [Binary::Subtract, Binary::Divide] {
        let (graph, feed) = (Graph::new(), Feed::new().state("x", [0.5, -2.0]));
        let x = graph.state("x", [2]);
        let loss = x.binary(binary, x).sum_all();
        let agreement = narrows_engine::check::check_gradient(&graph, loss, &[x], &feed).unwrap();
        assert!(agreement.largest < 1e-12, "{}", binary.name());
    }
}

#[test]
fn constant_operands() {
    let x = || [lattice(0.15, [2, 3], 3)];
    expect_smooth("number on the left", &x(), |_, x| (2.0 - x[0]) * (3.0 / x[0]) + 1.0);
    expect_smooth("number on the right", &x(), |_, x| (x[0] - 2.0) / 4.0 * 3.0);
    expect_smooth("rectifier", &x(), |graph, x| graph.constant(0.0).maximum(x[0]));
    expect_smooth("rectifier turned", &x(), |_, x| x[0].maximum(x[0].graph().constant(0.0)));
    expect_smooth("leaky rectifier", &x(), |_, x| x[0].maximum(x[0] * 0.1));
    expect_smooth("clipping", &x(), |graph, x| {
        x[0].minimum(graph.constant(1.0)).maximum(graph.constant(-1.0))
    });
}

#[test]
fn select_in_all_three_operands() {
    for (condition, a, b) in [
        (Shape::from([3, 4]), Shape::from([3, 4]), Shape::from([3, 4])),
        (Shape::from([3, 1]), Shape::from([4]), Shape::from([3, 4])),
        (Shape::from([3, 4]), Shape::SCALAR, Shape::from([1, 4])),
    ] {
        let leaves = [lattice(0.15, condition, 1), lattice(0.0, a, 2), lattice(0.1, b, 3)];
        let what = format!("select {condition} {a} {b}");
        expect_smooth(&what, &leaves, |graph, x| x[0].greater(graph.constant(0.0)).select(x[1] * x[2], x[2]));
        expect_smooth(&what, &leaves, |_, x| x[0].select(x[1].exp(), x[2]) + x[2]);
    }
}

#[test]
fn movement() {
    let x = || [between(-1.0, 1.0, [2, 3, 4], 1)];
    for (number, order) in
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].iter().enumerate()
    {
        expect_smooth(&format!("permute {number}"), &x(), |_, x| x[0].permute(order));
    }
    expect_smooth("permute 4 axes", &[between(-1.0, 1.0, [2, 3, 1, 5], 2)], |_, x| {
        x[0].permute(&[3, 0, 1, 2])
    });
    expect_smooth("reshape", &x(), |_, x| x[0].reshape([4, 6]));
    expect_smooth("slice", &x(), |_, x| x[0].slice(&[1, 0, 1], &[1, 2, 3]));
    expect_smooth("pad", &x(), |_, x| x[0].pad(&[0, 1, 2], &[3, 0, 1]) + 1.0);
    for (from, to) in [
        (Shape::SCALAR, Shape::from([3])),
        (Shape::from([1, 3]), Shape::from([4, 3])),
        (Shape::from([3, 1]), Shape::from([2, 3, 5])),
        (Shape::from([1, 3, 1]), Shape::from([2, 3, 4])),
    ] {
        expect_smooth(&format!("{from} to {to}"), &[between(0.5, 1.0, from, 3)], |_, x| x[0].stretch(to));
    }
}

#[test]
fn concatenation_along_each_axis() {
    for axis in 0..3 {
        let part = |size, salt| between(-1.0, 1.0, Shape::from([2, 3, 4]).with(axis, size), salt);
        let leaves = [part(1, 1), part(3, 2), part(2, 3)];
        expect_smooth(&format!("axis {axis}"), &leaves, |_, x| x[0].concatenate(&[x[1], x[2], x[0]], axis));
    }
}

#[test]
fn reductions_over_each_choice_of_axes() {
    for choice in 0..8 {
        let axes: Vec<usize> = (0..3).filter(|axis| choice >> axis & 1 == 1).collect();
        let x = || [between(-1.0, 1.0, [2, 3, 4], choice)];
        expect_smooth(&format!("sum {axes:?}"), &x(), |_, x| x[0].sum(&axes));
        expect_smooth(&format!("mean {axes:?}"), &x(), |_, x| x[0].mean(&axes));
    }
    expect_smooth("sum of all", &[between(-1.0, 1.0, [3, 5], 1)], |_, x| x[0].sum_all());
    for axis in 0..3 {
        expect_smooth(&format!("max {axis}"), &[distinct([2, 3, 4], 1)], |_, x| x[0].max(axis));
        expect_flat(&format!("argmax {axis}"), &[distinct([2, 3, 4], 1)], |_, x| x[0].argmax(axis));
    }
    expect_smooth("max over an axis and one of size 1", &[distinct([4, 1], 2)], |_, x| {
        x[0].reduce(Reduction::Maximum, &[0, 1])
    });
}

#[test]
fn products_with_either_operand_transposed() {
    for (rows, inner, columns) in [(3, 5, 2), (1, 4, 1), (2, 1, 7), (20, 17, 19)] {
        for choice in 0..4 {
            let (left, right) = (choice & 1 == 1, choice & 2 == 2);
            let a = if left { [inner, rows] } else { [rows, inner] };
            let b = if right { [columns, inner] } else { [inner, columns] };
            let what = format!("{rows}×{inner}×{columns}, {left}, {right}");
            let leaves = [between(-1.0, 1.0, a, 1), between(-1.0, 1.0, b, 2)];
            expect_smooth(&what, &leaves, |_, x| x[0].product(x[1], left, right));
        }
    }
}

#[test]
fn products_of_a_matrix_with_itself() {
    let x = || [between(-1.0, 1.0, [3, 3], 1)];
    for choice in 0..4 {
        let (left, right) = (choice & 1 == 1, choice & 2 == 2);
        expect_smooth(&format!("{left} {right}"), &x(), |_, x| x[0].product(x[0], left, right));
    }
}

fn gathered(indices: &[u32], rows: usize, leaf: Leaf, scatter: bool) {
    let feed = Feed::new().input("i", indices.iter().copied());
    let (first, second) = derivatives_fed(feed, &[leaf], |graph, x| {
        let indices = graph.indices("i", [indices.len()]);
        if scatter { x[0].scatter_add(indices, rows) } else { x[0].gather(indices) }
    })
    .unwrap();
    assert!(first.largest > 1e-3 && second.largest > 1e-3);
}

/// Rows used once, twice and never, and an index outside, which means the last row.
#[test]
fn gather_and_scatter_add() {
    gathered(&[2, 0, 2, 4, 9], 5, between(0.2, 1.0, [5, 3], 1), false);
    gathered(&[2, 0, 2, 4, 9], 6, between(0.2, 1.0, [5, 3], 1), true);
}

/// Every operation on sparse rows, by everything that passes a derivative; positions are given, two of them equal.
#[test]
fn sparse_rows() {
    let positions = [0.0, 3.0, 2.0, 2.0, 4.0, 1.0];
    let leaves = [between(0.2, 1.0, [3, 2], 1), between(0.2, 1.0, [5, 4], 2), between(0.2, 1.0, [3, 4], 3)];
    expect_smooth("product", &leaves, |graph, x| {
        let places = graph.table([3, 2], &positions);
        x[0].spread(places, 5).matmul(x[1]) * x[2]
    });
    expect_smooth("outer", &leaves, |graph, x| {
        let places = graph.table([3, 2], &positions);
        x[0].spread(places, 5).product(x[2], true, false) * x[1]
    });
    expect_smooth("turned outer", &leaves, |graph, x| {
        let places = graph.table([3, 2], &positions);
        x[2].product(x[0].spread(places, 5), true, false) * x[1].transpose()
    });
    expect_smooth("pick, spread, sum", &leaves, |graph, x| {
        let places = graph.table([3, 2], &positions);
        let rows = x[2].matmul(x[1].transpose());
        let spread = rows.pick(places).square().spread(places, 5);
        spread.sum(&[0])
            + (spread * rows).sum(&[0, 1])
            + (spread + x[0].spread(places, 5)).matmul(x[1]).sum_all()
    });
}

/// Convolutions both ways and the kernel's gradient, by everything, with gaps, zeros around and groups.
#[test]
fn convolutions() {
    let forms = [
        Convolution::default(),
        Convolution { stride: [2, 1], dilation: [1, 2], before: [1, 0], after: [0, 2], groups: 1 },
        Convolution { stride: [1, 2], before: [1, 2], after: [1, 1], groups: 2, ..Convolution::default() },
    ];
    for form in forms {
        expect_convolution_smooth(form, [2, 5, 4], [3, 2], [2, 4]);
    }
    // Groups in several bundles, the last of which is not full.
    let narrow = Convolution { groups: 40, before: [1, 0], ..Convolution::default() };
    expect_convolution_smooth(narrow, [1, 2, 1], [2, 1], [80, 40]);
}

/// The same in sizes, strides, gaps, zeros around and groups as chance will have them.
#[test]
fn convolutions_of_any_form() {
    let mut words = Stream::new(17, 1, 0);
    let mut draw = |from: usize, to: usize| from + words.below((to + 1 - from) as u32) as usize;
    let mut compared = 0;
    while compared < 40 {
        let groups = draw(1, 4);
        let form = Convolution {
            stride: [draw(1, 3), draw(1, 3)],
            dilation: [draw(1, 3), draw(1, 3)],
            before: [draw(0, 2), draw(0, 2)],
            after: [draw(0, 2), draw(0, 2)],
            groups,
        };
        let (images, window) = ([draw(1, 2), draw(1, 6), draw(1, 6)], [draw(1, 3), draw(1, 3)]);
        // Some windows see nothing but zeros around: derivatives of nothing would be compared.
        let output = form.output([images[1], images[2]], window);
        let meets = |axis: usize, places: usize| {
            (0..places * window[axis]).any(|at| {
                let from = at / window[axis] * form.stride[axis] + at % window[axis] * form.dilation[axis];
                (form.before[axis]..form.before[axis] + images[axis + 1]).contains(&from)
            })
        };
        if output.is_some_and(|places| meets(0, places[0]) && meets(1, places[1])) {
            expect_convolution_smooth(form, images, window, [groups * draw(1, 2), groups * draw(1, 2)]);
            compared += 1;
        }
    }
}

/// A convolution down and up and its kernel's gradient, by everything: images N×H×W, windows, channels in and out.
#[track_caller]
fn expect_convolution_smooth(
    form: Convolution,
    [images, height, width]: [usize; 3],
    [k, l]: [usize; 2],
    [inner, outer]: [usize; 2],
) {
    let groups = form.groups;
    let [rows, columns] = form.output([height, width], [k, l]).unwrap();
    let leaves = [
        both_signs(0.2, 1.0, [images, height, width, inner], 1),
        both_signs(0.2, 1.0, [k, l, inner / groups, outer], 2),
        both_signs(0.2, 1.0, [images, rows, columns, outer], 3),
        both_signs(0.2, 1.0, [k, l, outer / groups, inner], 4),
    ];
    let of = format!("{images}×{height}×{width}×{inner} by {k}×{l} to {outer}, {form:?}");
    expect_smooth(&format!("down {of}"), &leaves, |_, x| x[0].convolution(x[1], &form) * x[2]);
    expect_smooth(&format!("up {of}"), &leaves, |_, x| {
        x[2].transposed_convolution(x[3], &form, [height, width]) * x[0]
    });
    expect_smooth(&format!("kernel {of}"), &leaves, |graph, x| {
        let loss = (x[0].convolution(x[1], &form) * x[2]).sum_all();
        graph.gradient(loss, &[x[1]]).map_or(loss, |gradient| gradient[0] * x[1])
    });
}

/// Pooling both ways; positions are those of other numbers, some of them of windows that overlap.
#[test]
fn pooling() {
    let pool = Pool { size: [3, 2], stride: [2, 1], before: [1, 0], after: [0, 1] };
    let [rows, columns] = pool.output([5, 4]).unwrap();
    let leaves = [distinct([2, 5, 4, 3], 1), between(0.2, 1.0, [2, rows, columns, 3], 2)];
    expect_smooth("largest", &leaves, |_, x| x[0].max_pool(&pool) * x[1]);
    expect_smooth("sum", &leaves, |_, x| x[0].pool_sum(&pool) * x[1]);
    expect_smooth("put", &leaves, |_, x| x[1].unpool(&pool, x[0].pool_positions(&pool), [5, 4]) * x[0]);
    expect_smooth("repeat", &leaves, |_, x| x[1].pool_repeat(&pool, [5, 4]) * x[0]);
    expect_flat("positions", &leaves[..1], |_, x| x[0].pool_positions(&pool));
}

/// Leaves of every sort: random numbers, positions, scalars and stored pixels take part, and are kept in place.
#[test]
fn other_leaves() {
    let feed = Feed::new().input("ids", [3u32, 8]).input("p", [0u8, 255, 7, 31]).scalar("s", 0.7).keyed(5, 2);
    let (first, second) = derivatives_fed(feed, &[between(0.5, 1.0, [2, 2], 1)], |graph, x| {
        let noise = graph.random(graph.indices("ids", [2]), 2, Distribution::Normal);
        let pixels = graph.pixels("p", [2, 2]).convert() / 255.0;
        let position = graph.position([2, 2], 1);
        (x[0] + noise) * (pixels + 0.1) * graph.scalar("s") + position * x[0].exp()
    })
    .unwrap();
    assert!(first.largest > 0.1 && second.largest > 0.1);
}
