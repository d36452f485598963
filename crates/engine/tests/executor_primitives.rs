//! Every primitive at every level against the reference.

mod executor_support;

use executor_support::{EXACT, check, numbers, roundings, roundings_of};
use narrows_engine::op::{Binary, Distribution, Reduction, Unary};
use narrows_engine::random::Stream;
use narrows_engine::reference::{Feed, evaluate};
use narrows_engine::{Graph, Shape, Tensor};

/// Shapes of every rank, with sizes around those of grains, panels and tiles.
const SHAPES: [&[usize]; 16] = [
    &[],
    &[1],
    &[17],
    &[513],
    &[1, 1],
    &[1, 130],
    &[130, 1],
    &[3, 16],
    &[9, 63],
    &[7, 64],
    &[65, 65],
    &[2, 3, 1],
    &[5, 1, 17],
    &[3, 4, 130],
    &[2, 3, 4, 5],
    &[1, 3, 1, 65],
];

fn fed(name: &str, shape: impl Into<Shape>, low: f32, high: f32, salt: u32) -> Feed {
    Feed::new().input(name, numbers(shape.into().elements(), low, high, salt))
}

/// Values where functions turn, end or are not defined.
const EDGES: [f32; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    1e-40,
    -1e-40,
    f32::MAX,
    f32::MIN,
    88.5,
    -88.5,
    -103.0,
    1e-9,
];

#[test]
fn functions_of_one_number() {
    for unary in Unary::ALL {
        for (salt, sizes) in SHAPES.iter().enumerate() {
            let graph = Graph::new();
            graph.output("y", graph.input("x", *sizes).unary(unary));
            let low = if matches!(unary, Unary::SquareRoot | Unary::Logarithm | Unary::LogarithmOnePlus) {
                0.0
            } else {
                -9.0
            };
            check(unary.name(), &graph, &fed("x", *sizes, low, 9.0, salt as u32), roundings(6.0));
        }
        let graph = Graph::new();
        graph.output("y", graph.input("x", [EDGES.len()]).unary(unary));
        check(unary.name(), &graph, &Feed::new().input("x", EDGES), roundings(6.0));
    }
}

#[test]
fn functions_of_two_numbers() {
    for binary in Binary::ALL {
        for (salt, sizes) in SHAPES.iter().enumerate() {
            let graph = Graph::new();
            let (x, y) = (graph.input("x", *sizes), graph.state("y", *sizes));
            graph.output("z", x.binary(binary, y));
            let count = Shape::from(*sizes).elements();
            // Whole numbers, so that some pairs are equal.
            let whole = |salt| numbers(count, -3.0, 4.0, salt).into_iter().map(f32::floor);
            let feed = Feed::new().input("x", whole(salt as u32)).state("y", whole(salt as u32 + 50));
            check(binary.name(), &graph, &feed, roundings(2.0));
        }
        let pairs: Vec<(f32, f32)> = EDGES.iter().flat_map(|a| EDGES.map(|b| (*a, b))).collect();
        let graph = Graph::new();
        let (x, y) = (graph.input("x", [pairs.len()]), graph.input("y", [pairs.len()]));
        graph.output("z", x.binary(binary, y));
        let feed = Feed::new().input("x", pairs.iter().map(|p| p.0)).input("y", pairs.iter().map(|p| p.1));
        check(binary.name(), &graph, &feed, roundings(2.0));
    }
}

