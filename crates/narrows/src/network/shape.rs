//! The shape of a network: which layers, how wide, what each does.

use super::activation::activate;
use super::batch_normalisation::batch_normalisation;
use super::dense::{Parameters, dense};
use super::dropout::dropout;
use super::initial;
use crate::recipe::{Activation, ModelKind, ModelRecipe};
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
}

/// How a graph is to be used.
#[derive(Clone, Copy)]
pub enum Mode<'g> {
    /// Training; rows are keyed by these ids.
    Training(Tensor<'g>),
    /// Use: nothing random, rows independent.
    Use,
}

impl Network {
    /// The network of a recipe for rows of `features` numbers and, for a classifier, so many classes.
    pub fn new(model: &ModelRecipe, features: usize, classes: usize) -> Network {
        let mut layers = Vec::new();
        let mut inputs = features;
        let mut push = |name: String, outputs: usize, activation: Activation, hidden: bool| {
            let normalised = hidden && model.batch_normalisation;
            let dropout = if hidden { model.dropout as f32 } else { 0.0 };
            layers.push(Layer { name, inputs, outputs, activation, normalised, dropout });
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
        Network { features, layers, encoder }
    }

    /// Units of the code, K.
    pub fn code(&self) -> usize {
        self.layers[self.encoder - 1].outputs
    }

    /// Units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Applies the layers `range` to x.
    pub fn apply<'g>(
        &self,
        graph: &'g Graph,
        parameters: &mut Parameters<'g>,
        range: std::ops::Range<usize>,
        x: Tensor<'g>,
        mode: Mode<'g>,
    ) -> Tensor<'g> {
        let mut x = x;
        for layer in &self.layers[range] {
            x = graph.within(&layer.name, || layer.apply(graph, parameters, x, mode));
        }
        x
    }

    /// Gives every parameter its starting value.
    pub fn initialise(
        &self,
        model: &ModelRecipe,
        seed: u64,
        states: &mut States,
    ) -> Result<(), narrows_engine::Error> {
        for (number, layer) in self.layers.iter().enumerate() {
            let weight = initial::weights(
                model.initial,
                layer.activation,
                layer.inputs,
                layer.outputs,
                seed,
                number as u32,
            );
            states.set(&format!("{}.weight", layer.name), &weight)?;
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
        self.layers.iter().map(Layer::parameter_count).sum()
    }
}

impl Layer {
    fn apply<'g>(
        &self,
        graph: &'g Graph,
        parameters: &mut Parameters<'g>,
        x: Tensor<'g>,
        mode: Mode<'g>,
    ) -> Tensor<'g> {
        let mut sums = dense(graph, parameters, &self.name, x, self.outputs);
        if self.normalised {
            let training = matches!(mode, Mode::Training(_));
            sums = batch_normalisation(graph, parameters, &self.name, sums, training);
        }
        let values = activate(self.activation, sums);
        match mode {
            Mode::Training(row_ids) => dropout(graph, values, row_ids, self.dropout),
            Mode::Use => values,
        }
    }

    /// Names and shapes of its states.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let named = |state: &str, shape: &[usize]| (format!("{}.{state}", self.name), shape.to_vec());
        let mut all = vec![named("weight", &[self.inputs, self.outputs]), named("bias", &[self.outputs])];
        if self.normalised {
            let states = ["scale", "shift", "mean", "variance"];
            all.extend(states.map(|state| named(state, &[self.outputs])));
        }
        all
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        let normalisation = if self.normalised { 2 * self.outputs } else { 0 };
        self.inputs * self.outputs + self.outputs + normalisation
    }
}
