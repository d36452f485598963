//! One machine of a stack, in a graph.

use super::units::Units;
use crate::autoencoder::Output;
use crate::network::{Network, Parameters, Role};
use narrows_engine::{Graph, Tensor};

/// A machine: the names of its parameters and the kinds of its units.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The state W, visible×hidden.
    pub weight: String,
    /// The state c.
    pub hidden_bias: String,
    /// The state b.
    pub visible_bias: String,
    /// Hidden units.
    pub hidden: Units,
    /// Visible units.
    pub visible: Units,
    /// How many of each: visible, hidden.
    pub sizes: [usize; 2],
}

/// A machine's parameters in a graph.
#[derive(Clone, Copy)]
pub struct Weights<'g> {
    /// W, visible×hidden.
    pub weight: Tensor<'g>,
    /// b.
    pub visible_bias: Tensor<'g>,
    /// c.
    pub hidden_bias: Tensor<'g>,
}

impl Machine {
    /// The machine of an encoder layer and its mirror image; `output` is what rows are. None for units that no machine has.
    pub fn of_layer(network: &Network, layer: usize, output: Output) -> Option<Machine> {
        let (own, mirror) = (&network.layers[layer], network.mirror(layer));
        let visible = match layer {
            0 => Units::of_output(output),
            // What rectified units say is a real number to the machine above.
            _ => match Units::of_activation(network.layers[layer - 1].activation)? {
                Units::Rectified => Units::Gaussian,
                units => units,
            },
        };
        Some(Machine {
            weight: format!("{}.weight", own.name),
            hidden_bias: format!("{}.bias", own.name),
            visible_bias: format!("{}.bias", mirror.name),
            hidden: Units::of_activation(own.activation)?,
            visible,
            sizes: [own.inputs(), own.outputs()],
        })
    }

    /// Its parameters.
    pub fn weights<'g>(&self, graph: &'g Graph, parameters: &mut Parameters<'g>) -> Weights<'g> {
        let [visible, hidden] = self.sizes;
        Weights {
            weight: parameters.get(graph, &self.weight, &[visible, hidden], Role::Weight),
            hidden_bias: parameters.get(graph, &self.hidden_bias, &[hidden], Role::Bias),
            visible_bias: parameters.get(graph, &self.visible_bias, &[visible], Role::Bias),
        }
    }

    /// −F(v) = b·v − ½‖v‖² (gaussian only) + Σⱼ ln ∫ exp(aⱼ h) dh of each row of v, B×1; none for rectified hidden units.
    pub fn minus_free_energy<'g>(&self, weights: Weights<'g>, visible: Tensor<'g>) -> Option<Tensor<'g>> {
        let own = match self.visible {
            Units::Gaussian => visible * (weights.visible_bias - visible * 0.5),
            Units::Bernoulli | Units::Rectified => visible * weights.visible_bias,
        };
        let normaliser = self.hidden.log_normaliser(weights.up(visible))?;
        Some(own.sum(&[1]) + (normaliser + self.hidden.constant() as f32).sum(&[1]))
    }
}

impl<'g> Weights<'g> {
    /// Sums of the hidden units, B×H.
    pub fn up(&self, visible: Tensor<'g>) -> Tensor<'g> {
        visible.matmul(self.weight) + self.hidden_bias
    }

    /// Sums of the visible units, B×D.
    pub fn down(&self, hidden: Tensor<'g>) -> Tensor<'g> {
        hidden.matmul(self.weight.transpose()) + self.visible_bias
    }
}