#[test]
fn nan_is_never_hidden() {
    let graph = Graph::new();
    let x = graph.input("x", [2, 70]);
    let zero = graph.constant(0.0);
    let names = ["maximum", "minimum", "relu", "sign", "select"];
    let values = [
        x.maximum(zero),
        zero.minimum(x),
        zero.maximum(x),
        x.unary(Unary::Sign),
        zero.equal(zero).select(x, zero),
    ];
    names.iter().zip(values).for_each(|(name, value)| graph.output(name, value));
    graph.output("max", x.max(1));
    graph.output("down", x.max(0));
    graph.output("all", x.reduce(Reduction::Maximum, &[0, 1]));
    graph.output("through", x.reshape([2, 2, 35]).max(1));
    graph.output("argmax", x.argmax(1));
    graph.output("sum", x.sum(&[1]));
    let mut values = numbers(140, -1.0, 1.0, 3);
    (values[70 + 33], values[70 + 65], values[10]) = (f32::NAN, f32::NAN, f32::INFINITY);
    let feed = Feed::new().input("x", values);
    check("nan", &graph, &feed, roundings_of(70.0, 1.0));
    let expected = evaluate(&graph, &feed).unwrap().outputs;
    for name in names {
        assert!(expected[name][103].is_nan(), "{name}");
    }
    assert!(expected["max"][1].is_nan() && expected["down"][33].is_nan() && expected["all"][0].is_nan());
    assert!(expected["through"][35 + 33].is_nan() && !expected["through"][33].is_nan());
    assert_eq!(expected["argmax"], [10.0, 33.0]);
}

#[test]
fn select_and_stop_gradient() {
    for (salt, sizes) in SHAPES.iter().enumerate() {
        let graph = Graph::new();
        let (x, y) = (graph.input("x", *sizes), graph.input("y", *sizes));
        graph.output("z", x.greater(y).select(x.stop_gradient(), y * 2.0));
        graph.output("x again", x.stop_gradient());
        let count = Shape::from(*sizes).elements();
        let feed = fed("x", *sizes, -1.0, 1.0, salt as u32).input("y", numbers(count, -1.0, 1.0, 99));
        check("select", &graph, &feed, EXACT);
    }
}

/// Checks a movement twice: alone, from an input; and between two computations.
#[track_caller]
fn check_move(what: &str, sizes: &[usize], moved: impl for<'g> Fn(Tensor<'g>) -> Tensor<'g>) {
    let graph = Graph::new();
    let x = graph.input("x", sizes);
    graph.output("alone", moved(x));
    graph.output("between", moved(x * 3.0) - 0.5);
    check(&format!("{what} of {sizes:?}"), &graph, &fed("x", sizes, -8.0, 8.0, 5), roundings_of(3.0, 24.0));
}

#[test]
fn broadcasts() {
    let pairs: [(&[usize], &[usize]); 22] = [
        (&[], &[5]),
        (&[], &[3, 70]),
        (&[1], &[64, 2]),
        (&[17], &[3, 17]),
        (&[65], &[2, 3, 65]),
        (&[9, 1], &[9, 66]),
        (&[130, 1], &[130, 3]),
        (&[1, 1], &[3, 1]),
        (&[1, 5], &[7, 5]),
        (&[3, 1, 5], &[3, 4, 5]),
        (&[1, 4, 5], &[3, 4, 5]),
        (&[3, 1, 1], &[3, 4, 5]),
        (&[1, 4, 1], &[3, 4, 5]),
        (&[3, 4, 1], &[3, 4, 65]),
        (&[4, 1], &[3, 4, 1]),
        (&[3, 1, 1], &[3, 4, 1]),
        (&[2, 1, 3, 1], &[2, 5, 3, 7]),
        (&[1, 1, 1, 6], &[2, 5, 3, 6]),
        // Rows met again in place: one for many, many beside each other, of every width.
        (&[5, 1, 130], &[5, 20, 130]),
        (&[1, 20, 130], &[5, 20, 130]),
        (&[4, 1, 3, 40], &[4, 7, 3, 40]),
        (&[3, 1, 1, 16], &[3, 2, 9, 16]),
    ];
    for (from, to) in pairs {
        check_move(&format!("broadcast to {to:?}"), from, |x| x.stretch(to));
    }
}

