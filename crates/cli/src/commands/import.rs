//! `narrows import`: published weights become a model.

use crate::arguments::Settings;
use crate::failure::Failure;
use crate::wording::{count, figure, table};
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
    let mut inputs: Vec<&Path> = vec![&options.weights, Path::new(&options.recipe)];
    inputs.extend(options.classes.as_deref());
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
                "other": pair.other,
            })).collect::<Vec<_>>(),
        }));
    }
    output::result(&pairs(&imported.pairs))?;
    if imported.pairs.iter().any(|pair| pair.other.is_some()) {
        output::note(
            "note: the file does not tell in which order its layers come; they were taken by name, and those of the last column would have fitted, too",
        );
    }
    let prepared = match &known.preparation {
        Preparation::Scale { .. } => "pixels of 0 to 255 become 0 to 1".to_owned(),
        Preparation::Standardise { mean, deviation } => {
            let shares = |list: &[f32]| {
                list.iter().map(|one| figure(f64::from(one / 255.0))).collect::<Vec<_>>().join(", ")
            };
            format!(
                "from pixels of 0 to 1 is taken {}; they are divided by {}",
                shares(mean),
                shares(deviation)
            )
        }
        _ => "rows are taken as they are".to_owned(),
    };
    let parameters = count(parameters as u64);
    output::note(&format!("{}: {}, {parameters} parameters; {prepared}", out.display(), recipe.name));
    Ok(())
}

fn pairs(pairs: &[Pair]) -> String {
    let columns = if pairs.iter().any(|pair| pair.other.is_some()) { 4 } else { 3 };
    let head = ["layer", "found as", "sizes there", "or"].map(str::to_owned)[..columns].to_vec();
    let row = |pair: &Pair| {
        let sizes: Vec<String> = pair.sizes.iter().map(usize::to_string).collect();
        let other = pair.other.clone().unwrap_or_default();
        let mut row = vec![pair.layer.clone(), pair.found.clone(), sizes.join("×"), other];
        row.truncate(columns);
        row
    };
    table(&std::iter::once(head).chain(pairs.iter().map(row)).collect::<Vec<_>>(), |_| false)
}

/// What the file does not say, by what is asked for, what is published, and the recipe.
fn known(options: &Options, recipe: &Recipe) -> Result<Known, Failure> {
    // A recipe of one's own may have such a name, too.
    let published = PUBLISHED.iter().find(|published| published.recipe == options.recipe);
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
    let text = text.trim_start_matches('\u{feff}').trim_end();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let named = |(at, line): (usize, &&str)| match lines[..at].iter().filter(|other| *other == line).count() {
        0 => (*line).to_owned(),
        // Lists of ImageNet's classes have two cranes.
        before => format!("{line} ({})", before + 1),
    };
    let names: Vec<String> = lines.iter().enumerate().map(named).collect();
    let empty = lines.iter().position(|line| line.is_empty());
    let problem = match (empty, recipe.data.classes) {
        (Some(at), _) => format!("line {} is empty", at + 1),
        (None, Some(count)) if count != names.len() => {
            format!("expected {count} names (data.classes), found {}", names.len())
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
    let published = published.filter(|(mean, _)| {
        let fits = matches!(shape, ItemShape::Image { channels, .. } if *channels == mean.len());
        fits && !options.settings.names("data.prepare")
    });
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
    let problem = match (mean, deviation) {
        _ if mean.len() != deviation.len() || ![1, *channels].contains(&mean.len()) => Some(format!(
            "expected one number each, or {channels}, found {} and {}",
            mean.len(),
            deviation.len()
        )),
        _ if !mean.iter().all(|one| (0.0..=1.0).contains(one)) => {
            Some("expected means from 0 to 1, as pixels have them".to_owned())
        }
        _ if !deviation.iter().all(|one| *one > 0.0 && *one <= 1.0) => {
            Some("expected deviations above 0, and no more than 1".to_owned())
        }
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(Failure::new(
            format!("--mean and --deviation: {problem}"),
            "write what was done to pixels of 0 to 1, channels with commas between them, such as 0.485,0.456,0.406",
        ));
    }
    // Pictures are bytes here.
    let bytes = |list: &[f32]| list.iter().map(|one| one * 255.0).collect();
    Ok(Preparation::Standardise { mean: bytes(mean), deviation: bytes(deviation) })
}
