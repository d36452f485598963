//! The shape of a network: which layers, how wide, what each does.

use super::auxiliary::AuxiliaryHead;
use super::build::Building;
use super::dense::Parameters;
use super::extent::Extent;
use super::initial;
use super::layer::Layer;
use super::work::LayerWork;
use crate::error::Error;
use crate::recipe::{Activation, Bottleneck, Decoder, LayerRecipe, ModelKind, ModelRecipe};
use narrows_engine::cpu::States;
use narrows_engine::{Graph, Tensor};
use std::collections::HashMap;

/// A network as a list of layers: the encoder's, the last of which is the code, then the rest. The last layer of all gives the
/// sums that the output distribution turns into values.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// D, the width of a prepared row.
    pub features: usize,
    /// All layers, input side first.
    pub layers: Vec<Layer>,
    /// Layers up to and including the code.
    pub encoder: usize,
    /// What stands behind the encoder.
    pub bottleneck: Bottleneck,
    /// Partners of a classifier's encoder layers, with which they learn to rebuild what they hear while they are pre-trained.
    pub partners: Vec<Layer>,
    /// The layer beside the code's that gives a gaussian bottleneck its ln σ².
    pub log_variance: Option<Layer>,
    /// Networks beside a classifier's, in training.
    pub auxiliary: Vec<AuxiliaryHead>,
}

/// How a graph is to be used.
#[derive(Clone, Copy)]
pub enum Mode<'g> {
    /// Training; rows are keyed by these ids.
    Training(Tensor<'g>),
    /// Use: nothing random, rows independent.
    Use,
}

/// A pass through layers in a graph: how, with which parameters, and what came of it.
pub struct Pass<'g> {
    /// How the graph is to be used.
    pub mode: Mode<'g>,
    /// The parameters so far.
    pub parameters: Parameters<'g>,
    /// The network's layers that have been applied, in order.
    pub trace: Vec<Step<'g>>,
    /// Layers inside these, and those beside the network.
    pub inner: Vec<Step<'g>>,
    /// Where pooling layers, by their names, found what they took.
    pub positions: HashMap<String, Tensor<'g>>,
}

/// What came of a layer.
pub struct Step<'g> {
    /// The layer's name.
    pub name: String,
    /// Its activation.
    pub activation: Activation,
    /// What it says.
    pub to: Extent,
    /// What it heard, B×inputs.
    pub input: Tensor<'g>,
    /// Its sums, B×outputs.
    pub sums: Tensor<'g>,
    /// What it says, B×outputs.
    pub values: Tensor<'g>,
}

impl<'g> Step<'g> {
    /// What it says, a column for each unit: of maps, which share their weights, a row for each pixel.
    pub fn by_unit(&self) -> Tensor<'g> {
        let rows = self.values.shape().rows();
        match self.to.pixels() {
            1 => self.values,
            pixels => self.values.reshape([rows * pixels, self.to.channels]),
        }
    }
}