#[test]
fn permutations() {
    for sizes in [&[3usize, 5][..], &[1, 70], &[130, 1], &[65, 66], &[2, 3, 4], &[17, 1, 3], &[2, 3, 1, 5]] {
        let rank = sizes.len();
        for code in 0..rank.pow(rank as u32) {
            let order: Vec<usize> = (0..rank).map(|axis| code / rank.pow(axis as u32) % rank).collect();
            if (0..rank).all(|axis| order.contains(&axis)) {
                check_move(&format!("permute {order:?}"), sizes, |x| x.permute(&order));
            }
        }
    }
}

#[test]
fn slices_pads_and_concatenations() {
    for sizes in [&[7usize][..], &[130], &[5, 1], &[9, 65], &[1, 66], &[3, 4, 5], &[2, 3, 4, 17]] {
        let rank = sizes.len();
        let half: Vec<usize> = sizes.iter().map(|size| size.div_ceil(2)).collect();
        let rest: Vec<usize> = sizes.iter().zip(&half).map(|(size, half)| size - half).collect();
        check_move("slice at the corner", sizes, |x| x.slice(&vec![0; rank], &half));
        check_move("slice at the end", sizes, |x| x.slice(&rest, &half));
        check_move("pad", sizes, |x| x.pad(&(1..=rank).collect::<Vec<_>>(), &vec![2; rank]));
        check_move("pad in front", sizes, |x| x.pad(&half, &vec![0; rank]));
        for axis in 0..rank {
            check_move("concatenate", sizes, |x| {
                let start: Vec<usize> = (0..rank).map(|at| if at == axis { rest[at] } else { 0 }).collect();
                let size: Vec<usize> =
                    (0..rank).map(|at| if at == axis { half[at] } else { sizes[at] }).collect();
                let part = x.slice(&start, &size);
                x.concatenate(&[part * 2.0, x, part, -x], axis)
            });
        }
    }
}

#[test]
fn reshapes() {
    let pairs: [(&[usize], &[usize]); 12] = [
        (&[6], &[2, 3]),
        (&[2, 3], &[3, 2]),
        (&[130], &[130, 1]),
        (&[130, 1], &[2, 65]),
        (&[65, 2], &[130]),
        (&[4, 64], &[256]),
        (&[256], &[4, 64]),
        (&[3, 4, 5], &[12, 5]),
        (&[3, 4, 5], &[3, 20]),
        (&[3, 4, 5], &[5, 4, 3]),
        (&[1], &[1, 1, 1, 1]),
        (&[2, 3, 4, 5], &[6, 20]),
    ];
    for (from, to) in pairs {
        check_move(&format!("reshape to {to:?}"), from, |x| x.reshape(to));
    }
}

/// Every set of axes of every shape, for every way of reducing.
#[test]
fn reductions() {
    let sizes: [&[usize]; 23] = [
        &[1],
        &[17],
        &[65],
        &[1030],
        &[1, 1],
        &[1, 65],
        &[130, 1],
        &[3, 16],
        &[16, 63],
        &[64, 64],
        &[65, 130],
        &[130, 17],
        &[3, 4, 5],
        &[17, 1, 64],
        &[1, 65, 17],
        &[16, 17, 1],
        &[2, 63, 65],
        &[1, 1, 16],
        &[2, 3, 4, 5],
        &[1, 17, 3, 16],
        &[3, 1, 65, 2],
        &[2, 16, 1, 17],
        // Tiles of results that begin within one index of the first axis and end in the next.
        &[3, 5, 11, 70],
    ];
    for sizes in sizes {
        let rank = sizes.len();
        for reduction in [Reduction::Sum, Reduction::Maximum, Reduction::ArgumentMaximum] {
            for set in 1..1usize << rank {
                let axes: Vec<usize> = (0..rank).filter(|axis| set >> axis & 1 == 1).collect();
                if reduction == Reduction::ArgumentMaximum && axes.len() > 1 {
                    continue;
                }
                check_reduction(sizes, reduction, &axes);
            }
        }
    }
}

