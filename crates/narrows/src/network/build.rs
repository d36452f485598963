//! A recipe's layers become a network's: names, what goes around sums, and which layer undoes which.

use super::auxiliary::AuxiliaryHead;
use super::extent::Extent;
use super::layer::{Layer, MOST_NUMBERS};
use super::work::{LayerWork, work_of};
use crate::error::Error;
use crate::recipe::{
    Activation, AuxiliaryRecipe, Bias, Decoder, LayerKind, LayerRecipe, ModelKind, ModelRecipe, Padding, Pair,
};
use narrows_engine::Pool;

/// A network while it is built: layers so far, and what the last of them says.
pub(super) struct Building<'m> {
    pub model: &'m ModelRecipe,
    pub layers: Vec<Layer>,
    pub at: Extent,
    /// Pooling layers that nothing has undone yet: their names, windows, and what they hear and say.
    pooled: Vec<Pooled>,
    /// Layers and weights so far, those inside others included.
    count: (usize, usize),
}

/// A pooling layer that nothing has undone yet.
#[derive(Clone)]
struct Pooled {
    name: String,
    pool: Pool,
    from: Extent,
    to: Extent,
}

/// Layers of a network at most, those inside others included, and weights of all of them.
const MOST_LAYERS: usize = 10_000;
const MOST_WEIGHTS_IN_ALL: usize = 4_000_000_000;

/// What a layer does where its recipe does not say.
#[derive(Clone, Copy)]
struct Around {
    activation: Activation,
    normalised: bool,
    dropout: f32,
}

