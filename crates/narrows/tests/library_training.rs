//! Training end to end on tiny made data: every kind of part learns, and what is reported is what happened.

mod library_support;

use library_support::{SMALL, bits, compute, pictures, source, table, tensor, train, trainer, with};
use narrows::Error;
use narrows::apply::Codec;
use narrows::data::Dataset;
use narrows::model_file::{self, Model};
use narrows::train::{Compute, EpochRecord, Event, Setup, Signal, Trainer};

/// The conformance suite: each line changes one or several parts; loss falls, and the saved model encodes the same bits.
#[test]
fn every_kind_of_part_learns_and_is_kept() {
    let optimisers = [
        "train.optimiser=sgd",
        "train.optimiser=momentum",
        "train.optimiser=nesterov",
        "train.optimiser=rmsprop",
        "train.optimiser=adagrad",
        "train.optimiser=adam",
        "train.optimiser=adamw",
    ];
    let schedules = [
        "train.schedule=constant",
        "train.schedule={ kind = 'step', every = 4 }",
        "train.schedule=exponential",
        "train.schedule=cosine",
        "train.schedule=one-cycle",
        "train.schedule={ kind = 'plateau', patience = 2 }",
    ];
    let activations =
        ["identity", "sigmoid", "tanh", "relu", "leaky-relu", "elu", "silu", "gelu", "softplus", "softmax"]
            .map(|name| format!("model.activation={name}"));
    let initials =
        ["auto", "glorot-uniform", "glorot-normal", "he-uniform", "he-normal", "lecun", "orthogonal"]
            .map(|name| format!("model.initial={name}"));
    let kinds: [&[&str]; 9] = [
        &[],
        &["model.decoder=[5, 9]"],
        &["model.decoder=[]", "model.hidden=[]"],
        &["model.code=11", "train.corruption={ kind = 'gaussian', deviation = 0.1 }"],
        &["model.code=2", "model.hidden=[9, 7]", "model.code_activation=tanh"],
        &["model.output=bernoulli", "data.prepare=unit"],
        &["model.kind=classifier"],
        &["model.kind=classifier", "model.hidden=[]", "model.batch_normalisation=true"],
        &["model.initial={ kind = 'sparse', connections = 3 }"],
    ];
    let extras: [&[&str]; 6] = [
        &[],
        &["model.batch_normalisation=true"],
        &["model.dropout=0.1"],
        &["model.batch_normalisation=true", "model.dropout=0.1", "model.input_dropout=0.1"],
        &["train.average=0.9", "train.clip_norm=5", "train.warmup=0.5"],
        &["train.patience=9", "train.clip_value=1", "train.weight_decay=0.0001"],
    ];
    // Lists of coprime or unequal lengths are walked side by side, so that over the rounds most pairs of choices meet.
    let compute = compute(1);
    for round in 0..42 {
        let optimiser = optimisers[round % 7];
        let rate = match round % 7 {
            0 => "train.learning_rate=0.02",
            1 | 2 => "train.learning_rate=0.005",
            4 => "train.learning_rate=0.05",
            _ => "train.learning_rate=0.01",
        };
        let mut settings = with(&SMALL, &[optimiser, rate, schedules[(round + round / 7) % 6]]);
        settings.push(&activations[round % 10]);
        settings.push(&initials[(round / 2) % 7]);
        settings.extend(kinds[(round + round / 9) % 9]);
        settings.extend(extras[(round / 3 + round) % 6]);
        learns(&settings, &compute);
    }
}

fn learns(settings: &[&str], compute: &Compute) {
    let rows = table(120, 6, 1);
    let (model, history) = train(settings, rows.clone(), compute);
    let (first, last) = (history[0].train_loss, history[history.len() - 1].train_loss);
    assert!(last < 0.95 * first, "{settings:?}: {first} to {last}");
    let held_out = |at: usize| history[at].held_out_loss.unwrap();
    assert!(held_out(history.len() - 1) < held_out(0), "{settings:?}: {history:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.narrows");
    model.save(&path).unwrap();
    let stored = rows.values.to_f32();
    let fresh = Codec::new(model, compute).unwrap().encode(&stored).unwrap();
    let loaded = Codec::load(&path, compute).unwrap().encode(&stored).unwrap();
    assert_eq!(bits(&fresh), bits(&loaded), "{settings:?}");
    assert!(fresh.iter().any(|code| *code != fresh[0]), "{settings:?}: every code is the same");
}

