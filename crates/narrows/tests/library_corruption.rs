//! Corruption: how much of what is changed, to what, and what the loss makes of it.

mod library_support;

use library_support::{compute, numbers, pictures, table, train, trainer};
use narrows::autoencoder::corruption::corrupt;
use narrows::data::ItemShape;
use narrows::engine::Graph;
use narrows::engine::reference::{Feed, evaluate};
use narrows::recipe::Corruption;
use narrows::train::Setup;

const ROWS: usize = 400;

/// Clean rows, corrupted rows, and where they were changed.
fn corrupted(corruption: Corruption, shape: &ItemShape, step: u32) -> [Vec<f64>; 3] {
    let graph = Graph::new();
    let features = shape.features();
    let clean = graph.input("x", [ROWS, features]);
    let found = corrupt(&graph, corruption, shape, clean, graph.indices("row ids", [ROWS]));
    graph.output("rows", found.rows);
    graph.output("changed", found.changed.unwrap_or(graph.constant(0.0).stretch(clean.shape())));
    // No value is 0 or 1 of itself.
    let x = numbers(ROWS * features, 0.1, 0.9, 4);
    let feed = Feed::new()
        .input("x", x.clone())
        .input("row ids", (0..ROWS as u32).map(|row| row * 7))
        .keyed(3, step);
    let mut outputs = evaluate(&graph, &feed).unwrap().outputs;
    [x, outputs.remove("rows").unwrap(), outputs.remove("changed").unwrap()]
}

fn vector(width: usize) -> ItemShape {
    ItemShape::Vector { columns: None, width }
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "{found}, expected {expected}");
}

#[test]
fn masking_sets_its_share_to_0_and_leaves_the_rest() {
    let [clean, rows, changed] = corrupted(Corruption::Masking { share: 0.3 }, &vector(50), 1);
    let count = clean.len() as f64;
    for at in 0..clean.len() {
        assert_eq!(rows[at], if changed[at] == 1.0 { 0.0 } else { clean[at] });
    }
    near(changed.iter().sum::<f64>() / count, 0.3, 0.02);
    let [_, again, _] = corrupted(Corruption::Masking { share: 0.3 }, &vector(50), 2);
    assert_ne!(rows, again, "anew in every step");
    assert_eq!(rows, corrupted(Corruption::Masking { share: 0.3 }, &vector(50), 1)[1]);
}

#[test]
fn salt_and_pepper_are_half_and_half() {
    let [clean, rows, changed] = corrupted(Corruption::SaltAndPepper { share: 0.4 }, &vector(50), 1);
    let count = clean.len() as f64;
    let share = |value: f64| rows.iter().filter(|found| **found == value).count() as f64 / count;
    near(share(0.0), 0.2, 0.02);
    near(share(1.0), 0.2, 0.02);
    for at in 0..clean.len() {
        assert_eq!(changed[at] == 1.0, rows[at] != clean[at]);
    }
}

#[test]
fn gaussian_noise_has_its_deviation_and_no_mean() {
    let [clean, rows, _] = corrupted(Corruption::Gaussian { deviation: 0.5 }, &vector(50), 1);
    let noise: Vec<f64> = rows.iter().zip(&clean).map(|(row, clean)| row - clean).collect();
    let count = noise.len() as f64;
    near(noise.iter().sum::<f64>() / count, 0.0, 0.02);
    near((noise.iter().map(|noise| noise * noise).sum::<f64>() / count).sqrt(), 0.5, 0.02);
}

/// A rectangle of exactly that size in every picture, all channels, every place taken by some picture.
#[test]
fn a_block_is_a_whole_rectangle_anywhere() {
    let shape = ItemShape::Image { height: 6, width: 5, channels: 2 };
    let [clean, rows, changed] = corrupted(Corruption::Block { height: 2, width: 3 }, &shape, 1);
    let mut places = std::collections::BTreeSet::new();
    for row in 0..ROWS {
        let at = |y: usize, x: usize, channel: usize| row * 60 + (y * 5 + x) * 2 + channel;
        let inside: Vec<(usize, usize)> =
            (0..30).map(|at| (at / 5, at % 5)).filter(|(y, x)| changed[at(*y, *x, 0)] == 1.0).collect();
        let (top, left) = inside[0];
        let expected: Vec<(usize, usize)> = (0..6).map(|at| (top + at / 3, left + at % 3)).collect();
        assert_eq!(inside, expected);
        places.insert((top, left));
        for (y, x) in (0..30).map(|at| (at / 5, at % 5)) {
            for channel in 0..2 {
                let index = at(y, x, channel);
                assert_eq!(rows[index], if inside.contains(&(y, x)) { 0.0 } else { clean[index] });
            }
        }
    }
    assert_eq!(places.len(), 5 * 3);
    // As large as the picture: all of it.
    let [_, rows, _] = corrupted(Corruption::Block { height: 6, width: 5 }, &shape, 1);
    assert!(rows.iter().all(|value| *value == 0.0));
}

/// With weights of 0 the output is 0 and the loss Σ x², in which changed numbers count as much as the emphasis says.
#[test]
fn emphasis_weighs_what_was_changed() {
    let loss = |emphasis: &str| {
        let settings = [
            "model.hidden=[]",
            "model.initial={ kind = 'constant', value = 0.0 }",
            "model.output=gaussian",
            "train.corruption={ kind = 'masking', share = 0.25 }",
            "train.optimiser=sgd",
            "train.learning_rate=1e-30",
            "train.epochs=40",
            "data.validation=0",
            "data.test=0",
            emphasis,
        ];
        let history = train(&settings, table(100, 8, 1), &compute(1)).1;
        history.iter().map(|record| record.train_loss).sum::<f64>() / 40.0
    };
    let (plain, double, only) =
        (loss("train.emphasis=1"), loss("train.emphasis=2"), loss("train.emphasis=0"));
    near(double / plain, 1.25, 0.01);
    near(only / plain, 0.75, 0.01);
}

#[test]
fn corruption_that_the_rows_do_not_allow_is_refused() {
    let refused = |settings: &[&str], rows| {
        let setup = Setup::new(&library_support::recipe(settings), library_support::source(rows));
        setup.err().unwrap_or_else(|| panic!("{settings:?}")).to_string()
    };
    let block = "train.corruption={ kind = 'block', height = 7, width = 2 }";
    assert!(refused(&[block], pictures(40, 1)).contains("a block of 7x2 pixels"));
    assert!(refused(&["train.corruption=block"], table(40, 8, 1)).contains("cannot be cut out"));
    let salt = ["train.corruption=salt-and-pepper", "data.prepare=standardise"];
    assert!(refused(&salt, table(40, 8, 1)).contains("sets numbers to 0 and 1"));
    trainer(&["train.corruption=salt-and-pepper"], pictures(40, 1), &compute(1));
}
