//! Published weights: files of other programs, channels first, become models.
//!
//! A file is what PyTorch's `torch.save` writes of a `state_dict`, or safetensors; nothing in it is run. Its layers are matched with those of a
//! recipe by order and shape, and turned so that channels come last.

mod assignment;
mod channels_last;
mod flattened;
mod names;
mod numbers;
mod pickle;
mod pytorch;
mod state_dict;
#[cfg(test)]
mod tests;

use crate::autoencoder::Output;
use crate::data::{DataError, ItemShape, Preparation};
use crate::error::Error;
use crate::model_file::{Description, Model, NamedTensor, RowCounts};
use crate::network::{Extent, Layer, Network};
use crate::recipe::{ModelKind, PrepareChoice, Recipe};
use assignment::{Misfit, Part, Want, assign, usual_sizes, wants};
use channels_last::{normalisation, scale_and_shift, sums};
use flattened::flattened;
use names::{Module, by_name, is_counter, modules};
use numbers::Stored;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// What is known of weights that were published for a built-in recipe.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The recipe.
    pub recipe: &'static str,
    /// What pictures of 0–1 had taken off, channel by channel.
    pub mean: [f32; 3],
    /// What they were then divided by.
    pub deviation: [f32; 3],
    /// What batch normalisations add to variances.
    pub epsilon: f32,
}

/// Means and deviations of ImageNet's training pictures, red, green, blue.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// The recipes that torchvision has weights for, and how these want their pictures.
pub const PUBLISHED: [Published; 6] = [
    of_imagenet("alexnet-one-tower"),
    of_imagenet("vgg-16"),
    of_imagenet("vgg-19"),
    of_imagenet("resnet-101"),
    from_tensorflow("googlenet"),
    from_tensorflow("inception-v3"),
];

const fn of_imagenet(recipe: &'static str) -> Published {
    Published { recipe, mean: IMAGENET.0, deviation: IMAGENET.1, epsilon: 1e-5 }
}

const fn from_tensorflow(recipe: &'static str) -> Published {
    Published { recipe, mean: [0.5; 3], deviation: [0.5; 3], epsilon: 1e-3 }
}

/// What a file of weights does not say.
#[derive(Clone, Debug)]
pub struct Known {
    /// What a row is.
    pub shape: ItemShape,
    /// Names of the classes; empty for an autoencoder.
    pub classes: Vec<String>,
    /// How rows were prepared.
    pub preparation: Preparation,
    /// What batch normalisations added to variances.
    pub epsilon: f32,
}

/// A model, and where its weights came from.
#[derive(Debug)]
pub struct Imported {
    /// The model.
    pub model: Model,
    /// Layers, and what they were called in the file.
    pub pairs: Vec<Pair>,
}

/// A layer and what it was called.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The layer's name.
    pub layer: String,
    /// Its name in the file.
    pub found: String,
    /// Sizes of what was found there.
    pub sizes: Vec<usize>,
    /// Another layer of the file that would have fitted, where the file does not tell which of them comes first.
    pub other: Option<String>,
}

/// Tensors of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    /// Whether they come in the order in which the network has them; else they come as people would order their names.
    pub ordered: bool,
}

/// Reads a file of weights.
///
/// # Errors
/// A file that is missing, damaged, or of another kind.
pub fn read(path: &Path) -> Result<Weights, Error> {
    let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
    if !path.exists() {
        return Err(DataError::Missing { path: path.to_owned() }.into());
    }
    let file = std::fs::read(path).map_err(unreadable)?;
    let malformed = |format, reason| DataError::Malformed { path: path.to_owned(), format, reason };
    if pytorch::is_one(&file) {
        let tensors = pytorch::read(&file).map_err(|reason| malformed("PyTorch file", reason))?;
        return Ok(Weights { tensors, ordered: true });
    }
    let reason = |reason| format!("{reason}; expected safetensors, or what torch.save writes");
    let mut tensors = safetensors(&file).map_err(|problem| malformed("weights", reason(problem)))?;
    tensors.sort_by(|a, b| by_name(&a.name, &b.name));
    Ok(Weights { tensors, ordered: false })
}