/// 20 rows in batches of 7, 7 and 6: with a rate so small that nothing moves, the epoch's loss is the mean over rows.
#[test]
fn a_short_last_batch_counts_by_its_rows() {
    let settings = [
        "model.hidden=[]",
        "model.code=2",
        "model.output=gaussian",
        "data.prepare=none",
        "data.validation=0",
        "data.test=0",
        "train.batch=7",
        "train.epochs=1",
        "train.optimiser=sgd",
        "train.learning_rate=1e-12",
    ];
    let rows = table(20, 5, 3);
    let compute = compute(1);
    let (model, history) = train(&settings, rows.clone(), &compute);
    let stored = rows.values.to_f32();
    let rebuilt = Codec::new(model, &compute).unwrap().reconstruct(&stored).unwrap();
    let total: f64 = stored.iter().zip(&rebuilt).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
    assert!(
        (history[0].train_loss / (total / 20.0) - 1.0).abs() < 1e-6,
        "{} {}",
        history[0].train_loss,
        total / 20.0
    );
    assert_eq!(history[0].held_out_loss, None);
}

/// The gradient of a short batch is divided by its own rows: one step on 5 of 5 rows is that of a batch of 5, whatever
/// the batch was to be.
#[test]
fn a_batch_larger_than_the_data_is_the_data() {
    let steps = |batch: &str| {
        let settings = with(
            &SMALL,
            &["data.validation=0", "data.test=0", "train.optimiser=sgd", "train.epochs=2", batch],
        );
        bits(tensor(&train(&settings, table(5, 4, 1), &compute(1)).0, "encoder.0.weight"))
    };
    assert_eq!(steps("train.batch=5"), steps("train.batch=500"));
}

/// The loss of a model on the validation rows, by its codec.
fn validation_loss(model: &Model, rows: &Dataset, setup: &Setup, compute: &Compute) -> f64 {
    let stored = rows.select(&setup.split.validation).values.to_f32();
    let rebuilt = Codec::new(model.clone(), compute).unwrap().reconstruct_prepared(&stored).unwrap();
    let mut prepared = stored;
    setup.preparation.prepare(&mut prepared);
    let total: f64 = prepared.iter().zip(&rebuilt).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    total / setup.split.validation.len() as f64
}

/// Few rows, many units, a rate that is too large: the validation loss has its lowest point somewhere in between.
const OVERFITTING: [&str; 7] = [
    "model.hidden=[40]",
    "model.code=4",
    "model.output=gaussian",
    "train.batch=8",
    "train.epochs=60",
    "train.learning_rate=0.02",
    "train.schedule=constant",
];

#[test]
fn early_stopping_keeps_the_best_weights() {
    let compute = compute(1);
    let rows = table(50, 9, 4);
    for average in ["train.average=0", "train.average=0.8"] {
        let settings = with(&OVERFITTING, &["train.patience=6", "data.validation=0.3", average]);
        let mut run = trainer(&settings, rows.clone(), &compute);
        let mut stopped = 0;
        run.train(std::path::Path::new("unused"), &mut |event| {
            stopped += usize::from(matches!(event, Event::Stopped { patience: 6 }));
            Signal::Continue
        })
        .unwrap();
        let history = run.history().to_vec();
        let (model, setup) = run.finish().unwrap();
        let best =
            history.iter().min_by(|a, b| a.held_out_loss.partial_cmp(&b.held_out_loss).unwrap()).unwrap();
        let last = &history[history.len() - 1];
        assert_eq!((stopped, history.len()), (1, best.epoch + 6), "{average}: {history:?}");
        assert!(last.held_out_loss > best.held_out_loss.map(|loss| loss * 1.001));
        assert_eq!(model.description.best_epoch, Some(best.epoch));
        let found = validation_loss(&model, &rows, &setup, &compute);
        assert!((found / best.held_out_loss.unwrap() - 1.0).abs() < 1e-5, "{average}: {found}, {best:?}");
    }
}

#[test]
fn without_early_stopping_the_last_weights_are_kept() {
    let compute = compute(1);
    let rows = table(50, 9, 4);
    let settings = with(&OVERFITTING, &["data.validation=0.3"]);
    let mut run = trainer(&settings, rows.clone(), &compute);
    run.train(std::path::Path::new("unused"), &mut |_| Signal::Continue).unwrap();
    let last = run.history()[59].held_out_loss.unwrap();
    let (model, setup) = run.finish().unwrap();
    assert_eq!(model.description.best_epoch, None);
    assert!((validation_loss(&model, &rows, &setup, &compute) / last - 1.0).abs() < 1e-5);
}

