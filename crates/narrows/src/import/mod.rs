//! Published weights: files of other programs, channels first, become models.
//!
//! A file is safetensors or what PyTorch's `torch.save` writes of a `state_dict`; nothing in it is run. Its layers are matched with those of a
//! recipe by order and shape ([`assignment`]), and turned so that channels come last ([`channels_last`]).

mod assignment;
mod channels_last;
mod names;
mod numbers;
mod pickle;
mod pytorch;
#[cfg(test)]
mod tests;

use crate::autoencoder::Output;
use crate::data::{DataError, ItemShape, Preparation};
use crate::error::Error;
use crate::model_file::{Description, Model, NamedTensor, RowCounts};
use crate::network::{EPSILON, Extent, Layer, LayerWork, Network};
use crate::recipe::{ModelKind, OutputChoice, PrepareChoice, Recipe};
use assignment::{Misfit, Part, Want, assign, usual_sizes, wants};
use channels_last::Maps;
use names::{Module, modules};
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
}

/// Reads a file of weights.
///
/// # Errors
/// A file that is missing, damaged, or of another kind.
pub fn read(path: &Path) -> Result<Vec<NamedTensor>, Error> {
    let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
    if !path.exists() {
        return Err(DataError::Missing { path: path.to_owned() }.into());
    }
    let file = std::fs::read(path).map_err(unreadable)?;
    let malformed = |format, reason| DataError::Malformed { path: path.to_owned(), format, reason };
    if pytorch::is_one(&file) {
        return Ok(pytorch::read(&file).map_err(|reason| malformed("PyTorch file", reason))?);
    }
    let reason = |reason| format!("{reason}; expected safetensors, or what torch.save writes");
    Ok(safetensors(&file).map_err(|problem| malformed("weights", reason(problem)))?)
}

fn safetensors(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|error| error.to_string())?;
    if metadata.metadata().as_ref().is_some_and(|entries| entries.contains_key("narrows")) {
        return Err("expected weights of another program, found a model of Narrows".to_owned());
    }
    let file = SafeTensors::deserialize(file).map_err(|error| error.to_string())?;
    let fractions = file.tensors().into_iter().filter_map(|(name, view)| {
        let stored = match view.dtype() {
            Dtype::F16 => Stored::F16,
            Dtype::BF16 => Stored::Bf16,
            Dtype::F32 => Stored::F32,
            Dtype::F64 => Stored::F64,
            _ => return None,
        };
        let values = view.data().chunks_exact(stored.size()).map(|bytes| stored.number(bytes)).collect();
        Some(NamedTensor { name, shape: view.shape().to_vec(), values })
    });
    Ok(fractions.collect())
}

/// Makes a recipe's model of weights.
///
/// # Errors
/// Weights that are not this network's; a recipe whose network other programs do not have.
pub fn import(recipe: &Recipe, known: &Known, tensors: Vec<NamedTensor>) -> Result<Imported, Error> {
    let network = Network::new(&recipe.model, &known.shape, known.classes.len())?;
    if let Some(layer) = network.all_layers().flat_map(Layer::with_inner).find(|layer| layer.tied.is_some()) {
        return Err(Error::Setting {
            setting: "model.tied",
            problem: format!("published weights have {} by itself, and here it is tied", layer.name),
            hint: "set model.tied=false".to_owned(),
        });
    }
    let modules = modules(tensors).map_err(|name| Error::Mismatch {
        what: name,
        expected: "a tensor called weight, bias, running_mean or running_var".to_owned(),
        found: "a tensor of another name".to_owned(),
        hint: "name it as PyTorch's layers name theirs, or leave it out".to_owned(),
    })?;
    let wants = wants(network.all_layers());
    let places = assign(&wants, &modules).map_err(|misfit| mismatch(&misfit, &modules))?;
    let mut weights = Vec::new();
    let mut pairs = Vec::new();
    for (number, (want, place)) in wants.iter().zip(&places).enumerate() {
        let (layer, module) = (want.layer, &modules[*place]);
        match want.part {
            Part::Sums => weights.extend(channels_last::sums(layer, maps(&network, known, layer), module)),
            Part::Batch => {
                // Of a layer with weights these come right before.
                let before = number.checked_sub(1).filter(|before| wants[*before].layer.name == layer.name);
                let bias = before.and_then(|before| modules[places[before]].bias.as_ref());
                let unheard = bias.filter(|_| layer.bias_shape().is_none());
                let taken_off = unheard.map(|bias| &bias.values[..]);
                weights.extend(normalisation(layer, module, taken_off, known.epsilon)?);
            }
            Part::Group => weights.extend(scale_and_shift(layer, module)),
        }
        let sizes = module.weight.as_ref().or(module.mean.as_ref()).map(|tensor| tensor.shape.clone());
        pairs.push(Pair {
            layer: layer.name.clone(),
            found: module.name.clone(),
            sizes: sizes.unwrap_or_default(),
        });
    }
    let model = Model { description: description(recipe, known), tensors: weights };
    model.check().map_err(|problem| Error::Mismatch {
        what: recipe.name.clone(),
        expected: "a network whose parts all are in the file".to_owned(),
        found: problem,
        hint: "choose model.bottleneck and layers as the published network has them".to_owned(),
    })?;
    Ok(Imported { model, pairs })
}