fn safetensors(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|error| error.to_string())?;
    if metadata.metadata().as_ref().is_some_and(|entries| entries.contains_key("narrows")) {
        return Err("found a model of Narrows".to_owned());
    }
    let file = SafeTensors::deserialize(file).map_err(|error| error.to_string())?;
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let stored = match view.dtype() {
            Dtype::F16 => Stored::F16,
            Dtype::BF16 => Stored::Bf16,
            Dtype::F32 => Stored::F32,
            Dtype::F64 => Stored::F64,
            other => return Err(format!("{}: found numbers of kind {other:?}", name.escape_debug())),
        };
        let values = view.data().chunks_exact(stored.size()).map(|bytes| stored.number(bytes)).collect();
        Ok(NamedTensor { name, shape: view.shape().to_vec(), values })
    };
    file.tensors().into_iter().filter(|(name, _)| !is_counter(name)).map(read).collect()
}

/// Makes a recipe's model of weights.
///
/// # Errors
/// Weights that are not this network's; a recipe whose network other programs do not have.
pub fn import(recipe: &Recipe, known: &Known, weights: Weights) -> Result<Imported, Error> {
    let network = Network::new(&recipe.model, &known.shape, known.classes.len())?;
    expect_common(recipe, &network)?;
    let rebuilds = recipe.model.kind == ModelKind::Autoencoder;
    let maps = flattened(&network, Extent::from(&known.shape), rebuilds)?;
    let modules = modules(weights.tensors).map_err(|(name, expected)| Error::Mismatch {
        what: name.escape_debug().to_string(),
        expected,
        found: "something else".to_owned(),
        hint: "save what PyTorch's layers save, under their names".to_owned(),
    })?;
    // What stands beside the code in a variational encoder stands there in files, too.
    let (encoder, decoder) = network.layers.split_at(network.encoder);
    let heads = network.auxiliary.iter().flat_map(|head| &head.layers);
    let wants = wants(encoder.iter().chain(&network.log_variance).chain(decoder).chain(heads));
    let found = assign(&wants, &modules).map_err(|misfit| mismatch(&misfit, &modules))?;
    let (mut tensors, mut pairs) = (Vec::new(), Vec::new());
    for (number, (want, place)) in wants.iter().zip(&found).enumerate() {
        let (layer, module) = (want.layer, &modules[place.module]);
        let maps = maps.get(layer.name.as_str()).copied().unwrap_or(layer.into());
        match want.part {
            Part::Sums => tensors.extend(sums(layer, maps, module)),
            Part::Batch => {
                // Of a layer with weights these come right before.
                let before = number.checked_sub(1).filter(|before| wants[*before].layer.name == layer.name);
                let bias = before.and_then(|before| modules[found[before].module].bias.as_ref());
                let unheard = bias.filter(|_| layer.bias_shape().is_none());
                let taken_off = unheard.map(|bias| &bias.values[..]);
                tensors.extend(normalisation(layer, maps, module, taken_off, known.epsilon)?);
            }
            Part::Group => tensors.extend(scale_and_shift(layer, maps, module)),
        }
        let sizes = module.weight.as_ref().or(module.mean.as_ref()).map(|tensor| tensor.shape.clone());
        pairs.push(Pair {
            layer: layer.name.clone(),
            found: shown_name(module),
            sizes: sizes.unwrap_or_default(),
            other: place.other.filter(|_| !weights.ordered).map(|other| shown_name(&modules[other])),
        });
    }
    let model = Model { description: description(recipe, known), tensors };
    model.check().map_err(|problem| Error::Mismatch {
        what: recipe.name.clone(),
        expected: "a network whose parts all are in the file".to_owned(),
        found: problem,
        hint: "choose model.bottleneck and layers as the published network has them".to_owned(),
    })?;
    Ok(Imported { model, pairs })
}

/// Makes sure that other programs have such networks, and that nothing is left to be found out by training.
fn expect_common(recipe: &Recipe, network: &Network) -> Result<(), Error> {
    let refused =
        |setting, problem: String, hint: &str| Error::Setting { setting, problem, hint: hint.to_owned() };
    let tied = network.all_layers().flat_map(Layer::with_inner).find(|layer| layer.tied.is_some());
    if recipe.model.kind == ModelKind::Boltzmann {
        let problem = "Boltzmann machines are trained here, not imported".to_owned();
        return Err(refused("model.kind", problem, "train it: narrows train RECIPE --data PATH"));
    }
    if let Some(layer) = tied {
        let problem = format!("files have {} by itself, and here it is tied", layer.name);
        return Err(refused("model.tied", problem, "set model.tied=false"));
    }
    if recipe.model.kind == ModelKind::Autoencoder && Output::from_choice(recipe.model.output).is_none() {
        let problem = "\"auto\" goes by training rows, and here are none".to_owned();
        let hint =
            "set model.output=gaussian where sums are the result, bernoulli where a sigmoid follows them";
        return Err(refused("model.output", problem, hint));
    }
    Ok(())
}

