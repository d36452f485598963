//! One machine of a stack, in a graph: every visible unit beside every hidden one, or maps beside maps with windows between them (Lee, Grosse,
//! Ranganath and Ng 2009), which share their weights and, map by map, their biases.

use super::units::Units;
use crate::autoencoder::Output;
use crate::network::{Extent, Layer, LayerWork, Network, Parameters, Role, with_channels_exchanged};
use narrows_engine::{Convolution, Graph, Tensor};

/// A machine: the names of its parameters and the kinds of its units.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The state W, visible×hidden, or the kernel, K×L×(visible maps/groups)×hidden maps.
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
    /// How maps hear each other; none where every unit hears all others.
    pub windows: Option<Windows>,
}

/// Windows between maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// How they lie in the visible maps.
    pub form: Convolution,
    /// Height and width of one.
    pub size: [usize; 2],
    /// The visible maps.
    pub visible: Extent,
    /// The hidden ones.
    pub hidden: Extent,
}

/// A machine's parameters in a graph.
#[derive(Clone, Copy)]
pub struct Weights<'g> {
    /// W, as [`Machine::weight`] has it.
    pub weight: Tensor<'g>,
    /// b.
    pub visible_bias: Tensor<'g>,
    /// c.
    pub hidden_bias: Tensor<'g>,
    /// See [`Machine`].
    pub windows: Option<Windows>,
}

impl Machine {
    /// The machine of an encoder layer and its mirror image; `output` is what rows are.
    ///
    /// # Errors
    /// Why no machine is like that, in words.
    pub fn of_layer(network: &Network, layer: usize, output: Output) -> Result<Machine, String> {
        let (own, mirror) = (&network.layers[layer], network.mirror(layer));
        let units = |of: &Layer| {
            Units::of_activation(of.activation)
                .ok_or_else(|| format!("it has no units like those of {}, {}", of.name, of.activation))
        };
        let windows = match (&own.work, &mirror.work) {
            (LayerWork::Dense, LayerWork::Dense) => None,
            (LayerWork::Convolution { form, size }, LayerWork::TransposedConvolution { .. }) => {
                Some(Windows { form: *form, size: *size, visible: own.from, hidden: own.to })
            }
            _ => return Err(format!("it is {}, and back {}", own.in_words(), mirror.in_words())),
        };
        if own.normalised {
            return Err("its sums are normalised over the batch".to_owned());
        }
        if own.bias_shape() != Some(vec![own.units()]) {
            return Err("its units have no bias, or one for each place of a map".to_owned());
        }
        // Pooling in between chooses among values, or mixes them.
        let mut between = network.layers[..layer].iter().rev().take_while(|below| !below.has_weights());
        let changes = |below: &&Layer| {
            let other = matches!(
                below.work,
                LayerWork::GroupNormalisation { .. } | LayerWork::LocalResponse { .. } | LayerWork::Opposite
            );
            below.normalised || other || !below.inner().is_empty()
        };
        if let Some(below) = between.find(changes) {
            return Err(format!("what it hears comes from {}, {}", below.name, below.in_words()));
        }
        let visible = match network.layers[..layer].iter().rev().find(|below| below.has_weights()) {
            None => Units::of_output(output),
            // What rectified units say is a real number to the machine above.
            Some(below) => match units(below)? {
                Units::Rectified => Units::Gaussian,
                units => units,
            },
        };
        Ok(Machine {
            weight: format!("{}.weight", own.name),
            hidden_bias: format!("{}.bias", own.name),
            visible_bias: format!("{}.bias", mirror.name),
            hidden: units(own)?,
            visible,
            sizes: [own.inputs(), own.outputs()],
            windows,
        })
    }

    /// Its parameters.
    pub fn weights<'g>(&self, graph: &'g Graph, parameters: &mut Parameters<'g>) -> Weights<'g> {
        let ([visible, hidden], shape) = match self.windows {
            None => (self.sizes, self.sizes.to_vec()),
            Some(Windows { form, size: [down, across], visible, hidden }) => {
                let maps = [visible.channels, hidden.channels];
                (maps, vec![down, across, maps[0] / form.groups, maps[1]])
            }
        };
        Weights {
            weight: parameters.get(graph, &self.weight, &shape, Role::Weight),
            hidden_bias: parameters.get(graph, &self.hidden_bias, &[hidden], Role::Bias),
            visible_bias: parameters.get(graph, &self.visible_bias, &[visible], Role::Bias),
            windows: self.windows,
        }
    }

    /// −F(v) = b·v − ½‖v‖² (gaussian only) + Σⱼ ln ∫ exp(aⱼ h) dh of each row of v, B×1; none for rectified hidden units.
    pub fn minus_free_energy<'g>(&self, weights: Weights<'g>, visible: Tensor<'g>) -> Option<Tensor<'g>> {
        let pull = weights.by_bias(visible);
        let own = match self.visible {
            Units::Gaussian => pull - visible.square() * 0.5,
            Units::Bernoulli | Units::Rectified => pull,
        };
        let normaliser = self.hidden.log_normaliser(weights.up(visible))?;
        Some(own.sum(&[1]) + (normaliser + self.hidden.constant() as f32).sum(&[1]))
    }
}

impl<'g> Weights<'g> {
    /// Sums of the hidden units, B×H.
    pub fn up(&self, visible: Tensor<'g>) -> Tensor<'g> {
        let Some(Windows { form, visible: from, .. }) = self.windows else {
            return visible.matmul(self.weight) + self.hidden_bias;
        };
        flat(maps(visible, from).convolution(self.weight, &form) + self.hidden_bias)
    }

    /// Sums of the visible units, B×D.
    pub fn down(&self, hidden: Tensor<'g>) -> Tensor<'g> {
        let Some(Windows { form, visible, hidden: from, .. }) = self.windows else {
            return hidden.matmul(self.weight.transpose()) + self.visible_bias;
        };
        let turned = with_channels_exchanged(self.weight, form.groups);
        flat(maps(hidden, from).transposed_convolution(turned, &form, visible.size()) + self.visible_bias)
    }

    /// Each visible value times its own bias, B×D.
    pub fn by_bias(&self, visible: Tensor<'g>) -> Tensor<'g> {
        match self.windows {
            None => visible * self.visible_bias,
            Some(windows) => flat(maps(visible, windows.visible) * self.visible_bias),
        }
    }
}

/// Rows as pictures.
fn maps(rows: Tensor<'_>, extent: Extent) -> Tensor<'_> {
    rows.reshape([rows.shape().sizes()[0], extent.height, extent.width, extent.channels])
}

/// Pictures as rows.
fn flat(maps: Tensor<'_>) -> Tensor<'_> {
    let sizes = maps.shape();
    maps.reshape([sizes.sizes()[0], sizes.elements() / sizes.sizes()[0]])
}
