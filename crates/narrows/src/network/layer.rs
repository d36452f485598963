//! A layer: what it hears, what it does, what it says.

use super::activation::activate;
use super::batch_normalisation::batch_normalisation;
use super::dense::{Parameters, dense, weight};
use super::dropout::dropout;
use super::extent::Extent;
use super::maps;
use super::shape::{Mode, Pass, Step};
use super::work::{LayerWork, common, leaves_out, left_out};
use crate::recipe::{Activation, Bias};
use narrows_engine::{Convolution, Graph, Tensor};

/// Numbers that a layer may say of a row: a quarter of a gigabyte.
pub const MOST_NUMBERS: usize = 1 << 26;

/// A layer with what goes around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name path of its states: `encoder.0`, `decoder.3`, `output`.
    pub name: String,
    /// What it hears.
    pub from: Extent,
    /// What it says.
    pub to: Extent,
    /// How its sums come about.
    pub work: LayerWork,
    /// What a unit does with its sum.
    pub activation: Activation,
    /// What is added to sums.
    pub bias: Bias,
    /// Whether sums are normalised over the batch.
    pub normalised: bool,
    /// Share of its units that are silenced in training.
    pub dropout: f32,
    /// The layer whose weight, transposed, is this one's.
    pub tied: Option<String>,
}

impl Layer {
    /// A layer that is neither normalised nor silenced nor tied; one without weights passes on what it makes.
    pub fn new(name: String, from: Extent, (work, to): (LayerWork, Extent), activation: Activation) -> Layer {
        let (bias, normalised, dropout, tied) = (Bias::Shared, false, 0.0, None);
        let mut layer = Layer { name, from, to, work, activation, bias, normalised, dropout, tied };
        let adds = matches!(layer.work, LayerWork::Residual { .. } | LayerWork::Summed { .. });
        if !layer.has_weights() && !adds {
            layer.activation = Activation::Identity;
        }
        layer
    }

    /// Numbers that it hears.
    pub fn inputs(&self) -> usize {
        self.from.numbers()
    }

    /// Numbers that it says.
    pub fn outputs(&self) -> usize {
        self.to.numbers()
    }

    /// Whether it has weights.
    pub fn has_weights(&self) -> bool {
        self.is_dense() || self.window().is_some()
    }

    /// Whether it does something to maps that can be seen: pixels are moved, weighed or chosen.
    pub fn work_is_seen(&self) -> bool {
        !matches!(self.work, LayerWork::Reshape | LayerWork::Repeat { .. } | LayerWork::Opposite)
    }

    /// Whether every unit hears everything.
    pub fn is_dense(&self) -> bool {
        self.work == LayerWork::Dense
    }

    /// Height and width of a convolution's window.
    pub fn window(&self) -> Option<[usize; 2]> {
        match self.work {
            LayerWork::Convolution { size, .. }
            | LayerWork::TransposedConvolution { size, .. }
            | LayerWork::Upsampled { size, .. } => Some(size),
            _ => None,
        }
    }

    /// A convolution's height, width, channels in (of a group) and out.
    pub fn kernel(&self) -> [usize; 4] {
        let [down, across] = self.window().unwrap_or([1; 2]);
        [down, across, self.from.channels / self.groups(), self.to.channels]
    }

    /// Parts that a convolution's channels are cut into.
    pub fn groups(&self) -> usize {
        match self.work {
            LayerWork::Convolution { form, .. }
            | LayerWork::TransposedConvolution { form, .. }
            | LayerWork::Upsampled { form, .. } => form.groups,
            _ => 1,
        }
    }

    /// The weight's sizes as they are stored.
    pub fn weight_shape(&self) -> Vec<usize> {
        if self.is_dense() { vec![self.inputs(), self.outputs()] } else { self.kernel().to_vec() }
    }

    /// Rows and columns of the weight as a matrix, and how many weights meet at a number that the layer says, and at one that it hears.
    pub fn fans(&self) -> ([usize; 2], [f64; 2]) {
        if self.is_dense() {
            return ([self.inputs(), self.outputs()], [self.inputs() as f64, self.outputs() as f64]);
        }
        let [down, across, inputs, outputs] = self.kernel();
        let (rows, window) = (down * across * inputs, (down * across) as f64);
        // Of a window that grows only every stride-th weight meets a pixel; more of those that are apart by what the stride holds, too.
        let met = |form: &Convolution| {
            let every = |axis: usize| form.stride[axis] / common(form.stride[axis], form.dilation[axis]);
            window / (every(0) * every(1)) as f64
        };
        let [heard, said] = match &self.work {
            LayerWork::TransposedConvolution { form, .. } => [met(form), window],
            LayerWork::Convolution { form, .. } => [window, met(form)],
            _ => [window, window],
        };
        let outputs_of = (outputs / self.groups()) as f64;
        ([rows, outputs], [(heard * inputs as f64).max(1.0), (said * outputs_of).max(1.0)])
    }

