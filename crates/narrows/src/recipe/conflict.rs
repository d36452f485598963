//! Settings that are right by themselves and do not go together.

use super::{
    Activation, Bottleneck, Chain, ClassWeights, Contraction, Corruption, Decoder, Growth, LayerKind,
    LayerRecipe, ModelKind, OutputChoice, Pretraining, Recipe, RecipeProblem, Schedule, SourceKind, Sparsity,
};
use crate::data::Part;

/// The most weights between hidden layers that a recipe may ask for: 4 GB of them, and twice that for an optimiser.
const MOST_WEIGHTS: u128 = 1_000_000_000;

/// The most classes that a pixel may be of.
const MOST_CLASSES: usize = 255;

/// Adds every conflict between settings that have no problem of their own.
pub(super) fn find(recipe: &Recipe, problems: &mut Vec<RecipeProblem>) {
    let mut conflicts = Conflicts { problems };
    model(recipe, &mut conflicts);
    maps(recipe, &mut conflicts);
    classes(recipe, &mut conflicts);
    bottleneck(recipe, &mut conflicts);
    pretraining(recipe, &mut conflicts);
    boltzmann(recipe, &mut conflicts);
    penalties(recipe, &mut conflicts);
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
    let tells_classes = matches!(model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    conflicts.add(
        model.code == 0 && model.hidden.is_empty(),
        &["model.code", "model.hidden"],
        "1 or more where model.hidden names no layer that could be the code",
        "0".to_string(),
        "give model.code a width, or model.hidden a layer",
    );
    conflicts.add(
        !classifier && !model.auxiliary.0.is_empty(),
        &["model.auxiliary", "model.kind"],
        "none where no classes of rows are told",
        format!("{}", model.auxiliary.0.len()),
        "leave model.auxiliary out, or set model.kind to \"classifier\"",
    );
    conflicts.add(
        tells_classes && !matches!(model.output, OutputChoice::Auto | OutputChoice::Categorical),
        &["model.output", "model.kind"],
        "\"categorical\" where classes are told",
        format!("\"{}\"", model.output),
        "leave model.output out, or set model.kind to \"autoencoder\"",
    );
    // Layers of other kinds cut the chain: their sizes depend on the rows.
    let width = |layer: &LayerRecipe| match layer {
        LayerRecipe::Dense(width) | LayerRecipe::Other(LayerKind::Dense { units: width, .. }) => *width,
        _ => 0,
    };
    let mut widths: Vec<usize> = model.hidden.iter().map(width).collect();
    widths.push(model.code);
    match &model.decoder {
        _ if classifier => {}
        Decoder::Mirror => widths.extend(model.hidden.iter().rev().map(width)),
        Decoder::Layers(layers) => widths.extend(layers.iter().map(width)),
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

/// What segmenters need and do not go with, and what only those who tell classes have.
fn classes(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let (model, data, train) = (&recipe.model, &recipe.data, &recipe.train);
    let segmenter = model.kind == ModelKind::Segmenter;
    let tells_classes = segmenter || model.kind == ModelKind::Classifier;
    let given = [
        ("data.maps", data.maps.is_some()),
        ("data.void", data.void.is_some()),
        ("data.class_names", !data.class_names.is_empty()),
    ];
    for (path, given) in given {
        conflicts.add(
            given && !segmenter,
            &[path, "model.kind"],
            "none but in a segmenter, which learns from label maps",
            "one".to_string(),
            &format!("leave {path} out, or set model.kind to \"segmenter\""),
        );
    }
    conflicts.add(
        data.class_names.len() > MOST_CLASSES,
        &["data.class_names"],
        &format!("at most {MOST_CLASSES} names"),
        data.class_names.len().to_string(),
        "label maps have a byte for each pixel",
    );
    conflicts.add(
        segmenter && data.patch.is_some(),
        &["data.patch", "model.kind"],
        "none in a segmenter, whose label maps are not cut",
        "a size".to_string(),
        "leave it out",
    );
    conflicts.add(
        segmenter && train.pretraining != Pretraining::None,
        &["train.pretraining", "model.kind"],
        "\"none\" in a segmenter",
        format!("\"{}\"", train.pretraining),
        "leave it out",
    );
    conflicts.add(
        train.class_weights != ClassWeights::Equal && !tells_classes,
        &["train.class_weights", "model.kind"],
        "\"equal\" where no classes are told",
        format!("\"{}\"", train.class_weights),
        "leave it out, or set model.kind to \"classifier\" or \"segmenter\"",
    );
}

/// What layers that look at rows as pictures do not go with.
fn maps(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let (model, train) = (&recipe.model, &recipe.train);
    let any = !model.hidden.iter().all(LayerRecipe::is_dense);
    let classifier = model.kind == ModelKind::Classifier;
    let mirrored =
        if classifier { train.pretraining != Pretraining::None } else { model.decoder == Decoder::Mirror };
    let shrinks = |kind: &LayerKind| match kind {
        LayerKind::AveragePool { .. } | LayerKind::StochasticPool { .. } | LayerKind::GlobalPool => {
            model.growth != Growth::Unpool
        }
        LayerKind::MaxPool { .. } => true,
        LayerKind::Convolution { stride, .. } => model.growth == Growth::Upsample && stride.0 != [1; 2],
        _ => false,
    };
    conflicts.add(
        model.growth != Growth::Transposed
            && !(mirrored && model.hidden.iter().any(|layer| layer.any(&shrinks))),
        &["model.growth", "model.decoder", "model.hidden"],
        "nothing where no decoder mirrors layers that it grows otherwise for",
        format!("\"{}\"", model.growth),
        "leave model.growth out",
    );
    conflicts.add(
        any && model.kind == ModelKind::Boltzmann,
        &["model.hidden", "model.kind"],
        "widths, since a Boltzmann machine by itself hears every number",
        "layers of maps".to_string(),
        "give widths, or an autoencoder train.pretraining=rbm",
    );
    let first = match &model.decoder {
        Decoder::Layers(layers) => layers.first(),
        Decoder::Mirror => None,
    };
    conflicts.add(
        train.penalty.unit_atoms && first.is_some_and(|layer| !layer.is_dense()),
        &["train.penalty.unit_atoms", "model.decoder"],
        "false where no dense layer hears the code",
        "true".to_string(),
        "begin model.decoder with a width, or leave unit_atoms out",
    );
}

fn bottleneck(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let model = &recipe.model;
    let classifier = matches!(model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    let found = || format!("\"{}\"", model.bottleneck);
    conflicts.add(
        classifier && model.bottleneck != Bottleneck::Plain,
        &["model.bottleneck", "model.kind"],
        "\"plain\" where classes are told",
        found(),
        "leave model.bottleneck out, or set model.kind to \"autoencoder\"",
    );
    let linear = matches!(model.bottleneck, Bottleneck::Gaussian { .. } | Bottleneck::Binary { .. });
    conflicts.add(
        linear && model.code_activation != Activation::Identity,
        &["model.code_activation", "model.bottleneck"],
        &format!(
            "\"identity\" before a \"{}\" bottleneck, which makes of the sums what it needs",
            model.bottleneck
        ),
        format!("\"{}\"", model.code_activation),
        "leave model.code_activation out",
    );
    if let Bottleneck::TopK { keep, auxiliary, auxiliary_keep, .. } = model.bottleneck {
        conflicts.add(
            // Without a code of its own the mirror image of the only layer is all of the decoder.
            auxiliary > 0.0 && model.decoder_depth() > usize::from(model.code == 0),
            &["model.bottleneck.auxiliary", "model.hidden", "model.decoder"],
            "0 with a decoder of more than one layer, through which dead units reach no row of their own",
            auxiliary.to_string(),
            "set model.bottleneck.auxiliary to 0, or give model.code a width and leave layers out",
        );
        conflicts.add(
            model.code > 0 && keep > model.code,
            &["model.bottleneck.keep", "model.code"],
            &format!("at most the {} units of the code to keep", model.code),
            keep.to_string(),
            "keep fewer, or widen model.code",
        );
        conflicts.add(
            model.code > 0 && auxiliary_keep > model.code,
            &["model.bottleneck.auxiliary_keep", "model.code"],
            &format!("at most the {} units of the code in auxiliary_keep", model.code),
            auxiliary_keep.to_string(),
            "keep fewer, or widen model.code",
        );
    }
    if let Bottleneck::Gaussian { warmup, .. } = model.bottleneck {
        conflicts.add(
            warmup > recipe.train.epochs as f64,
            &["model.bottleneck", "train.epochs"],
            &format!("a warm-up of at most the {} epochs of training", recipe.train.epochs),
            warmup.to_string(),
            "shorten the warm-up or raise train.epochs",
        );
    }
    conflicts.add(
        model.tied && (classifier || !model.is_mirrored()),
        &["model.tied", "model.decoder", "model.kind"],
        "false where decoder and encoder have layers of unequal shapes, which cannot share weights",
        "true".to_string(),
        "leave model.decoder out, so that it mirrors the encoder, or set model.tied to false",
    );
}

fn pretraining(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let (model, chosen) = (&recipe.model, recipe.train.pretraining);
    let classifier = model.kind == ModelKind::Classifier;
    let asked = chosen != Pretraining::None;
    let found = || format!("\"{chosen}\"");
    conflicts.add(
        asked && !classifier && model.hidden.is_empty(),
        &["train.pretraining", "model.hidden"],
        "\"none\" for an encoder of one layer, which is trained as a whole anyway",
        found(),
        "add layers to model.hidden, or leave train.pretraining out",
    );
    conflicts.add(
        asked && !classifier && !model.is_mirrored(),
        &["train.pretraining", "model.decoder"],
        "\"none\" where the decoder does not mirror the encoder, so that layers have no partner to learn with",
        found(),
        "leave model.decoder out, so that it mirrors the encoder",
    );
    conflicts.add(
        asked && matches!(model.bottleneck, Bottleneck::Gaussian { .. } | Bottleneck::TopK { .. }),
        &["train.pretraining", "model.bottleneck"],
        "\"none\" before a bottleneck that layers on their own do not have",
        found(),
        "use a \"plain\" or \"binary\" bottleneck, or leave train.pretraining out",
    );
    conflicts.add(
        recipe.data.binarise && classifier,
        &["data.binarise", "model.kind"],
        "false in a classifier, which is given rows as they are",
        "true".to_string(),
        "leave it out",
    );
    conflicts.add(
        recipe.data.labels_per_class.is_some() && !classifier,
        &["data.labels_per_class", "model.kind"],
        "none for an autoencoder, which looks at no labels",
        recipe.data.labels_per_class.unwrap_or(0).to_string(),
        "leave it out, or set model.kind to \"classifier\"",
    );
}

/// What Boltzmann machines, alone or in pre-training, do not go with.
fn boltzmann(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let (model, train) = (&recipe.model, &recipe.train);
    let alone = model.kind == ModelKind::Boltzmann;
    let first = matches!(train.pretraining, Pretraining::Rbm { .. });
    let cause = if alone { "model.kind" } else { "train.pretraining" };
    conflicts.add(
        train.chain != Chain::default() && !alone && !first,
        &["train.chain", "model.kind", "train.pretraining"],
        "none without Boltzmann machines",
        format!("\"{}\"", train.chain),
        "leave train.chain out, or set model.kind to \"boltzmann\" or train.pretraining to \"rbm\"",
    );
    if !alone && !first {
        return;
    }
    let units =
        |activation| matches!(activation, Activation::Sigmoid | Activation::Identity | Activation::Relu);
    for (path, activation, there) in [
        ("model.activation", model.activation, !model.hidden.is_empty()),
        ("model.code_activation", model.code_activation, true),
    ] {
        conflicts.add(
            there && !units(activation),
            &[path, cause],
            "\"sigmoid\", \"identity\" or \"relu\", the units that Boltzmann machines have",
            format!("\"{activation}\""),
            "choose \"sigmoid\" for Bernoulli units, \"identity\" for gaussian or \"relu\" for rectified ones",
        );
    }
    conflicts.add(
        model.batch_normalisation,
        &["model.batch_normalisation", cause],
        "false in Boltzmann machines, whose units depend on one row alone",
        "true".to_string(),
        "leave it out",
    );
    if !alone {
        return;
    }
    let penalty = &train.penalty;
    let refused = [
        ("model.tied", !model.tied, "true: a machine has one weight for both ways"),
        ("model.bottleneck", model.bottleneck != Bottleneck::Plain, "\"plain\": hidden units are the code"),
        (
            "model.output",
            model.output == OutputChoice::Categorical,
            "\"bernoulli\" or \"gaussian\" visible units",
        ),
        ("model.dropout", model.dropout != 0.0, "0: hidden units are drawn already"),
        ("model.input_dropout", model.input_dropout != 0.0, "0: a machine learns how probable its rows are"),
        (
            "train.pretraining",
            train.pretraining != Pretraining::None,
            "\"none\": machines are all there is to train",
        ),
        (
            "train.corruption",
            train.corruption != Corruption::None,
            "\"none\": a machine learns how probable its rows are",
        ),
        (
            "train.penalty.unit_atoms",
            penalty.unit_atoms,
            "false: the lengths of weights say how sure a unit is",
        ),
        ("train.average", train.average != 0.0, "0: machines are trained one after another"),
        ("train.patience", train.patience != 0, "0: what a machine is trained by has no held-out figure"),
    ];
    for (path, wrong, expected) in refused {
        let found = "something else beside model.kind = \"boltzmann\"".to_string();
        conflicts.add(wrong, &[path, "model.kind"], expected, found, &format!("leave {path} out"));
    }
}

fn penalties(recipe: &Recipe, conflicts: &mut Conflicts<'_>) {
    let (model, train, penalty) = (&recipe.model, &recipe.train, &recipe.train.penalty);
    let classifier = matches!(model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    let uneven = !matches!(train.corruption, Corruption::None | Corruption::Gaussian { .. });
    conflicts.add(
        train.emphasis != 1.0 && (classifier || !uneven),
        &["train.emphasis", "train.corruption", "model.kind"],
        "1 where corruption does not leave some of the loss's numbers as they are",
        train.emphasis.to_string(),
        "leave train.emphasis out, or choose the corruption \"masking\"",
    );
    let (gaussian, top_k) = (
        matches!(model.bottleneck, Bottleneck::Gaussian { .. }),
        matches!(model.bottleneck, Bottleneck::TopK { .. }),
    );
    let binary = matches!(model.bottleneck, Bottleneck::Binary { .. });
    for (path, weight) in
        [("train.penalty.code_l1", penalty.code_l1), ("train.penalty.code_l2", penalty.code_l2)]
    {
        conflicts.add(
            weight > 0.0 && gaussian,
            &[path, "model.bottleneck"],
            "0 beside a \"gaussian\" bottleneck, whose divergence already holds codes near 0",
            weight.to_string(),
            "leave it out, and raise the bottleneck's beta instead",
        );
    }
    let between = matches!(model.code_activation, Activation::Sigmoid | Activation::Softmax) || binary;
    conflicts.add(
        penalty.sparsity != Sparsity::None && (!between || top_k),
        &["train.penalty.sparsity", "model.code_activation", "model.bottleneck"],
        "\"none\" where code units are not from 0 to 1 on their own",
        format!("\"{}\"", penalty.sparsity),
        "set model.code_activation to \"sigmoid\" with a \"plain\" bottleneck, or use train.penalty.code_l1",
    );
    conflicts.add(
        penalty.sparsity != Sparsity::None
            && train.pretraining != Pretraining::None
            && !matches!(model.activation, Activation::Sigmoid | Activation::Softmax),
        &["train.penalty.sparsity", "model.activation", "train.pretraining"],
        "\"none\" where layers are pre-trained whose units are not from 0 to 1",
        format!("\"{}\"", penalty.sparsity),
        "set model.activation to \"sigmoid\", or leave train.pretraining out",
    );
    conflicts.add(
        penalty.contraction != Contraction::None && (binary || top_k || model.batch_normalisation),
        &["train.penalty.contraction", "model.bottleneck", "model.batch_normalisation"],
        "\"none\" where a code is a step of its input, or depends on the rows beside it",
        format!("\"{}\"", penalty.contraction),
        "use a \"plain\" bottleneck without batch normalisation, or leave the penalty out",
    );
    conflicts.add(
        penalty.unit_atoms && train.average > 0.0,
        &["train.penalty.unit_atoms", "train.average"],
        "false beside averaged weights, since a mean of atoms of length 1 is shorter",
        "true".to_string(),
        "set train.average to 0, or leave unit_atoms out",
    );
    conflicts.add(
        penalty.unit_atoms && classifier,
        &["train.penalty.unit_atoms", "model.kind"],
        "false in a classifier, which has no decoder",
        "true".to_string(),
        "leave it out",
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
            read_by(&[SourceKind::Csv, SourceKind::Npy, SourceKind::Text]),
            "CSV and NPZ files and of JSON lines",
        ),
        ("data.header", data.header.is_some(), read_by(&[SourceKind::Csv]), "CSV files"),
        ("data.words", data.words.is_some(), read_by(&[SourceKind::Text]), "texts"),
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
