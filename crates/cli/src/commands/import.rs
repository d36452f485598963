//! `narrows import`: published weights become a model.

use crate::arguments::Settings;
use crate::failure::Failure;
use crate::wording::{count, table};
use crate::{output, places, recipe_choice};
use clap::Args;
use narrows::data::{DataError, ItemShape, Preparation};
use narrows::import::{self, Known, PUBLISHED, Pair};
use narrows::recipe::{ModelKind, PrepareChoice, Recipe};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Options of `narrows import`.
#[derive(Debug, Args)]
pub struct Options {
    /// A built-in recipe, or a recipe's TOML file: the network that the weights belong to
    recipe: String,
    /// The weights: a safetensors file, or what PyTorch's torch.save writes of a state_dict
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// The model file; RECIPE.narrows in this folder if not said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Names of the classes, a line each, in the order of the outputs; numbers from 0 if not said
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Numbers of a row, where rows are no pictures
    #[arg(long, value_name = "N", conflicts_with_all = ["mean", "deviation"])]
    width: Option<usize>,
    /// What the network's training took off pixels of 0 to 1: a number, or one for each channel; as published for torchvision's networks
    #[arg(long, value_name = "M,M,M", value_delimiter = ',', requires = "deviation")]
    mean: Option<Vec<f32>>,
    /// What it then divided them by
    #[arg(long, value_name = "D,D,D", value_delimiter = ',', requires = "mean")]
    deviation: Option<Vec<f32>>,
    /// What its batch normalisations added to variances; as published for torchvision's networks, else 0.00001
    #[arg(long, value_name = "E")]
    epsilon: Option<f32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads weights and writes the model.
///
/// # Errors
/// A recipe, weights or names that will not do or do not go together; a place that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let recipe = recipe_choice::choose(Some(&options.recipe), None, &options.settings)?.recipe;
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.narrows", recipe.name)));
    let inputs: Vec<&Path> =
        std::iter::once(&options.weights).chain(&options.classes).map(PathBuf::as_path).collect();
    places::expect_apart(&inputs, &[&out])?;
    places::expect_writable(&out)?;
    let known = known(options, &recipe)?;
    let imported = import::import(&recipe, &known, import::read(&options.weights)?)?;
    let network = imported.model.network()?;
    imported.model.save(&out)?;
    let parameters = network.parameter_count();
    if options.json {
        return output::json(&json!({
            "model": out.to_string_lossy(),
            "recipe": recipe.name,
            "parameters": parameters,
            "preparation": known.preparation,
            "epsilon": known.epsilon,
            "weights": imported.pairs.iter().map(|pair| json!({
                "layer": pair.layer,
                "found": pair.found,
                "sizes": pair.sizes,
            })).collect::<Vec<_>>(),
        }));
    }
    output::result(&pairs(&imported.pairs))?;
    let prepared = match &known.preparation {
        Preparation::Scale { .. } => "pixels of 0 to 255 become 0 to 1",
        Preparation::Standardise { .. } => "pixels are standardised",
        _ => "rows are taken as they are",
    };
    let parameters = count(parameters as u64);
    output::note(&format!("{}: {}, {parameters} parameters; {prepared}", out.display(), recipe.name));
    Ok(())
}

fn pairs(pairs: &[Pair]) -> String {
    let head = ["layer", "found as", "sizes there"].map(str::to_owned).to_vec();
    let row = |pair: &Pair| {
        let sizes: Vec<String> = pair.sizes.iter().map(usize::to_string).collect();
        vec![pair.layer.clone(), pair.found.clone(), sizes.join("×")]
    };
    table(&std::iter::once(head).chain(pairs.iter().map(row)).collect::<Vec<_>>(), |_| false)
}