    /// What the layer says, B×outputs, when it hears x, B×inputs.
    pub fn apply<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>, x: Tensor<'g>) -> Tensor<'g> {
        graph.within(&self.name, || {
            let rows = x.shape().rows();
            let Extent { height, width, channels } = self.from;
            let mut sums = match &self.work {
                LayerWork::Dense => dense(graph, &mut pass.parameters, self, x),
                LayerWork::Residual { body, shortcut } => {
                    inside(graph, pass, body, x) + inside(graph, pass, shortcut, x)
                }
                LayerWork::Parallel { branches } => self.side_by_side(graph, pass, branches, x),
                LayerWork::Summed { branches } => self.added_up(graph, pass, branches, x),
                _ => maps::sums(graph, pass, self, x.reshape([rows, height, width, channels])),
            };
            let training = matches!(pass.mode, Mode::Training(_));
            if self.normalised {
                sums = batch_normalisation(graph, &mut pass.parameters, &self.name, sums, training);
            }
            let flat = |tensor: Tensor<'g>| tensor.reshape([rows, self.outputs()]);
            let mut values = flat(activate(self.activation, sums));
            if let Mode::Training(row_ids) = pass.mode {
                values = dropout(graph, values, row_ids, self.dropout);
            }
            let (name, activation, to) = (self.name.clone(), self.activation, self.to);
            pass.trace.push(Step { name, activation, to, input: x, sums: flat(sums), values });
            values
        })
    }

