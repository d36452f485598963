//! The shape of a network: which layers, how wide, what each does.

use super::activation::activate;
use super::batch_normalisation::batch_normalisation;
use super::dense::{Parameters, dense, weight};
use super::dropout::dropout;
use super::initial;
use crate::recipe::{Activation, Bottleneck, ModelKind, ModelRecipe};
use narrows_engine::cpu::States;
use narrows_engine::{Graph, Tensor};

/// A dense layer with what goes around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name path of its states: `encoder.0`, `decoder.3`, `output`.
    pub name: String,
    /// Units that it hears.
    pub inputs: usize,
    /// Its own units.
    pub outputs: usize,
    /// What a unit does with its sum.
    pub activation: Activation,
    /// Whether sums are normalised over the batch.
    pub normalised: bool,
    /// Share of its units that are silenced in training.
    pub dropout: f32,
    /// The layer whose weight, transposed, is this one's.
    pub tied: Option<String>,
}

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
    /// What it heard, B×inputs.
    pub input: Tensor<'g>,
    /// Its sums, B×outputs.
    pub sums: Tensor<'g>,
    /// What it says, B×outputs.
    pub values: Tensor<'g>,
}

impl<'g> Pass<'g> {
    /// A pass before its first layer.
    pub fn new(mode: Mode<'g>) -> Pass<'g> {
        Pass { mode, parameters: Parameters::default(), trace: Vec::new() }
    }
}

impl Network {
    /// The network of a recipe for rows of `features` numbers and, for a classifier, so many classes.
    pub fn new(model: &ModelRecipe, features: usize, classes: usize) -> Network {
        let mut layers = Vec::new();
        let mut inputs = features;
        let mut push = |name: String, outputs: usize, activation: Activation, hidden: bool| {
            let normalised = hidden && model.batch_normalisation;
            let dropout = if hidden { model.dropout as f32 } else { 0.0 };
            layers.push(Layer { name, inputs, outputs, activation, normalised, dropout, tied: None });
            inputs = outputs;
        };
        for (number, width) in model.hidden.iter().enumerate() {
            push(format!("encoder.{number}"), *width, model.activation, true);
        }
        let classifier = model.kind == ModelKind::Classifier;
        push(format!("encoder.{}", model.hidden.len()), model.code, model.code_activation, classifier);
        let encoder = model.hidden.len() + 1;
        if classifier {
            push("output".to_owned(), classes, Activation::Identity, false);
        } else {
            let widths = model.decoder_widths();
            for (number, width) in widths.iter().enumerate() {
                push(format!("decoder.{number}"), *width, model.activation, true);
            }
            push(format!("decoder.{}", widths.len()), features, Activation::Identity, false);
        }
        if model.tied {
            let (encoders, decoders) = layers.split_at_mut(encoder);
            for (layer, mirrored) in decoders.iter_mut().zip(encoders.iter().rev()) {
                layer.tied = Some(mirrored.name.clone());
            }
        }
        let log_variance = matches!(model.bottleneck, Bottleneck::Gaussian { .. }).then(|| Layer {
            name: "log_variance".to_owned(),
            activation: Activation::Identity,
            ..layers[encoder - 1].clone()
        });
        let partners = Vec::new();
        Network { features, layers, encoder, bottleneck: model.bottleneck, partners, log_variance }
    }

    /// Units of the code, K.
    pub fn code(&self) -> usize {
        self.layers[self.encoder - 1].outputs
    }

    /// Units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Every layer that has parameters: the network's own and the one beside the code's.
    pub fn all_layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().chain(&self.log_variance)
    }

    /// The same network with a partner for each encoder layer of a classifier.
    #[must_use]
    pub fn with_partners(mut self, model: &ModelRecipe) -> Network {
        if model.kind == ModelKind::Classifier {
            let partner = |(number, layer): (usize, &Layer)| Layer {
                name: format!("partner.{number}"),
                inputs: layer.outputs,
                outputs: layer.inputs,
                activation: if number == 0 { Activation::Identity } else { model.activation },
                normalised: false,
                dropout: 0.0,
                tied: None,
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
        let dictionary = matches!(self.bottleneck, Bottleneck::TopK { .. }) && self.layers.len() == 2;
        for (number, layer) in self.all_layers().chain(&self.partners).enumerate() {
            if layer.tied.is_none() && dictionary && number == 1 {
                let encoder = states.get(&format!("{}.weight", self.layers[0].name)).unwrap_or_default();
                let turned = |at: usize| encoder[at % layer.outputs * layer.inputs + at / layer.outputs];
                let weight: Vec<f32> = (0..encoder.len()).map(turned).collect();
                states.set(&format!("{}.weight", layer.name), &weight)?;
            } else if layer.tied.is_none() {
                let weight = initial::weights(
                    model.initial,
                    layer.activation,
                    layer.inputs,
                    layer.outputs,
                    seed,
                    number as u32,
                );
                let name = format!("{}.weight", layer.name);
                // A Boltzmann machine has one weight for both ways: partners have biases only.
                if states.list().any(|(known, _)| known == name) {
                    states.set(&name, &weight)?;
                }
            }
            if layer.normalised {
                let ones = vec![1.0; layer.outputs];
                states.set(&format!("{}.scale", layer.name), &ones)?;
                states.set(&format!("{}.variance", layer.name), &ones)?;
            }
        }
        Ok(())
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        self.all_layers().map(Layer::parameter_count).sum()
    }
}

impl Layer {
    /// What the layer says, B×outputs, when it hears x, B×inputs.
    pub fn apply<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>, x: Tensor<'g>) -> Tensor<'g> {
        graph.within(&self.name, || {
            let parameters = &mut pass.parameters;
            let mut sums = dense(graph, parameters, &self.name, self.tied.as_deref(), x, self.outputs);
            if self.normalised {
                let training = matches!(pass.mode, Mode::Training(_));
                sums = batch_normalisation(graph, parameters, &self.name, sums, training);
            }
            let mut values = activate(self.activation, sums);
            if let Mode::Training(row_ids) = pass.mode {
                values = dropout(graph, values, row_ids, self.dropout);
            }
            let (name, activation) = (self.name.clone(), self.activation);
            pass.trace.push(Step { name, activation, input: x, sums, values });
            values
        })
    }

    /// Its weight, inputs×outputs.
    pub fn weight<'g>(&self, graph: &'g Graph, parameters: &mut Parameters<'g>) -> Tensor<'g> {
        weight(graph, parameters, &self.name, self.tied.as_deref(), [self.inputs, self.outputs])
    }

    /// Names and shapes of its states.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let named = |state: &str, shape: &[usize]| (format!("{}.{state}", self.name), shape.to_vec());
        let mut all = vec![named("bias", &[self.outputs])];
        if self.tied.is_none() {
            all.insert(0, named("weight", &[self.inputs, self.outputs]));
        }
        if self.normalised {
            let states = ["scale", "shift", "mean", "variance"];
            all.extend(states.map(|state| named(state, &[self.outputs])));
        }
        all
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        let normalisation = if self.normalised { 2 * self.outputs } else { 0 };
        let weight = if self.tied.is_some() { 0 } else { self.inputs * self.outputs };
        weight + self.outputs + normalisation
    }
}