/// What the file does not say, by what is asked for, what is published, and the recipe.
fn known(options: &Options, recipe: &Recipe) -> Result<Known, Failure> {
    let published = PUBLISHED.iter().find(|published| published.recipe == recipe.name);
    let shape = match (options.width, recipe_choice::shape_of(recipe)) {
        (Some(width), _) => ItemShape::Vector { columns: None, width },
        (None, Some(shape)) => shape,
        (None, None) => {
            return Err(Failure::new(
                format!("{}: how wide its rows are is not said", recipe.name),
                "give pictures' height and width with --set data.size=[H,W], or the numbers of a row with --width N",
            ));
        }
    };
    let classes = match recipe.model.kind {
        ModelKind::Classifier | ModelKind::Segmenter => classes(options, recipe)?,
        ModelKind::Autoencoder | ModelKind::Boltzmann if options.classes.is_some() => {
            return Err(Failure::new(
                format!("--classes: {} tells no classes", recipe.name),
                "leave it out, or set model.kind=classifier",
            ));
        }
        ModelKind::Autoencoder | ModelKind::Boltzmann => Vec::new(),
    };
    let preparation =
        preparation(options, recipe, &shape, published.map(|p| (&p.mean[..], &p.deviation[..])))?;
    let epsilon = options.epsilon.or(published.map(|published| published.epsilon)).unwrap_or(1e-5);
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(Failure::new(
            format!("--epsilon {epsilon}: expected a number from 0"),
            "give what the network's batch normalisations add to variances",
        ));
    }
    Ok(Known { shape, classes, preparation, epsilon })
}

fn classes(options: &Options, recipe: &Recipe) -> Result<Vec<String>, Failure> {
    let Some(path) = &options.classes else {
        let count = recipe.data.classes.unwrap_or(recipe_choice::USUAL_CLASSES);
        return Ok((0..count).map(|class| class.to_string()).collect());
    };
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing { path: path.clone() },
        _ => DataError::Unreadable { path: path.clone(), source },
    })?;
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    let twice = sorted.windows(2).find(|two| two[0] == two[1]).map(|two| two[0]);
    let problem = match (twice, recipe.data.classes) {
        (Some(name), _) => format!("two classes are called `{name}`"),
        (None, Some(count)) if count != names.len() => {
            format!("expected {count} names, found {}", names.len())
        }
        (None, None) if names.is_empty() => "it names no classes".to_owned(),
        _ => return Ok(names),
    };
    Err(Failure::new(
        format!("{}: {problem}", path.display()),
        "write the name of each class into a line of its own, in the order of the outputs",
    ))
}

fn preparation(
    options: &Options,
    recipe: &Recipe,
    shape: &ItemShape,
    published: Option<(&[f32], &[f32])>,
) -> Result<Preparation, Failure> {
    let asked = options.mean.as_deref().zip(options.deviation.as_deref());
    let (ItemShape::Image { channels, .. }, Some((mean, deviation))) = (shape, asked.or(published)) else {
        return match (shape, recipe.data.prepare) {
            (_, PrepareChoice::None) | (ItemShape::Vector { .. }, PrepareChoice::Auto) => {
                Ok(Preparation::None)
            }
            (ItemShape::Image { .. }, PrepareChoice::Auto | PrepareChoice::Unit) => {
                Ok(Preparation::Scale { minimum: vec![0.0], maximum: vec![255.0] })
            }
            (_, choice) => Err(Failure::new(
                format!("data.prepare: \"{}\" goes by training rows, and here are none", choice.name()),
                "set data.prepare=none for rows as they are, or give pictures' --mean and --deviation",
            )),
        };
    };
    let fits = |list: &[f32]| list.len() == 1 || list.len() == *channels;
    let sound =
        deviation.iter().all(|one| one.is_finite() && *one > 0.0) && mean.iter().all(|one| one.is_finite());
    if !(fits(mean) && fits(deviation) && mean.len() == deviation.len() && sound) {
        return Err(Failure::new(
            format!(
                "--mean and --deviation: expected one number each, or {channels}, and deviations above 0"
            ),
            "write the channels' numbers with commas between them, such as 0.485,0.456,0.406",
        ));
    }
    // Pictures are bytes here.
    let bytes = |list: &[f32]| list.iter().map(|one| one * 255.0).collect();
    Ok(Preparation::Standardise { mean: bytes(mean), deviation: bytes(deviation) })
}
