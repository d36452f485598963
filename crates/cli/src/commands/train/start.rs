//! What is said before training starts: what will be trained on what, and what it will take.

use crate::wording::{bytes, count, flops, table};
use narrows::data::Preparation;
use narrows::recipe::{ClassWeights, Recipe};
use narrows::train::{Compute, Setup, Trainer};

/// The run in a few lines.
pub fn described(trainer: &Trainer, compute: &Compute) -> String {
    let (setup, prediction) = (trainer.setup(), trainer.prediction());
    let recipe = &setup.recipe;
    let about = if recipe.about.is_empty() { String::new() } else { format!(": {}", recipe.about) };
    let line = |name: &str, text: String| vec![name.to_owned(), text];
    let threads = compute.pool.threads();
    let lines = [
        line("rows", rows(setup)),
        line(
            "network",
            format!("{}, {} parameters", setup.network.widths(), count(prediction.parameters as u64)),
        ),
        line("units", units(recipe)),
        line("output", output(setup)),
        line("training", training(setup)),
        line(
            "computing",
            format!(
                "{threads} {}, {}; {} an epoch",
                if threads == 1 { "thread" } else { "threads" },
                compute.level.name(),
                flops(prediction.flops_an_epoch)
            ),
        ),
        line("memory", format!("about {} at most", bytes(prediction.peak_bytes))),
    ];
    format!("training {}{about}\n{}", recipe.name, table(&lines, |_| false))
}

fn rows(setup: &Setup) -> String {
    let split = &setup.split;
    let mut parts = vec![format!("{} to learn from", count(split.train.len() as u64))];
    if !split.validation.is_empty() {
        parts.push(format!("{} held out", count(split.validation.len() as u64)));
    }
    if !split.test.is_empty() {
        let whose = if split.test_is_own_part { "to test by, a part of their own" } else { "to test by" };
        parts.push(format!("{} {whose}", count(split.test.len() as u64)));
    }
    format!("{} ({}: {})", parts.join(", "), setup.source.name, setup.source.train.shape.describe())
}

fn units(recipe: &Recipe) -> String {
    let model = &recipe.model;
    let inner = !model.hidden.is_empty() || model.decoder_depth() > 0;
    let mut text = match (inner, model.code_activation == model.activation) {
        (true, false) => format!("{}, code {}", model.activation.name(), model.code_activation.name()),
        _ => model.code_activation.name().to_owned(),
    };
    for (share, what) in [(model.dropout, "dropout"), (model.input_dropout, "input dropout")] {
        if share > 0.0 {
            text.push_str(&format!(", {what} {share}"));
        }
    }
    if model.batch_normalisation {
        text.push_str(", batch normalisation");
    }
    for part in recipe.parts() {
        text.push_str(&format!(", {part}"));
    }
    text
}

fn output(setup: &Setup) -> String {
    let prepared = match setup.preparation {
        Preparation::None => "as they are",
        Preparation::Scale { .. } => "scaled to 0–1",
        Preparation::Standardise { .. } => "standardised",
        Preparation::TfIdf { .. } => "counted as tf-idf weights",
    };
    format!("{}, {}; rows {prepared}", setup.recipe.model.output, setup.output.loss_name())
}

fn training(setup: &Setup) -> String {
    let train = &setup.recipe.train;
    let mut text = format!(
        "{} {} in batches of {}, {} at {}, {} schedule, seed {}",
        count(train.epochs as u64),
        if train.epochs == 1 { "epoch" } else { "epochs" },
        train.batch,
        train.optimiser.name(),
        train.learning_rate,
        train.schedule.name(),
        train.seed
    );
    for (amount, what) in [
        (train.augment_shift as f64, "shifted"),
        (f64::from(u8::from(train.augment_flip)), "flipped"),
        (train.augment_crop, "cropped"),
        (train.augment_rotate, "rotated"),
        (train.augment_scale, "scaled"),
        (train.augment_brightness, "brightened"),
        (train.augment_elastic, "bent"),
    ] {
        if amount > 0.0 {
            let by = if what == "flipped" { String::new() } else { format!(" by up to {amount}") };
            text.push_str(&format!(", {what}{by}"));
        }
    }
    if train.class_weights != ClassWeights::Equal {
        text.push_str(&format!(", classes weighted by {}", train.class_weights));
    }
    let before: Vec<_> = setup.stages.iter().filter(|stage| stage.number > 0).collect();
    if !before.is_empty() {
        let epochs: usize = before.iter().map(|stage| stage.train.epochs).sum();
        let names: Vec<String> = before.iter().map(|stage| stage.name()).collect();
        text.push_str(&format!("; before that {} epochs for {}", count(epochs as u64), names.join(", ")));
    }
    if train.patience > 0 {
        text.push_str(&format!(", stops after {} epochs without a better held-out loss", train.patience));
    }
    text
}
