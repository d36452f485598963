//! Settings that are right by themselves and do not go together.

use super::{Decoder, ModelKind, OutputChoice, Recipe, RecipeProblem, Schedule, SourceKind};
use crate::data::Part;

/// The most weights between hidden layers that a recipe may ask for: 4 GB of them, and twice that for an optimiser.
const MOST_WEIGHTS: u128 = 1_000_000_000;

/// Adds every conflict between settings that have no problem of their own.
pub(super) fn find(recipe: &Recipe, problems: &mut Vec<RecipeProblem>) {
    let mut conflicts = Conflicts { problems };
    model(recipe, &mut conflicts);
    train(recipe, &mut conflicts);
    data(recipe, &mut conflicts);
}

/// Collects conflicts; one that follows from a wrong value elsewhere is not worth a line.
struct Conflicts<'a> {
    problems: &'a mut Vec<RecipeProblem>,
}

impl Conflicts<'_> {
    /// Records a conflict when `wrong`, unless one of the settings involved was already found wrong.
    fn add(&mut self, wrong: bool, paths: &[&str], expected: &str, found: String, hint: &str) {
        let touched = |problem: &RecipeProblem| paths.iter().any(|path| problem.path().starts_with(path));
        if wrong && !self.problems.iter().any(touched) {
            let (path, expected, hint) = (paths[0].to_string(), expected.to_string(), hint.to_string());
            self.problems.push(RecipeProblem::Conflict { path, expected, found, hint });
        }
    }
}

fn model(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let model = &recipe.model;
    let classifier = model.kind == ModelKind::Classifier;
    conflicts.add(
        classifier && model.decoder != Decoder::Mirror,
        &["model.decoder", "model.kind"],
        "no decoder in a classifier",
        format!("the widths {:?}", model.decoder_widths()),
        "leave model.decoder out, or set model.kind to \"autoencoder\"",
    );
    conflicts.add(
        classifier && !matches!(model.output, OutputChoice::Auto | OutputChoice::Categorical),
        &["model.output", "model.kind"],
        "\"categorical\" in a classifier",
        format!("\"{}\"", model.output),
        "leave model.output out, or set model.kind to \"autoencoder\"",
    );
    let mut widths = model.hidden.clone();
    widths.push(model.code);
    if !classifier {
        widths.extend(model.decoder_widths());
    }
    let weights: u128 = widths.windows(2).map(|pair| pair[0] as u128 * pair[1] as u128).sum();
    conflicts.add(
        weights > MOST_WEIGHTS,
        &["model.hidden", "model.code", "model.decoder"],
        "layers with at most 1,000,000,000 weights between them",
        format!("{weights} for the widths {widths:?}"),
        "choose narrower layers",
    );
    conflicts.add(
        model.batch_normalisation && recipe.train.batch == 1,
        &["model.batch_normalisation", "train.batch"],
        "false with one row in a batch, which has no variance",
        "true".to_string(),
        "set train.batch to 2 or more, or batch_normalisation to false",
    );
}

fn train(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let train = &recipe.train;
    conflicts.add(
        train.warmup > train.epochs as f64,
        &["train.warmup", "train.epochs"],
        &format!("at most the {} epochs of training", train.epochs),
        train.warmup.to_string(),
        "shorten train.warmup or raise train.epochs",
    );
    let without_validation = matches!(recipe.data.validation, Part::Rows(0) | Part::Share(0.0));
    conflicts.add(
        without_validation && train.patience > 0,
        &["train.patience", "data.validation"],
        "0 without validation rows, which early stopping looks at",
        train.patience.to_string(),
        "set data.validation to 0.1, or train.patience to 0",
    );
    conflicts.add(
        without_validation && matches!(train.schedule, Schedule::Plateau { .. }),
        &["train.schedule", "data.validation"],
        "another schedule without validation rows, which \"plateau\" looks at",
        format!("\"{}\"", train.schedule),
        "set data.validation to 0.1, or choose \"cosine\"",
    );
}

fn data(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let data = &recipe.data;
    let read_by = |kinds: &[SourceKind]| data.source == SourceKind::Auto || kinds.contains(&data.source);
    let misplaced = [
        (
            "data.label",
            data.label.is_some(),
            read_by(&[SourceKind::Csv, SourceKind::Npy]),
            "CSV and NPZ files",
        ),
        ("data.header", data.header.is_some(), read_by(&[SourceKind::Csv]), "CSV files"),
        ("data.array", data.array.is_some(), read_by(&[SourceKind::Npy]), "NPZ files"),
        ("data.path", data.path.is_some(), data.source != SourceKind::Glyphs, "sources that read files"),
    ];
    for (path, given, read, whose) in misplaced {
        conflicts.add(
            given && !read,
            &[path, "data.source"],
            &format!("none, since it is a setting of {whose}"),
            format!("one beside source = \"{}\"", data.source),
            &format!("leave {path} out, or change data.source"),
        );
    }
}
