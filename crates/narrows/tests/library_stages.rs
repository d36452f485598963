//! Pre-training: which weights each stage moves, on which rows, and what is left of it in the model.

mod library_support;

use library_support::{compute, pictures, recipe, source, train, with};
use narrows::data::{Dataset, Labels};
use narrows::model_file;
use narrows::train::{Event, Setup, Signal, Trainer};
use std::collections::{BTreeMap, BTreeSet};

const BASE: [&str; 6] = [
    "model.hidden=[7, 6]",
    "model.code=3",
    "model.activation=tanh",
    "train.epochs=2",
    "train.batch=16",
    "data.validation=0.2",
];

/// The weights and biases in the checkpoint after so many epochs.
fn after(settings: &[&str], epochs: usize) -> BTreeMap<String, Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.checkpoint");
    let setup = Setup::new(&recipe(settings), source(pictures(60, 1))).unwrap();
    let mut trainer = Trainer::new(setup, &compute(1)).unwrap();
    let mut observe = |event: &Event| match event {
        Event::Epoch { record, .. } if record.epoch == epochs => Signal::Stop,
        _ => Signal::Continue,
    };
    trainer.train(&path, &mut observe).unwrap();
    let tensors = model_file::read(&path, "checkpoint").unwrap().tensors;
    let layers = tensors.into_iter().filter(|tensor| !tensor.name.contains('/'));
    layers.map(|tensor| (tensor.name, tensor.values)).collect()
}

/// Layers that differ.
fn moved(before: &BTreeMap<String, Vec<f32>>, now: &BTreeMap<String, Vec<f32>>) -> BTreeSet<String> {
    let changed = before.iter().filter(|(name, values)| now[*name] != **values);
    changed.map(|(name, _)| name.rsplit_once('.').unwrap().0.to_owned()).collect()
}

fn layers(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn greedy_stages_move_one_layer_and_its_mirror_image_each() {
    let settings = with(&BASE, &["train.pretraining={ kind = 'greedy', epochs = 1 }"]);
    let states: Vec<_> = (1..=4).map(|epochs| after(&settings, epochs)).collect();
    assert_eq!(moved(&states[0], &states[1]), layers(&["encoder.1", "decoder.1"]));
    assert_eq!(moved(&states[1], &states[2]), layers(&["encoder.2", "decoder.0"]));
    let all = ["encoder.0", "encoder.1", "encoder.2", "decoder.0", "decoder.1", "decoder.2"];
    assert_eq!(moved(&states[2], &states[3]), layers(&all));
}

#[test]
fn growing_stages_move_all_layers_so_far() {
    let settings = with(&BASE, &["train.pretraining={ kind = 'growing', epochs = 1 }"]);
    let states: Vec<_> = (1..=3).map(|epochs| after(&settings, epochs)).collect();
    let two = ["encoder.0", "encoder.1", "decoder.1", "decoder.2"];
    assert_eq!(moved(&states[0], &states[1]), layers(&two));
    assert_eq!(moved(&states[1], &states[2]), layers(&[&two[..], &["encoder.2", "decoder.0"]].concat()));
}

/// Losses fall within every stage, and epochs are told with their stage.
#[test]
fn every_stage_learns() {
    let settings =
        with(&BASE, &["train.pretraining={ kind = 'greedy', epochs = 8 }", "train.learning_rate=0.01"]);
    let history = train(&settings, pictures(120, 1), &compute(2)).1;
    let stages: Vec<usize> = history.iter().map(|record| record.stage).collect();
    assert_eq!(stages, [[1; 8], [2; 8], [3; 8]].concat().into_iter().chain([0, 0]).collect::<Vec<_>>());
    for stage in 1..=3 {
        let own: Vec<_> = history.iter().filter(|record| record.stage == stage).collect();
        assert!(own[7].train_loss < 0.9 * own[0].train_loss, "stage {stage}: {own:?}");
        assert!(own[7].held_out_loss < own[0].held_out_loss, "stage {stage}");
    }
    // Rates follow each stage's own schedule: low at its end, high again at the next one's beginning.
    assert!(history[8].learning_rate > 10.0 * history[7].learning_rate);
}

/// What layers learned before, the whole network starts from: its first epochs are better than without.
#[test]
fn pretraining_is_a_better_start() {
    let start = |pretraining: &str| {
        let settings = with(&BASE, &["model.hidden=[20, 12]", "model.code=6", pretraining]);
        let history = train(&settings, pictures(200, 1), &compute(2)).1;
        history.iter().find(|record| record.stage == 0).unwrap().train_loss
    };
    let (plain, greedy) =
        (start("train.pretraining=none"), start("train.pretraining={ kind = 'greedy', epochs = 30 }"));
    assert!(greedy < 0.8 * plain, "{greedy}, {plain}");
}

/// A classifier's layers learn with partners, which are no part of the model; labels are seen for some rows alone.
#[test]
fn a_classifier_is_pretrained_without_labels() {
    let settings = [
        "model.kind=classifier",
        "model.hidden=[9]",
        "model.code=5",
        "train.epochs=20",
        "train.batch=16",
        "train.pretraining={ kind = 'greedy', epochs = 3 }",
        "data.labels_per_class=4",
    ];
    let run = |rows: Dataset| {
        let setup = Setup::new(&recipe(&settings), source(rows)).unwrap();
        let labelled = setup.stages[2].rows.clone();
        assert_eq!(setup.stages.iter().map(|stage| stage.rows.len()).collect::<Vec<_>>(), [96, 96, 8]);
        (Trainer::new(setup, &compute(1)).unwrap(), labelled)
    };
    let rows = pictures(120, 1);
    let (mut trainer, labelled) = run(rows.clone());
    let nowhere = std::path::Path::new("no-folder-of-this-name/m.checkpoint");
    trainer.train(nowhere, &mut |_| Signal::Continue).unwrap();
    let model = trainer.finish().unwrap().0;
    let names: BTreeSet<&str> =
        model.tensors.iter().map(|tensor| tensor.name.split('.').next().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["encoder", "output"]));
    let classes = |row: &u32| rows.labels.as_ref().unwrap().of_row[*row as usize];
    assert_eq!(labelled.iter().filter(|row| classes(row) == 0).count(), 4);

    // Labels of all other training rows may be anything.
    let mut wrong = rows.clone();
    let texts: Vec<String> = (0..120u32)
        .map(|row| {
            let labels = rows.labels.as_ref().unwrap();
            let known = labels.names[labels.of_row[row as usize] as usize].clone();
            let flipped = if known == "flat" { "upright" } else { "flat" };
            if labelled.contains(&row) { known } else { flipped.to_owned() }
        })
        .collect();
    wrong.labels = Some(Labels::from_texts(&texts));
    let few = Setup::new(&recipe(&settings), source(wrong)).unwrap();
    assert_eq!(few.stages[2].rows.len(), 8);
    let many = recipe(&with(&settings, &["data.labels_per_class=400"]));
    let refused = Setup::new(&many, source(rows)).err().unwrap().to_string();
    assert!(refused.contains("400 rows of class"), "{refused}");
}