fn description(recipe: &Recipe, known: &Known) -> Description {
    let mut recipe = recipe.clone().without_path();
    let classes = matches!(recipe.model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    let output = match Output::from_choice(recipe.model.output) {
        _ if classes => Output::Categorical,
        Some(output) => output,
        None => Output::Gaussian,
    };
    recipe.model.output = match output {
        Output::Gaussian => OutputChoice::Gaussian,
        Output::Bernoulli => OutputChoice::Bernoulli,
        Output::Categorical => OutputChoice::Categorical,
    };
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

/// What a dense layer hears and says as maps: those around it, or pictures that nobody here looks at as such.
fn maps(network: &Network, known: &Known, layer: &Layer) -> Maps {
    let picture = Extent::from(&known.shape);
    let mut maps = Maps { heard: layer.from, said: layer.to };
    let Some(at) = network.layers.iter().position(|other| other.name == layer.name) else { return maps };
    if at == 0 && maps.heard.numbers() == picture.numbers() {
        maps.heard = picture;
    }
    match network.layers.get(at + 1) {
        Some(next) if next.work == LayerWork::Reshape => maps.said = next.to,
        None if maps.said.numbers() == picture.numbers() => maps.said = picture,
        _ => {}
    }
    maps
}

fn scale_and_shift(layer: &Layer, module: &Module) -> [NamedTensor; 2] {
    let one = |state: &str, found: &Option<NamedTensor>, otherwise: f32| NamedTensor {
        name: format!("{}.{state}", layer.name),
        shape: vec![layer.units()],
        values: found.as_ref().map_or(vec![otherwise; layer.units()], |tensor| tensor.values.clone()),
    };
    [one("scale", &module.weight, 1.0), one("shift", &module.bias, 0.0)]
}

/// A batch normalisation: with an ε of its own, which variances are given here, and behind a bias, which means are.
fn normalisation(
    layer: &Layer,
    module: &Module,
    bias: Option<&[f32]>,
    epsilon: f32,
) -> Result<Vec<NamedTensor>, Error> {
    let running = |tensor: &Option<NamedTensor>| tensor.as_ref().map_or(Vec::new(), |it| it.values.clone());
    let (mut mean, mut variance) = (running(&module.mean), running(&module.variance));
    mean.iter_mut().zip(bias.unwrap_or_default()).for_each(|(mean, bias)| *mean -= bias);
    variance.iter_mut().for_each(|variance| *variance += epsilon - EPSILON);
    if let Some(least) = variance.iter().find(|variance| **variance + EPSILON <= 0.0) {
        return Err(Error::Mismatch {
            what: format!("{}.running_var", module.name),
            expected: "variances above 0".to_owned(),
            found: format!("{least}"),
            hint: "take the weights from where they were published".to_owned(),
        });
    }
    let state = |state: &str, values: Vec<f32>| NamedTensor {
        name: format!("{}.{state}", layer.name),
        shape: vec![layer.units()],
        values,
    };
    let mut all = scale_and_shift(layer, module).to_vec();
    all.extend([state("mean", mean), state("variance", variance)]);
    Ok(all)
}

/// Modules named in an error.
const NAMED: usize = 3;

fn mismatch(misfit: &Misfit<'_>, modules: &[Module]) -> Error {
    let shown = |number: &usize| {
        let module = &modules[*number];
        let tensor = module.weight.as_ref().or(module.mean.as_ref()).or(module.bias.as_ref());
        format!("{} ({})", module.name, tensor.map_or(String::new(), |tensor| sizes(&tensor.shape)))
    };
    let mut found = misfit.modules.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
    if misfit.modules.len() > NAMED {
        found.push_str(&format!(" and {} more", misfit.modules.len() - NAMED));
    }
    match misfit.want {
        Some(want) => Error::Mismatch {
            what: want.layer.name.clone(),
            expected: expected(&want),
            found: if found.is_empty() { "no more of such".to_owned() } else { found },
            hint: "the recipe must have the layers of the published network, in its order: `narrows inspect RECIPE` shows them".to_owned(),
        },
        None => Error::Mismatch {
            what: "the weights".to_owned(),
            expected: "a layer for each of them".to_owned(),
            found: format!("none for {found}"),
            hint: "the recipe must have the layers of the published network: `narrows inspect RECIPE` shows them".to_owned(),
        },
    }
}

fn expected(want: &Want<'_>) -> String {
    let layer = want.layer;
    match want.part {
        Part::Batch => format!("a batch normalisation of {} channels", layer.units()),
        Part::Group => format!("a group normalisation of {} channels", layer.units()),
        Part::Sums => format!("weights of {}", sizes(&usual_sizes(layer))),
    }
}

fn sizes(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}