impl<'m> Building<'m> {
    pub fn new(model: &'m ModelRecipe, at: Extent) -> Building<'m> {
        Building { model, layers: Vec::new(), at, pooled: Vec::new(), count: (0, 0) }
    }

    fn around(&self, activation: Activation) -> Around {
        let ModelRecipe { batch_normalisation, dropout, .. } = *self.model;
        Around { activation, normalised: batch_normalisation, dropout: dropout as f32 }
    }

    /// A layer of units that each hear everything; `hidden` ones have around them what the model says.
    pub fn dense(&mut self, name: String, to: Extent, activation: Activation, hidden: bool) {
        let mut layer = Layer::new(name, self.at, (LayerWork::Dense, to), activation);
        if hidden {
            finish(&mut layer, &self.around(activation), (None, None));
        }
        self.push(layer);
    }

    fn push(&mut self, layer: Layer) {
        self.at = layer.to;
        self.layers.push(layer);
    }

    /// Layers that a recipe names, as `PREFIX.0` and so on; the last has its own activation.
    ///
    /// # Errors
    /// A layer that cannot hear what the one before it says.
    pub fn written(
        &mut self,
        setting: &'static str,
        prefix: &str,
        recipes: &[LayerRecipe],
        last: Activation,
    ) -> Result<(), Error> {
        let first = self.layers.len();
        for (number, recipe) in recipes.iter().enumerate() {
            self.looks_at_pictures(setting, recipe)?;
            let end = number + 1 == recipes.len();
            let around = self.around(if end { last } else { self.model.activation });
            for _ in 0..recipe.times() {
                let name = format!("{prefix}.{}", self.layers.len() - first);
                let layer = self.layer(name, recipe, self.at, &around).map_err(|problem| Error::Setting {
                    setting,
                    problem: format!("layer {}: {problem}", number + 1),
                    hint: "rows are pictures only where data.size or the files say so; layers are counted from 1, and `narrows inspect` tells what those say that fit"
                        .to_owned(),
                })?;
                self.push(layer);
            }
        }
        Ok(())
    }

    fn looks_at_pictures(&self, setting: &'static str, layer: &LayerRecipe) -> Result<(), Error> {
        let looks =
            layer.any(&|kind| matches!(kind, LayerKind::Convolution { size, .. } if size.0 != [1; 2]));
        if !(looks && self.layers.is_empty() && self.at.pixels() == 1) {
            return Ok(());
        }
        Err(Error::Setting {
            setting,
            problem: format!("layer 1 looks at pictures, and rows are {} numbers", self.at.channels),
            hint: "give their height and width with --set data.size=[H,W], or begin with a \"reshape\""
                .to_owned(),
        })
    }

    fn layer(
        &mut self,
        name: String,
        recipe: &LayerRecipe,
        from: Extent,
        around: &Around,
    ) -> Result<Layer, String> {
        let layer = match recipe {
            LayerRecipe::Dense(width) => {
                let mut layer =
                    Layer::new(name, from, (LayerWork::Dense, Extent::from(*width)), around.activation);
                finish(&mut layer, around, (None, None));
                layer
            }
            LayerRecipe::Other(LayerKind::Unpool) => self.unpool(name, from)?,
            LayerRecipe::Other(kind) => of_kind(name, kind, from, around)?,
            LayerRecipe::Residual { layers, shortcut, .. } => {
                let body =
                    self.list(&format!("{name}.layers"), layers, from, around, Activation::Identity)?;
                let shortcut =
                    self.list(&format!("{name}.shortcut"), shortcut, from, around, Activation::Identity)?;
                let ends = [&body, &shortcut].map(|layers| layers.last().map_or(from, |last| last.to));
                if ends[0] != ends[1] {
                    return Err(format!("{} cannot be added to {}", ends[0], ends[1]));
                }
                Layer::new(name, from, (LayerWork::Residual { body, shortcut }, ends[0]), around.activation)
            }
            LayerRecipe::Parallel { branches } => {
                let branch = |(number, layers): (usize, &Vec<LayerRecipe>)| {
                    self.list(&format!("{name}.branches.{number}"), layers, from, around, around.activation)
                };
                let branches: Vec<Vec<Layer>> =
                    branches.iter().enumerate().map(branch).collect::<Result<_, String>>()?;
                let ends: Vec<Extent> =
                    branches.iter().map(|layers| layers.last().map_or(from, |last| last.to)).collect();
                if let Some(other) = ends.iter().find(|end| end.size() != ends[0].size()) {
                    return Err(format!("{other} and {} cannot stand side by side", ends[0]));
                }
                let channels = ends.iter().map(|end| end.channels).sum();
                let to = Extent { channels, ..ends[0] };
                Layer::new(name, from, (LayerWork::Parallel { branches }, to), around.activation)
            }
        };
        if let LayerWork::MaxPool(pool) = layer.work {
            self.pooled.push(Pooled { name: layer.name.clone(), pool, from: layer.from, to: layer.to });
        }
        let weights = layer.has_weights().then(|| layer.weight_shape());
        let weights = weights
            .map_or(Some(0), |shape| shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size)));
        let (layers, before) = self.count;
        self.count = (layers + 1, weights.map_or(usize::MAX, |weights| before.saturating_add(weights)));
        if self.count.0 > MOST_LAYERS {
            return Err(format!("the network has more than {MOST_LAYERS} layers"));
        }
        if self.count.1 > MOST_WEIGHTS_IN_ALL {
            return Err(format!("the network has more than {MOST_WEIGHTS_IN_ALL} weights"));
        }
        match layer.to.is_possible() {
            true => Ok(layer),
            false => {
                Err(format!("{} is more than the {MOST_NUMBERS} numbers that a layer may say", layer.to))
            }
        }
    }

    /// Layers inside another, the last with an activation of its own.
    fn list(
        &mut self,
        prefix: &str,
        recipes: &[LayerRecipe],
        from: Extent,
        around: &Around,
        last: Activation,
    ) -> Result<Vec<Layer>, String> {
        let mut layers: Vec<Layer> = Vec::new();
        // What is pooled in here is undone in here.
        let outside = std::mem::take(&mut self.pooled);
        for (number, recipe) in recipes.iter().enumerate() {
            let end = number + 1 == recipes.len();
            let around = Around { activation: if end { last } else { self.model.activation }, ..*around };
            for _ in 0..recipe.times() {
                let at = layers.last().map_or(from, |last| last.to);
                layers.push(self.layer(format!("{prefix}.{}", layers.len()), recipe, at, &around)?);
            }
        }
        self.pooled = outside;
        Ok(layers)
    }

    /// What undoes the last pooling layer that nothing has undone.
    fn unpool(&mut self, name: String, from: Extent) -> Result<Layer, String> {
        let missing = "\"unpool\" undoes a \"max-pool\" before it, and none is left".to_owned();
        let pooling = self.pooled.pop().ok_or(missing)?;
        if from != pooling.to {
            return Err(format!(
                "\"unpool\" undoes {}, which says {}, and is given {from}",
                pooling.name, pooling.to
            ));
        }
        let work = LayerWork::Unpool { pool: pooling.pool, of: pooling.name };
        Ok(Layer::new(name, from, (work, pooling.from), Activation::Identity))
    }

    /// The way back from the code of `encoder` layers to rows, or to the classes of each pixel.
    ///
    /// # Errors
    /// A layer that cannot hear what the one before it says; an encoder that has no mirror image.
    pub fn decoder(&mut self, encoder: usize, target: Extent) -> Result<(), Error> {
        let model = self.model;
        match &model.decoder {
            Decoder::Mirror => {
                let around = self.around(model.activation);
                let hidden = |layer: &mut Layer| finish(layer, &around, (None, None));
                for number in 0..encoder {
                    let end = number + 1 == encoder;
                    let layer = &self.layers[encoder - 1 - number];
                    let name = format!("decoder.{number}");
                    let mut mirrored = layer
                        .mirrored(&name, model.growth, model.activation, &hidden)
                        .ok_or_else(|| Error::Setting {
                            setting: "model.decoder",
                            problem: format!("{} has no mirror image", layer.name),
                            hint: "write model.decoder as a list of layers".to_owned(),
                        })?;
                    if end && mirrored.to != target {
                        if !mirrored.has_weights() {
                            return Err(Error::Setting {
                                setting: "model.decoder",
                                problem: format!(
                                    "the mirror image of {} says {}, not {target}",
                                    layer.name, mirrored.to
                                ),
                                hint: "write model.decoder as a list of layers".to_owned(),
                            });
                        }
                        mirrored.to = target;
                        if !target.channels.is_multiple_of(mirrored.groups()) {
                            return Err(Error::Setting {
                                setting: "model.hidden",
                                problem: format!(
                                    "the groups of {} do not divide {} classes",
                                    layer.name, target.channels
                                ),
                                hint: "write model.decoder as a list of layers".to_owned(),
                            });
                        }
                    }
                    self.push(mirrored);
                }
                // What follows on it, such as repeated pixels, takes the output's sums to where rows have them.
                let output = self.layers[encoder..].iter_mut().rev().find(|layer| layer.learns());
                output.into_iter().for_each(Layer::becomes_output);
            }
            Decoder::Layers(layers) => {
                self.written("model.decoder", "decoder", layers, model.activation)?;
                let number = layers.len();
                let sizes = self.at.size() == target.size() && target.pixels() > 1;
                // Where a list ends with maps as large as what is asked for, these are the output themselves.
                let classifier = model.kind == ModelKind::Classifier;
                let as_many = self.at == target || (classifier && self.at.numbers() == target.numbers());
                let depth = self.layers.len();
                match self.layers.last_mut() {
                    Some(output) if depth > encoder && output.work == LayerWork::Opposite && as_many => {}
                    Some(output) if depth > encoder && output.window().is_some() && as_many => {
                        let (activation, normalised, bias) = layers.last().map(own).unwrap_or_default();
                        if activation.is_some_and(|own| own != Activation::Identity)
                            || normalised == Some(true)
                        {
                            return Err(Error::Setting {
                                setting: "model.decoder",
                                problem: format!(
                                    "{} is the output, whose sums model.output turns into values: it has neither an activation nor normalisation",
                                    output.name
                                ),
                                hint: "leave these out of the last layer, or end with another layer"
                                    .to_owned(),
                            });
                        }
                        output.activation = Activation::Identity;
                        (output.normalised, output.dropout) = (false, 0.0);
                        output.bias = bias.unwrap_or(Bias::Shared);
                    }
                    Some(output) if depth > encoder && self.at == target && !output.is_dense() => {}
                    _ if sizes && !classifier => {
                        let kind = pixel_by_pixel(target.channels);
                        let around =
                            Around { activation: Activation::Identity, normalised: false, dropout: 0.0 };
                        let name = format!("decoder.{number}");
                        let layer = of_kind(name, &kind, self.at, &around).map_err(|problem| {
                            let hint = "write model.decoder so that it ends at the picture's size".to_owned();
                            Error::Setting { setting: "model.decoder", problem, hint }
                        })?;
                        self.push(layer);
                    }
                    _ if model.kind == ModelKind::Segmenter => {
                        return Err(Error::Setting {
                            setting: "model.decoder",
                            problem: format!(
                                "it ends with {}, and pictures have {}×{} pixels",
                                self.at, target.height, target.width
                            ),
                            hint:
                                "undo each pooling, by \"unpool\", \"repeat\" or \"transposed-convolution\""
                                    .to_owned(),
                        });
                    }
                    _ if classifier => self.dense("output".to_owned(), target, Activation::Identity, false),
                    _ => self.dense(format!("decoder.{number}"), target, Activation::Identity, false),
                }
            }
        }
        Ok(())
    }

    /// A network beside the network, whose encoder's layers stand.
    ///
    /// # Errors
    /// A layer that is not there, or cannot hear what the one before it says.
    pub fn auxiliary(
        &self,
        number: usize,
        recipe: &AuxiliaryRecipe,
        (encoder, classes): (usize, usize),
    ) -> Result<AuxiliaryHead, Error> {
        // Layers that are repeated count once in a recipe.
        let repeated: usize = self.model.hidden.iter().take(recipe.after).map(LayerRecipe::times).sum();
        let after = (repeated + recipe.after.saturating_sub(self.model.hidden.len())).max(1) - 1;
        if after >= encoder {
            return Err(Error::Setting {
                setting: "model.auxiliary",
                problem: format!(
                    "layer {} is asked for, and model.hidden and the code are {}",
                    recipe.after,
                    self.model.hidden.len() + usize::from(self.model.code > 0)
                ),
                hint: "give the number of a layer of model.hidden, from 1".to_owned(),
            });
        }
        let mut beside = Building::new(self.model, self.layers[after].to);
        let prefix = format!("auxiliary.{number}");
        beside.written("model.auxiliary", &prefix, &recipe.layers, self.model.activation)?;
        beside.dense(format!("{prefix}.output"), Extent::from(classes), Activation::Identity, false);
        Ok(AuxiliaryHead { after, layers: beside.layers, weight: recipe.weight as f32 })
    }
}

