//! The shape of a network: which layers, how wide, what each does.

use super::dense::Parameters;
use super::extent::Extent;
use super::initial;
use super::layer::{Layer, LayerWork};
use crate::error::Error;
use crate::recipe::{Activation, Bottleneck, Decoder, LayerKind, LayerRecipe, ModelKind, ModelRecipe};
use narrows_engine::cpu::States;
use narrows_engine::{Graph, Tensor};

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
        Pass { mode, parameters: Parameters::default(), trace: Vec::new() }
    }
}

impl Network {
    /// The network of a recipe for rows of so many numbers, or pictures, and, for a classifier, so many classes.
    ///
    /// # Errors
    /// A layer that cannot hear what the one before it says.
    pub fn new(model: &ModelRecipe, rows: impl Into<Extent>, classes: usize) -> Result<Network, Error> {
        let mut rows = rows.into();
        let is_dense = |layer: &LayerRecipe| matches!(layer, LayerRecipe::Dense(_));
        let decoder = match &model.decoder {
            Decoder::Layers(layers) => &layers[..],
            Decoder::Mirror => &[],
        };
        if model.hidden.iter().chain(decoder).all(is_dense) {
            // Nobody looks at rows as pictures.
            rows = Extent::from(rows.numbers());
        }
        let classifier = model.kind == ModelKind::Classifier;
        let mut building = Building { model, layers: Vec::new(), at: rows };
        for (number, layer) in model.hidden.iter().enumerate() {
            building.written("model.hidden", &format!("encoder.{number}"), layer, number)?;
        }
        let (depth, code) = (model.hidden.len(), Extent::from(model.code));
        building.push(format!("encoder.{depth}"), LayerWork::Dense, code, model.code_activation, classifier);
        let encoder = depth + 1;
        if classifier {
            let classes = Extent::from(classes);
            building.push("output".to_owned(), LayerWork::Dense, classes, Activation::Identity, false);
        } else {
            building.decoder(encoder, rows)?;
        }
        let mut layers = building.layers;
        if model.tied {
            let (encoders, decoders) = layers.split_at_mut(encoder);
            for (layer, mirrored) in decoders.iter_mut().zip(encoders.iter().rev()) {
                if layer.has_weights()
                    && layer.kernel()[..2] == mirrored.kernel()[..2]
                    && mirrored.has_weights()
                {
                    layer.tied = Some(mirrored.name.clone());
                }
            }
        }
        let log_variance = matches!(model.bottleneck, Bottleneck::Gaussian { .. }).then(|| Layer {
            name: "log_variance".to_owned(),
            activation: Activation::Identity,
            ..layers[encoder - 1].clone()
        });
        let weights =
            |layer: &Layer| layer.weight_shape().iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        if let Some(layer) =
            layers.iter().find(|layer| weights(layer).is_none_or(|count| count > MOST_WEIGHTS))
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
        Ok(Network { features, layers, encoder, bottleneck: model.bottleneck, partners, log_variance })
    }

    /// Units of the code, K.
    pub fn code(&self) -> usize {
        self.layers[self.encoder - 1].outputs()
    }

    /// Units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// Every layer that has parameters: the network's own and the one beside the code's.
    pub fn all_layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().chain(&self.log_variance)
    }

    /// The same network with a partner for each encoder layer of a classifier.
    #[must_use]
    pub fn with_partners(mut self, model: &ModelRecipe) -> Network {
        if model.kind == ModelKind::Classifier {
            let partner = |(number, layer): (usize, &Layer)| {
                let activation = if number == 0 { Activation::Identity } else { model.activation };
                Layer::new(format!("partner.{number}"), layer.to, layer.mirrored(model.growth), activation)
            };
            self.partners = self.layers[..self.encoder].iter().enumerate().map(partner).collect();
        }
        self
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
            && self.layers[1].is_dense();
        for (number, layer) in self.all_layers().chain(&self.partners).enumerate() {
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

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        self.all_layers().map(Layer::parameter_count).sum()
    }
}

/// The most weights of a layer: 4 GB of them, and twice that for an optimiser.
const MOST_WEIGHTS: usize = 1_000_000_000;

/// A network while it is built: layers so far, and what the last of them says.
struct Building<'m> {
    model: &'m ModelRecipe,
    layers: Vec<Layer>,
    at: Extent,
}

impl Building<'_> {
    fn push(&mut self, name: String, work: LayerWork, to: Extent, activation: Activation, hidden: bool) {
        let from = std::mem::replace(&mut self.at, to);
        let mut layer = Layer::new(name, from, (work, to), activation);
        if layer.has_weights() && hidden {
            layer.normalised = self.model.batch_normalisation;
            layer.dropout = self.model.dropout as f32;
        }
        self.layers.push(layer);
    }

    /// A hidden layer that a recipe names.
    fn written(
        &mut self,
        setting: &'static str,
        name: &str,
        layer: &LayerRecipe,
        number: usize,
    ) -> Result<(), Error> {
        let looks =
            matches!(layer, LayerRecipe::Other(LayerKind::Convolution { size, .. }) if size.0 != [1; 2]);
        if looks && self.layers.is_empty() && self.at.pixels() == 1 {
            return Err(Error::Setting {
                setting,
                problem: format!("layer 1 looks at pictures, and rows are {} numbers", self.at.channels),
                hint: "give their height and width with --set data.size=[H,W], or begin with a \"reshape\""
                    .to_owned(),
            });
        }
        let (work, to) = Layer::work_of(layer, self.at).map_err(|problem| Error::Setting {
            setting,
            problem: format!("layer {}: {problem}", number + 1),
            hint: "`narrows inspect` tells what every layer says; rows are pictures only where data.size or the files say so"
                .to_owned(),
        })?;
        self.push(name.to_owned(), work, to, self.model.activation, true);
        Ok(())
    }

    /// The way back from the code of `encoder` layers to rows.
    fn decoder(&mut self, encoder: usize, rows: Extent) -> Result<(), Error> {
        let model = self.model;
        let last = |number: usize| format!("decoder.{number}");
        match &model.decoder {
            Decoder::Mirror => {
                for number in 0..encoder {
                    let (work, to) = self.layers[encoder - 1 - number].mirrored(model.growth);
                    let end = number + 1 == encoder;
                    let activation = if end { Activation::Identity } else { model.activation };
                    self.push(last(number), work, to, activation, !end);
                }
            }
            Decoder::Layers(layers) => {
                for (number, layer) in layers.iter().enumerate() {
                    self.written("model.decoder", &last(number), layer, number)?;
                }
                let ends =
                    self.layers.last().is_some_and(|layer| layer.window().is_some() && layer.to == rows);
                match self.layers.last_mut() {
                    // Maps as large as rows are the output themselves.
                    Some(output) if ends => {
                        output.activation = Activation::Identity;
                        (output.normalised, output.dropout) = (false, 0.0);
                    }
                    _ => self.push(last(layers.len()), LayerWork::Dense, rows, Activation::Identity, false),
                }
            }
        }
        Ok(())
    }
}
