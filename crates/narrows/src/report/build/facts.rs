//! What was trained on what, in words: names and values for the top of the page.

use crate::apply::Codec;
use crate::autoencoder::Output;
use crate::data::{ItemShape, Preparation, Source};
use crate::model_file::Description;
use crate::recipe::{Activation, Recipe};
use crate::report::html::whole;

/// The facts of a model; `source` is where the rows come from that the page shows.
pub(super) fn of(codec: &Codec, source: &Source) -> Vec<(String, String)> {
    let description = &codec.model().description;
    let recipe = &description.recipe;
    let mut facts = vec![
        ("source", source_words(&description.source).to_owned()),
        ("rows", rows(description)),
        ("a row", shape(&description.shape)),
        ("preparation", preparation(&description.preparation, &description.shape)),
        ("network", codec.network().widths()),
        ("units", units(recipe)),
        ("parameters", count(codec.network().parameter_count())),
        ("output and loss", output(description.output).to_owned()),
    ];
    if description.is_imported() {
        facts.retain(|(name, _)| *name != "rows");
        facts.push(("weights", "imported".to_owned()));
    } else {
        facts.extend(training(description, source));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How it was trained, and whether on the rows that are shown.
fn training(description: &Description, source: &Source) -> Vec<(&'static str, String)> {
    let recipe = &description.recipe;
    let mut facts = vec![
        ("optimiser", format!("{}, learning rate {}", recipe.train.optimiser, recipe.train.learning_rate)),
        ("schedule", schedule(recipe)),
    ];
    let aids = aids(recipe);
    if !aids.is_empty() {
        facts.push(("regularisation", aids.join(", ")));
    }
    facts.extend([
        ("epochs", epochs(description)),
        ("seed", recipe.train.seed.to_string()),
        ("fingerprint of the rows", description.fingerprint.chars().take(12).collect()),
    ]);
    let fingerprint = source.fingerprint();
    if fingerprint != description.fingerprint {
        let start: String = fingerprint.chars().take(12).collect();
        facts.push(("rows shown here", format!("others than those trained on: {start}")));
    }
    facts
}

/// Where rows come from, in words.
pub(super) fn source_words(name: &str) -> &str {
    match name {
        "glyphs" => "digits drawn by Narrows",
        "idx" => "IDX files",
        "pictures" => "a folder of pictures",
        "npy" => "a NumPy file",
        "csv" => "a table (CSV)",
        "text" => "texts",
        other => other,
    }
}

fn count(number: usize) -> String {
    whole(number as f64)
}

/// "1 epoch", "2 epochs".
fn counted(number: f64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1.0 { "" } else { "s" })
}

fn rows(description: &Description) -> String {
    let rows = description.rows;
    let parts = [(rows.train, "training"), (rows.validation, "validation"), (rows.test, "test")];
    let some = parts.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(number, name)| format!("{} {name}", count(number))).collect::<Vec<_>>().join(", ")
}

fn shape(shape: &ItemShape) -> String {
    match shape {
        ItemShape::Image { height, width, channels } => {
            let colours = match channels {
                1 => "grey".to_owned(),
                3 => "colour".to_owned(),
                other => format!("{other} channels"),
            };
            format!("{height} × {width} pixels, {colours}")
        }
        ItemShape::Vector { .. } => shape.describe(),
    }
}

fn preparation(preparation: &Preparation, shape: &ItemShape) -> String {
    let (words, entries) = match preparation {
        Preparation::None => return "none: values as they are stored".to_owned(),
        Preparation::Scale { minimum, maximum } if minimum.len() == 1 => {
            return format!("{} to {} become 0 to 1", minimum[0], maximum[0]);
        }
        Preparation::TfIdf { .. } => {
            return "counts of words as tf-idf weights, of length 1 in each row".to_owned();
        }
        Preparation::Scale { minimum, .. } => ("0 to 1", minimum.len()),
        Preparation::Standardise { mean, .. } => ("mean 0, deviation 1", mean.len()),
    };
    let each = match shape {
        _ if entries == 1 => "over all values",
        ItemShape::Image { channels, .. } if entries == *channels => "in each channel",
        ItemShape::Image { .. } => "in each pixel",
        ItemShape::Vector { .. } => "in each column",
    };
    format!("{words} {each}")
}

fn units(recipe: &Recipe) -> String {
    let model = &recipe.model;
    let name = |activation: Activation| match activation {
        Activation::Identity => "linear",
        other => other.name(),
    };
    let inner = !model.hidden.is_empty() || model.decoder_depth() > 0;
    let mut words = match (inner, model.code_activation == model.activation) {
        (true, false) => format!("{}, code {}", name(model.activation), name(model.code_activation)),
        _ => name(model.code_activation).to_owned(),
    };
    if model.batch_normalisation {
        words.push_str(", batch normalisation");
    }
    words
}

fn output(output: Output) -> &'static str {
    match output {
        Output::Gaussian => "linear units, squared error",
        Output::Bernoulli => "sigmoid units, cross-entropy",
        Output::Categorical => "softmax, cross-entropy",
    }
}

fn schedule(recipe: &Recipe) -> String {
    let train = &recipe.train;
    let mut words = train.schedule.name().to_owned();
    if train.warmup > 0.0 {
        words.push_str(&format!(", warm-up over {}", counted(train.warmup, "epoch")));
    }
    words
}

/// What keeps the network from learning rows by heart, and gradients short.
fn aids(recipe: &Recipe) -> Vec<String> {
    let (model, train) = (&recipe.model, &recipe.train);
    let numbers = [
        (model.dropout, "dropout"),
        (model.input_dropout, "input dropout"),
        (train.weight_decay, "weight decay"),
        (train.average, "weights averaged with decay"),
        (train.clip_norm, "gradient norm at most"),
        (train.clip_value, "gradient entries at most"),
    ];
    let used = numbers.into_iter().filter(|(value, _)| *value > 0.0);
    let mut aids = recipe.parts();
    aids.extend(used.map(|(value, name)| format!("{name} {value}")));
    if train.augment_shift > 0 {
        aids.push(format!("shifts up to {}", counted(train.augment_shift as f64, "pixel")));
    }
    if train.patience > 0 {
        aids.push(format!("early stopping after {}", counted(train.patience as f64, "epoch")));
    }
    aids
}

fn epochs(description: &Description) -> String {
    let (done, train) = (description.history.len(), &description.recipe.train);
    let of = if done < train.epochs { format!("{done} of {}", train.epochs) } else { done.to_string() };
    format!("{of}, {} rows a step", count(train.batch.min(description.rows.train)))
}