/// A layer of a kind with what goes around it.
fn of_kind(name: String, kind: &LayerKind, from: Extent, around: &Around) -> Result<Layer, String> {
    let (work, to) = work_of(kind, from)?;
    let mut layer = Layer::new(name, from, (work, to), around.activation);
    match *kind {
        LayerKind::Dense { activation, batch_normalisation, bias, .. }
        | LayerKind::Convolution { activation, batch_normalisation, bias, .. }
        | LayerKind::TransposedConvolution { activation, batch_normalisation, bias, .. } => {
            layer.activation = activation.unwrap_or(around.activation);
            finish(&mut layer, around, (batch_normalisation, bias));
        }
        LayerKind::BatchNormalisation { activation } => {
            layer.activation = activation.unwrap_or(around.activation);
            layer.normalised = true;
        }
        LayerKind::GroupNormalisation { activation, .. } => {
            layer.activation = activation.unwrap_or(around.activation);
        }
        LayerKind::Dropout { rate } => layer.dropout = rate as f32,
        _ => {}
    }
    Ok(layer)
}

/// What goes around a hidden layer's sums; normalised ones need no bias, since the mean is taken off.
fn finish(layer: &mut Layer, around: &Around, (normalised, bias): (Option<bool>, Option<Bias>)) {
    if !layer.has_weights() {
        return;
    }
    layer.normalised = normalised.unwrap_or(around.normalised);
    layer.bias = bias.unwrap_or(if layer.normalised { Bias::None } else { Bias::Shared });
    layer.dropout = around.dropout;
}

/// What a recipe's convolution itself asks for around its sums.
fn own(recipe: &LayerRecipe) -> (Option<Activation>, Option<bool>, Option<Bias>) {
    match *recipe {
        LayerRecipe::Other(
            LayerKind::Convolution { activation, batch_normalisation, bias, .. }
            | LayerKind::TransposedConvolution { activation, batch_normalisation, bias, .. },
        ) => (activation, batch_normalisation, bias),
        _ => Default::default(),
    }
}

/// A convolution of one pixel.
fn pixel_by_pixel(channels: usize) -> LayerKind {
    LayerKind::Convolution {
        channels,
        size: Pair([1; 2]),
        stride: Pair([1; 2]),
        dilation: Pair([1; 2]),
        padding: Padding::None,
        groups: 1,
        activation: None,
        batch_normalisation: None,
        bias: None,
    }
}