fn rates(settings: &[&str]) -> Vec<f64> {
    let history = train(&with(&SMALL, settings), table(60, 6, 1), &compute(1)).1;
    history.iter().map(|epoch: &EpochRecord| epoch.learning_rate).collect()
}

#[test]
fn a_plateau_lowers_the_rate_and_warming_up_raises_it() {
    // Nothing can get better at a rate of nothing, so every second epoch is a fall: the first counts as better.
    let plateau = "train.schedule={ kind = 'plateau', patience = 2, factor = 0.5 }";
    let found = rates(&[plateau, "train.learning_rate=1e-30", "train.optimiser=sgd", "train.epochs=7"]);
    let expected = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25];
    assert!(found.iter().zip(expected).all(|(rate, share)| (rate / 1e-30 - share).abs() < 1e-9), "{found:?}");
    // 48 rows in batches of 16: three steps an epoch, rates taken at the middle of a step.
    let found =
        rates(&["train.warmup=2", "train.schedule=constant", "train.learning_rate=0.01", "train.epochs=4"]);
    let expected = [2.5 / 6.0, 5.5 / 6.0, 1.0, 1.0];
    assert!(found.iter().zip(expected).all(|(rate, share)| (rate / 0.01 - share).abs() < 1e-9), "{found:?}");
}

/// The rate of the schedule reaches the weights: with sgd and one step an epoch each change is rate × gradient.
#[test]
fn the_schedule_reaches_the_weights() {
    let weight = |schedule: &str, epochs: &str| {
        let settings =
            ["train.optimiser=sgd", "train.learning_rate=0.001", "train.batch=100", schedule, epochs];
        tensor(&train(&with(&SMALL, &settings), table(60, 6, 1), &compute(1)).0, "encoder.0.weight").to_vec()
    };
    let change = |schedule| {
        let (one, two) = (weight(schedule, "train.epochs=1"), weight(schedule, "train.epochs=2"));
        one.iter().zip(&two).map(|(a, b)| f64::from(a - b).abs()).sum::<f64>()
    };
    let constant = change("train.schedule=constant");
    // The first step, at the middle of the first epoch, is 10^-0.5 of a constant rate's, the second 10^-1.5.
    let falling = change("train.schedule={ kind = 'exponential', factor = 0.1 }");
    assert!((falling / constant - 10f64.powf(-1.5)).abs() < 0.005, "{}", falling / constant);
}

/// The average is Σ wₜ d^(T−t) (1 − d) over (1 − d^T), which a checkpoint after every step allows to be added up.
#[test]
fn the_average_is_freed_of_its_start() {
    let compute = compute(1);
    let settings = with(&SMALL, &["train.epochs=2", "train.average=0.6"]);
    let averaged = train(&settings, table(60, 6, 1), &compute).0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let mut weights: Vec<Vec<f32>> = Vec::new();
    for stop in 1..=6 {
        let mut run = trainer(&settings, table(60, 6, 1), &compute);
        let mut done = 0;
        run.train(&path, &mut |event| {
            done += usize::from(matches!(event, Event::Step { .. }));
            if done >= stop { Signal::Stop } else { Signal::Continue }
        })
        .unwrap();
        let tensors = model_file::read(&path, "checkpoint").unwrap().tensors;
        weights.push(tensors.into_iter().find(|tensor| tensor.name == "decoder.1.weight").unwrap().values);
    }
    let found = tensor(&averaged, "decoder.1.weight");
    let norm = 1.0 - 0.6f64.powi(6);
    for (at, found) in found.iter().enumerate() {
        let share = |step: usize| 0.4 * 0.6f64.powi(5 - step as i32) / norm;
        let expected: f64 = (0..6).map(|step| share(step) * f64::from(weights[step][at])).sum();
        assert!((f64::from(*found) - expected).abs() < 1e-6, "[{at}]: {found}, {expected}");
    }
}

#[test]
fn a_loss_that_is_no_number_ends_training() {
    let settings =
        with(&SMALL, &["train.optimiser=sgd", "train.learning_rate=1e30", "model.output=gaussian"]);
    let mut run = trainer(&settings, table(60, 6, 1), &compute(1));
    let error = run.train(std::path::Path::new("unused"), &mut |_| Signal::Continue).unwrap_err();
    assert!(matches!(error, Error::Diverged { epoch: 1, .. }), "{error}");
    // The very last step's change is looked at too, with and without rows to look by.
    for validation in ["data.validation=0.1", "data.validation=0"] {
        let last =
            with(&settings, &["train.epochs=1", "train.batch=100", "train.learning_rate=3e38", validation]);
        let mut run = trainer(&last, table(60, 6, 1), &compute(1));
        let error = run.train(std::path::Path::new("unused"), &mut |_| Signal::Continue);
        assert!(matches!(error, Err(Error::Diverged { epoch: 1, step: 1, .. })), "{validation}: {error:?}");
    }
}