impl<'g> Pass<'g> {
    /// A pass before its first layer.
    pub fn new(mode: Mode<'g>) -> Pass<'g> {
        let (trace, inner, positions) = Default::default();
        Pass { mode, parameters: Parameters::default(), trace, inner, positions }
    }
}

impl Network {
    /// The network of a recipe for rows of so many numbers, or pictures, and, for a classifier or segmenter, so many classes.
    ///
    /// # Errors
    /// A layer that cannot hear what the one before it says.
    pub fn new(model: &ModelRecipe, rows: impl Into<Extent>, classes: usize) -> Result<Network, Error> {
        let mut rows = rows.into();
        let decoder = match &model.decoder {
            Decoder::Layers(layers) => &layers[..],
            Decoder::Mirror => &[],
        };
        if model.hidden.iter().chain(decoder).all(LayerRecipe::is_dense) {
            // Nobody looks at rows as pictures.
            rows = Extent::from(rows.numbers());
        }
        let classifier = model.kind == ModelKind::Classifier;
        let mut building = Building::new(model, rows);
        let own_code = model.code > 0;
        let last = if own_code { model.activation } else { model.code_activation };
        building.written("model.hidden", "encoder", &model.hidden, last)?;
        if own_code {
            let name = format!("encoder.{}", building.layers.len());
            building.dense(name, Extent::from(model.code), model.code_activation, classifier);
        }
        let encoder = building.layers.len();
        let target = match model.kind {
            ModelKind::Classifier => Extent::from(classes),
            ModelKind::Segmenter => Extent { channels: classes, ..rows },
            ModelKind::Autoencoder | ModelKind::Boltzmann => rows,
        };
        if classifier && model.decoder == Decoder::Mirror {
            building.dense("output".to_owned(), target, Activation::Identity, false);
        } else {
            building.decoder(encoder, target)?;
        }
        let auxiliary = |(number, recipe)| building.auxiliary(number, recipe, (encoder, classes));
        let auxiliary =
            model.auxiliary.0.iter().enumerate().map(auxiliary).collect::<Result<Vec<_>, Error>>()?;
        let mut layers = building.layers;
        if model.tied {
            let (encoders, decoders) = layers.split_at_mut(encoder);
            decoders.iter_mut().zip(encoders.iter().rev()).for_each(|(layer, mirrored)| tie(layer, mirrored));
        }
        let log_variance = match model.bottleneck {
            Bottleneck::Gaussian { .. } if !layers[encoder - 1].has_weights() => {
                return Err(Error::Setting {
                    setting: "model.code",
                    problem: format!(
                        "a \"gaussian\" bottleneck needs a layer with weights before it, and {} has none",
                        layers[encoder - 1].name
                    ),
                    hint: "give model.code a width, or end model.hidden with a convolution".to_owned(),
                });
            }
            Bottleneck::Gaussian { .. } => Some(Layer {
                name: "log_variance".to_owned(),
                activation: Activation::Identity,
                ..layers[encoder - 1].clone()
            }),
            _ => None,
        };
        let weights =
            |layer: &Layer| layer.weight_shape().iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        let mut every = layers.iter().chain(auxiliary.iter().flat_map(|head| &head.layers));
        if let Some(layer) = every
            .by_ref()
            .flat_map(Layer::with_inner)
            .find(|layer| weights(layer).is_none_or(|count| count > MOST_WEIGHTS))
        {
            return Err(Error::Setting {
                setting: "model.hidden",
                problem: format!(
                    "{} would have more than {MOST_WEIGHTS} weights, from {} to {}",
                    layer.name, layer.from, layer.to
                ),
                hint: "choose fewer maps or units, or more pooling before them".to_owned(),
            });
        }
        let (features, partners) = (rows.numbers(), Vec::new());
        let bottleneck = model.bottleneck;
        Ok(Network { features, layers, encoder, bottleneck, partners, log_variance, auxiliary })
    }

    /// Units of the code, K.
    pub fn code(&self) -> usize {
        self.layers[self.encoder - 1].outputs()
    }

    /// Units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// Every layer that has parameters: the network's own, and those beside it.
    pub fn all_layers(&self) -> impl Iterator<Item = &Layer> {
        let beside = self.auxiliary.iter().flat_map(|head| &head.layers);
        self.layers.iter().chain(&self.log_variance).chain(beside)
    }

    /// The layer of the decoder, if there is one, that asks for positions which an encoder found.
    pub fn asks_encoder(&self) -> Option<&Layer> {
        let mut all = self.layers[self.encoder..].iter().flat_map(Layer::with_inner);
        all.find(|layer| matches!(&layer.work, LayerWork::Unpool { of, .. } if of.starts_with("encoder.")))
    }

    /// The same network with a partner for each encoder layer of a classifier.
    ///
    /// # Errors
    /// A layer that has no mirror image.
    pub fn with_partners(mut self, model: &ModelRecipe) -> Result<Network, Error> {
        if model.kind == ModelKind::Classifier {
            let partner = |(number, layer): (usize, &Layer)| {
                let name = format!("partner.{number}");
                let mirrored = layer.mirrored(&name, model.growth, model.activation, &|_| {});
                let mut partner = mirrored.ok_or_else(|| Error::Setting {
                    setting: "train.pretraining",
                    problem: format!("{} has no mirror image", layer.name),
                    hint: "leave train.pretraining out".to_owned(),
                })?;
                // It says rows, or what is pooled of them.
                if !self.layers[..number].iter().any(Layer::learns) {
                    partner.becomes_output();
                }
                Ok(partner)
            };
            self.partners =
                self.layers[..self.encoder].iter().enumerate().map(partner).collect::<Result<_, Error>>()?;
        }
        Ok(self)
    }

    /// The layer that rebuilds what an encoder layer hears: its mirror image in the decoder, or its partner.
    pub fn mirror(&self, layer: usize) -> &Layer {
        self.partners.get(layer).unwrap_or_else(|| &self.layers[2 * self.encoder - 1 - layer])
    }

    /// The code layer's values, B×K, from rows, B×D; the bottleneck comes after.
    pub fn encode<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>, rows: Tensor<'g>) -> Tensor<'g> {
        self.apply(graph, pass, 0..self.encoder, rows)
    }

    /// The last layer's sums, B×D, from what the bottleneck makes of codes, B×K.
    pub fn decode<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>, codes: Tensor<'g>) -> Tensor<'g> {
        self.apply(graph, pass, self.encoder..self.layers.len(), codes)
    }