/// A stage begins with moments of its own: after its first step they hold that step's gradient alone.
#[test]
fn every_stage_begins_with_fresh_moments() {
    let settings = with(&BASE, &["train.pretraining={ kind = 'greedy', epochs = 1 }"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.checkpoint");
    let setup = Setup::new(&recipe(&settings), source(pictures(60, 1))).unwrap();
    let mut trainer = Trainer::new(setup, &compute(1)).unwrap();
    let mut observe = |event: &Event| match event {
        Event::Step { epoch: 4, step: 1, .. } => Signal::Stop,
        _ => Signal::Continue,
    };
    trainer.train(&path, &mut observe).unwrap();
    let tensors = model_file::read(&path, "checkpoint").unwrap().tensors;
    let of = |name: &str| &tensors.iter().find(|tensor| tensor.name == name).unwrap().values;
    let (mean, square) = (of("mean/encoder.0.weight"), of("square/encoder.0.weight"));
    for (mean, square) in mean.iter().zip(square) {
        let gradient = f64::from(*mean) / 0.1;
        assert!(
            (f64::from(*square) - 0.001 * gradient * gradient).abs() <= 1e-4 * f64::from(*square) + 1e-12
        );
    }
    assert!(mean.iter().any(|value| *value != 0.0));
}

/// What a layer of sigmoid units says is rebuilt by cross-entropy: with weights of 0 it says ½ everywhere, and ln 2 a unit is left.
#[test]
fn sigmoid_layers_are_rebuilt_by_cross_entropy() {
    let settings = with(
        &BASE,
        &[
            "model.activation=sigmoid",
            "model.initial={ kind = 'constant', value = 0.0 }",
            "train.optimiser=sgd",
            "train.learning_rate=1e-30",
            "train.pretraining={ kind = 'greedy', epochs = 1 }",
        ],
    );
    let history = train(&settings, pictures(60, 1), &compute(1)).1;
    for (stage, units) in [(2, 7.0), (3, 6.0)] {
        let loss = history.iter().find(|record| record.stage == stage).unwrap().train_loss;
        assert!((loss - units * 2f64.ln()).abs() < 1e-4, "stage {stage}: {loss}");
    }
}

/// A stack of Boltzmann machines as the start of a classifier: its machines' partners have biases only and are no part of the model.
#[test]
fn a_classifier_starts_from_boltzmann_machines() {
    let settings = [
        "model.kind=classifier",
        "model.hidden=[9]",
        "model.code=5",
        "model.activation=sigmoid",
        "train.epochs=2",
        "train.batch=16",
        "train.pretraining={ kind = 'rbm', epochs = 2 }",
    ];
    let (model, history) = train(&settings, pictures(120, 1), &compute(1));
    let stages: Vec<usize> = history.iter().map(|record| record.stage).collect();
    assert_eq!(stages, [1, 1, 2, 2, 0, 0]);
    let names: BTreeSet<&str> =
        model.tensors.iter().map(|tensor| tensor.name.split('.').next().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["encoder", "output"]));
}