/// 33 training rows in batches of 16 leave one row, which has no variance: it must not pull the running ones to nothing.
#[test]
fn a_last_batch_of_one_row_leaves_running_statistics_alone() {
    let rows = table(33, 6, 1);
    let settings = with(
        &SMALL,
        &["model.batch_normalisation=true", "data.validation=0", "data.test=0", "train.epochs=3"],
    );
    let model = train(&settings, rows, &compute(1)).0;
    let without = with(&settings, &["train.batch=33"]);
    let plain = train(&without, table(33, 6, 1), &compute(1)).0;
    // Six steps of full batches, three without any variance: blended in, those would leave 0.9³ of it.
    let ratio = |name: &str| {
        let sum = |model: &Model| tensor(model, name).iter().map(|v| f64::from(*v)).sum::<f64>();
        sum(&model) / sum(&plain)
    };
    assert!(tensor(&model, "encoder.0.variance").iter().all(|v| *v > 0.3), "{}", ratio("encoder.0.variance"));
    assert!(model.tensors.iter().all(|tensor| tensor.values.iter().all(|v| v.is_finite())));
}

#[test]
fn a_code_as_wide_as_the_row_is_noted_unless_something_holds_it_back() {
    let notes = |settings: &[&str]| {
        Setup::new(&library_support::recipe(settings), source(table(60, 6, 1))).unwrap().notes()
    };
    let wide = ["model.hidden=[]", "model.code=6"];
    assert_eq!(notes(&wide).len(), 1);
    assert!(notes(&wide)[0].contains("6 units"), "{:?}", notes(&wide));
    for restraint in [
        "train.corruption={ kind = 'gaussian', deviation = 0.1 }",
        "model.input_dropout=0.1",
        "train.weight_decay=0.1",
        "model.code=5",
        "model.hidden=[3]",
        "model.kind=classifier",
    ] {
        assert_eq!(notes(&with(&wide, &[restraint])), [""; 0], "{restraint}");
    }
}

#[test]
fn outputs_that_do_not_suit_the_rows_are_refused() {
    let setup = |settings: &[&str]| Setup::new(&library_support::recipe(settings), source(table(60, 6, 1)));
    let refused = |settings: &[&str]| match setup(settings) {
        Err(error @ Error::Setting { .. }) => assert!(error.hint().is_some()),
        Err(error) => panic!("{settings:?}: {error}"),
        Ok(_) => panic!("{settings:?} was accepted"),
    };
    refused(&["model.output=bernoulli", "data.prepare=standardise"]);
    refused(&["model.output=categorical", "data.prepare=none"]);
    refused(&["train.augment_shift=1"]);
    assert!(setup(&["model.output=bernoulli", "data.prepare=unit"]).is_ok());
    // One class of several, written out.
    let mut rows = table(30, 3, 1);
    let one_hot: Vec<f32> = (0..90).map(|at| f32::from(u8::from(at % 3 == (at / 3) % 3))).collect();
    rows.values = narrows::data::Values::F32(one_hot);
    let recipe = library_support::recipe(&["model.output=categorical", "data.prepare=none", "model.code=2"]);
    assert!(Setup::new(&recipe, source(rows)).is_ok());
    let mut unlabelled = table(30, 3, 1);
    unlabelled.labels = None;
    let classifier = library_support::recipe(&["model.kind=classifier"]);
    assert!(matches!(Setup::new(&classifier, source(unlabelled)), Err(Error::NoLabels { .. })));
    let mut image = trainer(&["train.augment_shift=4", "model.hidden=[]"], pictures(20, 1), &compute(1));
    assert!(image.train(std::path::Path::new("unused"), &mut |_| Signal::Continue).is_ok());
    let far = library_support::recipe(&["train.augment_shift=5"]);
    assert!(matches!(Setup::new(&far, source(pictures(20, 1))), Err(Error::Setting { .. })));
}

#[test]
fn what_is_predicted_is_what_is_there() {
    let run: Trainer = trainer(&SMALL, table(60, 6, 1), &compute(1));
    let prediction = run.prediction();
    // 6·8 + 8, 8·2 + 2, 2·8 + 8, 8·6 + 6.
    assert_eq!(prediction.parameters, 56 + 18 + 24 + 54);
    assert!(prediction.peak_bytes > 60 * 6 * 4 && prediction.flops_an_epoch > 0);
}