fn check_reduction(sizes: &[usize], reduction: Reduction, axes: &[usize]) {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", sizes), graph.state("w", sizes));
    let alone = x.reduce(reduction, axes);
    graph.output("alone", alone);
    // Something computed in front, something behind, and the result spread back over its operand.
    let around = (x * 2.0 - w).reduce(reduction, axes);
    graph.output("around", around * 0.5 + 1.0);
    graph.output("back", x + around);
    let count = Shape::from(sizes).elements();
    let feed = fed("x", sizes, -4.0, 4.0, 1);
    // Multiples of a quarter: sums of so few are exact, and there are equal ones.
    let quarters: Vec<f64> = feed.inputs["x"].iter().map(|x| (x * 4.0).floor() / 4.0).collect();
    let feed = feed.input("x", quarters).state("w", vec![0.5f32; count]);
    check(&format!("{reduction:?} of {sizes:?} over {axes:?}"), &graph, &feed, EXACT);
}

#[test]
fn sums_round_as_they_should() {
    let sums: [(&[usize], &[usize]); 7] = [
        (&[1, 5000], &[1]),
        (&[300, 70], &[0]),
        (&[70, 300], &[1]),
        (&[9, 200], &[0, 1]),
        (&[11, 300, 70], &[1]),
        (&[300, 11, 70], &[0]),
        (&[2, 5000, 3], &[1]),
    ];
    for (sizes, axes) in sums {
        let graph = Graph::new();
        let x = graph.input("x", sizes);
        graph.output("sum", x.square().sum(axes));
        check("sum", &graph, &fed("x", sizes, -1.0, 1.0, 7), roundings(40.0));
    }
}

const INNER: [usize; 16] = [1, 2, 3, 5, 6, 7, 16, 17, 30, 63, 64, 65, 100, 129, 385, 500];

fn check_product(rows: usize, inner: usize, columns: usize, left: bool, right: bool) {
    let graph = Graph::new();
    let turned =
        |rows: usize, columns: usize, turn: bool| if turn { [columns, rows] } else { [rows, columns] };
    let (a, b) = (turned(rows, inner, left), turned(inner, columns, right));
    let (x, w) = (graph.input("x", a), graph.state("w", b));
    let product = x.product(w, left, right);
    graph.output("alone", product);
    // Behind it: a row, a column, a full operand.
    let (row, column) = (graph.state("row", [columns]), graph.state("column", [rows, 1]));
    let full = graph.state("full", [rows, columns]);
    graph.output("behind", (product * full + row) - column);
    let count = rows * columns;
    let feed = fed("x", a, -1.0, 1.0, 1)
        .state("w", numbers(inner * columns, -1.0, 1.0, 2))
        .state("row", numbers(columns, -1.0, 1.0, 3))
        .state("column", numbers(rows, -1.0, 1.0, 4))
        .state("full", numbers(count, -1.0, 1.0, 5));
    let what = format!("product {rows}×{inner}×{columns} {left} {right}");
    // Partial sums of numbers below 1 grow as √K/3; each of K roundings is up to half a unit of them.
    let size = (inner as f64).sqrt();
    check(&what, &graph, &feed, roundings_of(2.0 * size + 4.0, size + 2.0));
}

#[test]
fn products_of_every_kind_and_size() {
    let mut words = Stream::new(31, 0, 0);
    let mut draw = |below: usize| INNER[words.below(below as u32) as usize];
    for (number, inner) in INNER.into_iter().enumerate() {
        for turns in 0..4 {
            // Every inner size with every turn; rows and columns drawn, and each of them 1 once.
            let (rows, columns) =
                (draw(if number % 3 == 0 { 16 } else { 14 }), draw(if number % 3 == 1 { 16 } else { 14 }));
            for (rows, columns) in [(rows, columns), (1, columns), (rows, 1)] {
                check_product(rows, inner, columns, turns & 1 == 1, turns & 2 == 2);
            }
        }
    }
    for rows in INNER {
        let turns = words.below(4);
        check_product(rows, 30, 65, turns & 1 == 1, turns & 2 == 2);
        check_product(65, 7, rows, turns & 1 == 1, turns & 2 == 2);
    }
}