    fn side_by_side<'g>(
        &self,
        graph: &'g Graph,
        pass: &mut Pass<'g>,
        branches: &[Vec<Layer>],
        x: Tensor<'g>,
    ) -> Tensor<'g> {
        let Extent { height, width, .. } = self.to;
        let rows = x.shape().rows();
        let branch = |layers: &Vec<Layer>| {
            let said = inside(graph, pass, layers, x);
            said.reshape([rows, height, width, said.shape().columns() / (height * width)])
        };
        let all: Vec<Tensor<'g>> = branches.iter().map(branch).collect();
        match all.split_first() {
            Some((first, others)) => first.concatenate(others, 3),
            None => x,
        }
    }

    fn added_up<'g>(
        &self,
        graph: &'g Graph,
        pass: &mut Pass<'g>,
        branches: &[Vec<Layer>],
        x: Tensor<'g>,
    ) -> Tensor<'g> {
        let (rows, Extent { height, width, channels }) = (x.shape().rows(), self.from);
        let maps = x.reshape([rows, height, width, channels]);
        let mut first = 0;
        let own = branches.iter().map(|layers| {
            let channels = layers.first().map_or(self.to.channels, |layer| layer.from.channels);
            let part = maps.slice(&[0, 0, 0, first], &[rows, height, width, channels]);
            first += channels;
            inside(graph, pass, layers, part.reshape([rows, height * width * channels]))
        });
        own.reduce(|sum, said| sum + said).unwrap_or(x)
    }

    /// Takes off what goes around hidden layers' sums: nothing comes after these but the output's distribution. Of a block the last layers that
    /// learn say them.
    pub fn becomes_output(&mut self) {
        self.activation = Activation::Identity;
        (self.normalised, self.dropout) = (false, 0.0);
        if self.has_weights() {
            self.bias = Bias::Shared;
        }
        let lists: Vec<&mut Vec<Layer>> = match &mut self.work {
            LayerWork::Residual { body, shortcut } => vec![body, shortcut],
            LayerWork::Parallel { branches } | LayerWork::Summed { branches } => {
                branches.iter_mut().collect()
            }
            _ => Vec::new(),
        };
        for list in lists {
            list.iter_mut().rev().find(|layer| layer.learns()).into_iter().for_each(Layer::becomes_output);
        }
    }

    /// The layers that it is made of.
    pub fn inner(&self) -> Vec<&Layer> {
        match &self.work {
            LayerWork::Residual { body, shortcut } => body.iter().chain(shortcut).collect(),
            LayerWork::Parallel { branches } | LayerWork::Summed { branches } => {
                branches.iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// This layer and, behind it, those that it is made of.
    pub fn with_inner(&self) -> Vec<&Layer> {
        std::iter::once(self).chain(self.inner().into_iter().flat_map(Layer::with_inner)).collect()
    }

    /// Whether it, or a layer inside, has weights.
    pub fn learns(&self) -> bool {
        self.with_inner().into_iter().any(Layer::has_weights)
    }

    /// Floating-point operations on one row, going forward: two for each weight and each number that it meets, one for each pixel of a
    /// window that is pooled.
    pub fn flops(&self) -> u64 {
        let weights = |pixels: usize| 2 * (pixels * self.weight_shape().iter().product::<usize>()) as u64;
        let outputs = self.outputs() as u64;
        match &self.work {
            LayerWork::Dense => weights(1),
            LayerWork::Convolution { .. } | LayerWork::Upsampled { .. } => weights(self.to.pixels()),
            LayerWork::TransposedConvolution { .. } => weights(self.from.pixels()),
            LayerWork::MaxPool(pool) | LayerWork::AveragePool(pool) | LayerWork::StochasticPool(pool) => {
                outputs * (pool.size[0] * pool.size[1]) as u64
            }
            // As it is done: a product with what belongs together.
            LayerWork::LocalResponse { .. } => 2 * outputs * self.to.channels as u64,
            LayerWork::Bilinear { factor } => outputs * ((factor[0] + 1) * (factor[1] + 1)) as u64,
            LayerWork::GroupNormalisation { .. } => {
                4 * outputs + 4 * (self.to.channels * self.to.channels) as u64
            }
            LayerWork::Residual { .. } => outputs + self.inner().into_iter().map(Layer::flops).sum::<u64>(),
            LayerWork::Parallel { .. } => self.inner().into_iter().map(Layer::flops).sum(),
            LayerWork::Summed { branches } => {
                let additions = branches.len().saturating_sub(1) as u64 * outputs;
                additions + self.inner().into_iter().map(Layer::flops).sum::<u64>()
            }
            LayerWork::Opposite => outputs / 2,
            LayerWork::Repeat { .. } | LayerWork::Unpool { .. } | LayerWork::Reshape => 0,
        }
    }

    /// A dense layer's weight, inputs×outputs.
    pub fn weight<'g>(&self, graph: &'g Graph, parameters: &mut Parameters<'g>) -> Tensor<'g> {
        weight(graph, parameters, self)
    }

    /// Units that share nothing: channels of maps, or all numbers.
    pub fn units(&self) -> usize {
        if self.is_dense() { self.outputs() } else { self.to.channels }
    }

    /// Sizes of what is added to sums; nothing where nothing is.
    pub fn bias_shape(&self) -> Option<Vec<usize>> {
        match self.bias {
            Bias::Shared => Some(vec![self.units()]),
            Bias::Each if self.is_dense() => Some(vec![self.units()]),
            Bias::Each => Some(vec![self.to.height, self.to.width, self.to.channels]),
            Bias::None => None,
        }
    }

    /// Names and shapes of its states, and of those that it is made of.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        self.with_inner().into_iter().flat_map(Layer::own_tensors).collect()
    }

    fn own_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let named = |state: &str, shape: &[usize]| (format!("{}.{state}", self.name), shape.to_vec());
        let mut all = Vec::new();
        if self.has_weights() {
            if self.tied.is_none() {
                all.push(named("weight", &self.weight_shape()));
            }
            all.extend(self.bias_shape().map(|shape| named("bias", &shape)));
        }
        if self.normalised {
            let states = ["scale", "shift", "mean", "variance"];
            all.extend(states.map(|state| named(state, &[self.units()])));
        }
        if matches!(self.work, LayerWork::GroupNormalisation { .. }) {
            all.extend(["scale", "shift"].map(|state| named(state, &[self.units()])));
        }
        all
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        let running = |name: &str| name.ends_with(".mean") || name.ends_with(".variance");
        let learned = self.tensors().into_iter().filter(|(name, _)| !running(name));
        learned.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// What is to be said of a transposed convolution some of whose pixels hear nothing, or of several added up.
    pub fn leaves_out(&self) -> Option<String> {
        match &self.work {
            LayerWork::TransposedConvolution { form, size } if leaves_out(form, *size) => {
                Some(left_out(form, *size))
            }
            // What one list leaves out another may bring.
            LayerWork::Summed { branches } => {
                let told = |layers: &Vec<Layer>| layers.iter().find_map(Layer::leaves_out);
                branches.iter().map(told).collect::<Option<Vec<String>>>()?.into_iter().next()
            }
            _ => None,
        }
    }

    /// Numbers that a fully connected layer in a convolution's place would have: a weight from each number it hears to each that it says, and a
    /// bias for each of these if it has any.
    pub fn if_fully_connected(&self) -> Option<u64> {
        let (inputs, outputs) = (self.inputs() as u64, self.outputs() as u64);
        let bias = u64::from(self.bias_shape().is_some());
        self.window().map(|_| (inputs + bias).saturating_mul(outputs))
    }

    /// The units' sides that start at 1: what a normalisation multiplies by, and the variance that it assumes.
    pub fn starting_ones(&self) -> Vec<(String, Vec<f32>)> {
        let ones = |state: &str| (format!("{}.{state}", self.name), vec![1.0; self.units()]);
        match self.work {
            LayerWork::GroupNormalisation { .. } => vec![ones("scale")],
            _ if self.normalised => vec![ones("scale"), ones("variance")],
            _ => Vec::new(),
        }
    }
}

/// What layers inside another make of x; their steps are kept apart from those of the list that the other belongs to.
fn inside<'g>(graph: &'g Graph, pass: &mut Pass<'g>, layers: &[Layer], x: Tensor<'g>) -> Tensor<'g> {
    let outer = std::mem::take(&mut pass.trace);
    let said = layers.iter().fold(x, |x, layer| layer.apply(graph, pass, x));
    let inner = std::mem::replace(&mut pass.trace, outer);
    pass.inner.extend(inner);
    said
}