/// A module's name for people; a file may be a single layer.
fn shown_name(module: &Module) -> String {
    if module.name.is_empty() { "the file itself".to_owned() } else { module.name.escape_debug().to_string() }
}

fn description(recipe: &Recipe, known: &Known) -> Description {
    let mut recipe = recipe.clone().without_path();
    let classes = matches!(recipe.model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    let chosen = Output::from_choice(recipe.model.output).unwrap_or(Output::Gaussian);
    let output = if classes { Output::Categorical } else { chosen };
    recipe.model.output = output.as_choice();
    recipe.data.prepare = match &known.preparation {
        Preparation::None => PrepareChoice::None,
        Preparation::Scale { .. } => PrepareChoice::Unit,
        Preparation::TfIdf { .. } => PrepareChoice::TfIdf,
        Preparation::Standardise { .. } => PrepareChoice::Standardise,
    };
    let source = match known.shape {
        ItemShape::Image { .. } => "pictures",
        ItemShape::Vector { .. } => "csv",
    };
    Description {
        recipe,
        preparation: known.preparation.clone(),
        shape: known.shape.clone(),
        output,
        classes: known.classes.clone(),
        history: Vec::new(),
        best_epoch: None,
        source: source.to_owned(),
        fingerprint: String::new(),
        rows: RowCounts { train: 0, validation: 0, test: 0 },
    }
}

/// Modules named in an error.
const NAMED: usize = 3;

fn mismatch(misfit: &Misfit<'_>, modules: &[Module]) -> Error {
    let shown =
        |number: &usize| format!("{} ({})", shown_name(&modules[*number]), shape_of(&modules[*number]));
    let mut found = misfit.modules.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
    if misfit.modules.len() > NAMED {
        found.push_str(&format!(" and {} more", misfit.modules.len() - NAMED));
    }
    let (what, expected, found) = match misfit.want {
        Some(want) if found.is_empty() => {
            (want.layer.name.clone(), expected(&want), "no more of such".to_owned())
        }
        Some(want) => (want.layer.name.clone(), expected(&want), found),
        None => {
            let expected = "a layer for each of them".to_owned();
            ("the weights".to_owned(), expected, format!("none for {found}"))
        }
    };
    let auxiliary = misfit.want.is_some_and(|want| want.layer.name.starts_with("auxiliary."));
    let hint = match misfit.want {
        Some(_) if auxiliary => "files without auxiliary classifiers go with --set model.auxiliary=[]",
        Some(want) if want.layer.name == "output" => {
            "how many classes there are is told with --set data.classes=N"
        }
        _ => {
            "the recipe must have the layers of the published network, in its order: `narrows inspect RECIPE` shows them"
        }
    };
    Error::Mismatch { what, expected, found, hint: hint.to_owned() }
}

/// Sizes of a module's weights and, where these alone would not tell, of its bias.
fn shape_of(module: &Module) -> String {
    let tensor = module.weight.as_ref().or(module.mean.as_ref());
    let weight = tensor.map_or(String::new(), |tensor| sizes(&tensor.shape));
    match (&module.bias, module.sums()) {
        (Some(bias), Some(_)) => format!("{weight}, bias {}", bias.values.len()),
        _ => weight,
    }
}

fn expected(want: &Want<'_>) -> String {
    let layer = want.layer;
    match want.part {
        Part::Batch => format!("a batch normalisation of {} channels", layer.units()),
        Part::Group => format!("a group normalisation of {} channels", layer.units()),
        Part::Sums => {
            let bias = match (layer.bias_shape().is_some(), layer.normalised) {
                (true, _) => format!(", a bias of {} or none", layer.units()),
                (false, true) => String::new(),
                (false, false) => " without bias".to_owned(),
            };
            format!("weights of {}{bias}", sizes(&usual_sizes(layer)))
        }
    }
}

fn sizes(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}