#[test]
fn a_product_with_a_very_long_inner_dimension_is_cut_into_units() {
    for turns in 0..4 {
        check_product(2, 40_000, 65, turns & 1 == 1, turns & 2 == 2);
    }
}

#[test]
fn the_largest_of_each_row_ties_and_nan_included() {
    for (salt, sizes) in SHAPES.iter().enumerate().filter(|(_, sizes)| !sizes.is_empty()) {
        let shape = Shape::from(*sizes);
        for count in [1, 2, shape.columns() / 2 + 1, shape.columns()] {
            let graph = Graph::new();
            let x = graph.input("x", *sizes);
            graph.output("alone", x.largest(count));
            // 0, 1 or 2: most are equal to others.
            let rough = x.greater(graph.constant(0.0)) + x.greater(graph.constant(1.5));
            graph.output("kept", rough.largest(count) * x);
            check(
                &format!("{count} of {sizes:?}"),
                &graph,
                &fed("x", *sizes, -3.0, 3.0, salt as u32),
                roundings(2.0),
            );
        }
    }
    let graph = Graph::new();
    graph.output("y", graph.input("x", [2, 17]).largest(5));
    let feed = Feed::new().input("x", [EDGES, [0.0; 17]].concat());
    check("edges", &graph, &feed, EXACT);
    let many = Graph::new();
    many.output("y", many.input("x", [1, 20]).largest(3));
    check("more nan than are kept", &many, &Feed::new().input("x", [f32::NAN; 20]), EXACT);
    let marks = &evaluate(&graph, &feed).unwrap().outputs["y"];
    // NaN, infinity, the largest number, 88.5 and 1; of equal numbers the first five.
    let marked: Vec<usize> = (0..34).filter(|at| marks[*at] == 1.0).collect();
    assert_eq!(marked, [2, 4, 6, 11, 13, 17, 18, 19, 20, 21]);
}

#[test]
fn gathers_and_scatters() {
    for (rows, columns, picks) in [
        (5usize, 3usize, 4usize),
        (1, 7, 3),
        (1, 7, 1),
        (6, 1, 6),
        (6, 1, 40),
        (1, 1, 1),
        (9, 1, 1),
        (100, 64, 33),
        (40, 130, 70),
        (3, 17, 65),
    ] {
        let graph = Graph::new();
        let (table, indices) = (graph.state("table", [rows, columns]), graph.indices("i", [picks]));
        let picked = table.gather(indices);
        graph.output("picked", picked);
        graph.output("computed", (table * 2.0).gather(indices) + 1.0);
        graph.output("added", (picked * 0.5).scatter_add(indices, rows + 2));
        graph.output("same", picked.scatter_add(indices, rows));
        // Repeated ones, and some beyond the table.
        let mut words = Stream::new(3, rows as u32, picks as u32);
        let chosen: Vec<u32> = (0..picks)
            .map(|at| if at % 5 == 4 { u32::MAX - at as u32 } else { words.below(rows as u32 + 1) })
            .collect();
        let quarters = numbers(rows * columns, -4.0, 4.0, 8).into_iter().map(|x| (x * 4.0).floor() / 4.0);
        let feed = Feed::new().state("table", quarters).input("i", chosen);
        check(&format!("gather {picks} of {rows}×{columns}"), &graph, &feed, EXACT);
    }
}

#[test]
fn indices_of_another_shape_are_the_same_indices() {
    let graph = Graph::new();
    let indices = graph.indices("i", [2, 3]).reshape([6]);
    let table = graph.state("table", [4, 5]);
    graph.output("picked", table.gather(indices));
    graph.output("noise", graph.random(indices.reshape([3, 2]), 3, Distribution::Uniform));
    graph.output("numbers", indices.reshape([3, 2]).convert() + 0.5);
    let feed = Feed::new().state("table", numbers(20, -1.0, 1.0, 1)).input("i", [0u32, 3, 1, 1, 2, 0]);
    check("reshaped indices", &graph, &feed, EXACT);
}
