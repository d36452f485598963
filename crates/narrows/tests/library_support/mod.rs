//! What the library's tests share: tiny made data, recipes from settings, and a run from start to file.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod coded;

use narrows::data::{Dataset, ItemShape, Labels, Source, Values};
use narrows::engine::random::Stream;
use narrows::model_file::Model;
use narrows::recipe::Recipe;
use narrows::train::{Compute, EpochRecord, Setup, Signal, Trainer};
use std::path::Path;

/// A recipe from `key=value` settings.
pub fn recipe(settings: &[&str]) -> Recipe {
    let pairs: Vec<(String, String)> = settings
        .iter()
        .map(|setting| {
            let (key, value) = setting.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect();
    Recipe::parse("", &pairs).unwrap_or_else(|problems| panic!("{settings:?}: {problems}"))
}

/// Rows of `width` numbers between 0 and 1 that really have two degrees of freedom, in three groups.
pub fn table(rows: usize, width: usize, salt: u32) -> Dataset {
    let mut stream = Stream::new(9, 77, salt);
    let mut values = Vec::with_capacity(rows * width);
    let mut groups = Vec::with_capacity(rows);
    for _ in 0..rows {
        let group = stream.below(3);
        let (u, v) = (stream.uniform() + group as f32, stream.uniform());
        for column in 0..width {
            let angle = u * (0.7 + 0.3 * column as f32) + v * (column as f32 - 1.5);
            values.push(0.5 + 0.45 * angle.sin());
        }
        groups.push(["a", "b", "c"][group as usize]);
    }
    Dataset {
        maps: None,
        shape: ItemShape::Vector { columns: None, width },
        values: Values::F32(values),
        labels: Some(Labels::from_texts(&groups)),
        names: None,
    }
}

/// Pictures of 6×5 bytes with a bright bar, labelled by its direction.
pub fn pictures(rows: usize, salt: u32) -> Dataset {
    let (height, width) = (6, 5);
    let mut stream = Stream::new(9, 78, salt);
    let mut values = vec![0u8; rows * height * width];
    let mut names = Vec::new();
    for picture in values.chunks_exact_mut(height * width) {
        let upright = stream.below(2) == 1;
        let at = stream.below(4) as usize;
        for step in 0..4 {
            let (y, x) = if upright { (step + 1, at) } else { (at + 1, step) };
            picture[y * width + x] = 200 + stream.below(56) as u8;
        }
        names.push(if upright { "upright" } else { "flat" });
    }
    Dataset {
        maps: None,
        shape: ItemShape::Image { height, width, channels: 1 },
        values: Values::U8(values),
        labels: Some(Labels::from_texts(&names)),
        names: None,
    }
}

/// A source without a test part.
pub fn source(train: Dataset) -> Source {
    Source { name: "npy".to_owned(), train, test: None, notes: Vec::new() }
}

/// So many threads.
pub fn compute(threads: usize) -> Compute {
    Compute::new(threads).unwrap()
}

/// A run ready to start.
pub fn trainer(settings: &[&str], rows: Dataset, compute: &Compute) -> Trainer {
    let setup =
        Setup::new(&recipe(settings), source(rows)).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
    Trainer::new(setup, compute).unwrap_or_else(|error| panic!("{settings:?}: {error}"))
}

/// A checkpoint path that is written only when asked for: checkpoints by time are far off in these tests.
fn nowhere() -> &'static Path {
    Path::new("no-folder-of-this-name/model.checkpoint")
}

/// Trains to the end; the model and every epoch.
pub fn train(settings: &[&str], rows: Dataset, compute: &Compute) -> (Model, Vec<EpochRecord>) {
    let mut trainer = trainer(settings, rows, compute);
    trainer
        .train(nowhere(), &mut |_| Signal::Continue)
        .unwrap_or_else(|error| panic!("{settings:?}: {error}"));
    let history = trainer.history().to_vec();
    (trainer.finish().unwrap().0, history)
}

/// The bytes of a model's file.
pub fn file_bytes(model: &Model) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.narrows");
    model.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// The values of a model's tensor.
pub fn tensor<'m>(model: &'m Model, name: &str) -> &'m [f32] {
    &model.tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no {name}")).values
}

/// Bits, for comparisons that forgive nothing.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// `count` numbers from low to high, no two alike.
pub fn numbers(count: usize, low: f64, high: f64, salt: u32) -> Vec<f64> {
    let mut stream = Stream::new(4, 79, salt);
    (0..count).map(|_| low + (high - low) * f64::from(stream.uniform())).collect()
}

/// As the f32 that a plan is fed.
pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// A network small enough to train in a moment.
pub const SMALL: [&str; 5] =
    ["model.hidden=[8]", "model.code=2", "train.batch=16", "train.epochs=40", "data.prepare=standardise"];

/// A base with more settings after it.
pub fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}