    /// What the layers `range` say when the first of them hears x.
    pub fn apply<'g>(
        &self,
        graph: &'g Graph,
        pass: &mut Pass<'g>,
        range: std::ops::Range<usize>,
        x: Tensor<'g>,
    ) -> Tensor<'g> {
        let mut x = x;
        for layer in &self.layers[range] {
            x = layer.apply(graph, pass, x);
        }
        x
    }

    /// Gives every parameter its starting value. The atoms of a top-k dictionary start as the encoder's weights, turned, without
    /// which many units stay dead (Gao et al. 2024, appendix A.1).
    pub fn initialise(
        &self,
        model: &ModelRecipe,
        seed: u64,
        states: &mut States,
    ) -> Result<(), narrows_engine::Error> {
        let dictionary = matches!(self.bottleneck, Bottleneck::TopK { .. })
            && self.layers.len() == 2
            && self.layers.iter().all(Layer::is_dense);
        let all = self.all_layers().chain(&self.partners).flat_map(Layer::with_inner);
        for (number, layer) in all.enumerate() {
            if layer.tied.is_none() && dictionary && number == 1 {
                let encoder = states.get(&format!("{}.weight", self.layers[0].name)).unwrap_or_default();
                let turned =
                    |at: usize| encoder[at % layer.outputs() * layer.inputs() + at / layer.outputs()];
                let weight: Vec<f32> = (0..encoder.len()).map(turned).collect();
                states.set(&format!("{}.weight", layer.name), &weight)?;
            } else if layer.tied.is_none() && layer.has_weights() {
                let ([inputs, outputs], fans) = layer.fans();
                let weight = initial::weights(
                    model.initial,
                    layer.activation,
                    ([inputs, outputs], fans),
                    seed,
                    number as u32,
                );
                let name = format!("{}.weight", layer.name);
                // A Boltzmann machine has one weight for both ways: partners have biases only.
                if states.list().any(|(known, _)| known == name) {
                    states.set(&name, &weight)?;
                }
            }
            for (name, ones) in layer.starting_ones() {
                states.set(&name, &ones)?;
            }
        }
        Ok(())
    }

    /// Rows that are looked at together in use: so many that a layer's values take at most 4 MB, which the caches hold. Rows are
    /// independent, so it decides nothing but speed and memory.
    pub fn rows_at_once(&self) -> usize {
        let widest = self.layers.iter().flat_map(Layer::with_inner);
        let widest = widest.map(|layer| layer.outputs().max(layer.inputs())).max().unwrap_or(1);
        let most = (MOST_AT_ONCE / widest).clamp(1, 256);
        1 << most.ilog2()
    }

    /// Rows that one thread takes through all layers in use: of maps so many that a layer's stay in the second cache of a core (but
    /// enough that weights are not read again and again), else as many as are looked at together.
    pub fn rows_of_a_thread(&self) -> usize {
        let maps = self.layers.iter().flat_map(Layer::with_inner).filter(|layer| layer.window().is_some());
        let widest = maps.map(|layer| layer.outputs().max(layer.inputs())).max();
        let most = widest.map_or(usize::MAX, |widest| (MOST_OF_A_THREAD / widest).max(16));
        self.rows_at_once().min(1 << most.ilog2())
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        self.all_layers().map(Layer::parameter_count).sum()
    }
}

/// Gives a layer the weight of the one that it mirrors, and layers inside it those of their images.
fn tie(layer: &mut Layer, mirrored: &Layer) {
    if layer.has_weights() && mirrored.has_weights() && layer.kernel()[..2] == mirrored.kernel()[..2] {
        layer.tied = Some(mirrored.name.clone());
    }
    let each = |layers: &mut [Layer], of: &[Layer]| {
        layers.iter_mut().zip(of.iter().rev()).for_each(|(layer, of)| tie(layer, of));
    };
    match (&mut layer.work, &mirrored.work) {
        (LayerWork::Residual { body, shortcut }, LayerWork::Residual { body: of, shortcut: beside }) => {
            each(body, of);
            each(shortcut, beside);
        }
        (LayerWork::Summed { branches }, LayerWork::Parallel { branches: of }) => {
            branches.iter_mut().zip(of).for_each(|(layers, of)| each(layers, of));
        }
        _ => {}
    }
}

/// Numbers of a layer's values for all rows that are looked at together.
const MOST_AT_ONCE: usize = 1 << 20;

/// Numbers of a convolution's maps of all rows that a thread takes: half a megabyte.
const MOST_OF_A_THREAD: usize = 1 << 17;

/// The most weights of a layer: 4 GB of them, and twice that for an optimiser.
const MOST_WEIGHTS: usize = 1_000_000_000;
