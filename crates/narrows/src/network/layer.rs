//! A layer: what it hears, what it does, what it says.

use super::activation::activate;
use super::batch_normalisation::batch_normalisation;
use super::dense::{Parameters, dense, weight};
use super::dropout::dropout;
use super::extent::Extent;
use super::maps::{self, around};
use super::shape::{Mode, Pass, Step};
use crate::recipe::{Activation, Growth, LayerKind, LayerRecipe};
use narrows_engine::{Convolution, Graph, Pool, Tensor};

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
    /// Whether sums are normalised over the batch.
    pub normalised: bool,
    /// Share of its units that are silenced in training.
    pub dropout: f32,
    /// The layer whose weight, transposed, is this one's.
    pub tied: Option<String>,
}

/// How a layer's sums come about.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerWork {
    /// Every unit hears everything.
    Dense,
    /// A convolution.
    Convolution {
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// A transposed convolution: windows lie in what the layer says.
    TransposedConvolution {
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// Pixels repeated, then a convolution.
    Upsampled {
        /// How often pixels are repeated, down and across.
        factor: [usize; 2],
        /// How windows lie.
        form: Convolution,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// The largest pixel of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AveragePool(Pool),
    /// Pixels repeated.
    Repeat {
        /// How often, down and across.
        factor: [usize; 2],
    },
    /// The same numbers.
    Reshape,
}

impl Layer {
    /// A layer that is neither normalised nor silenced nor tied; one without weights passes on what it makes.
    pub fn new(name: String, from: Extent, (work, to): (LayerWork, Extent), activation: Activation) -> Layer {
        let mut layer =
            Layer { name, from, to, work, activation, normalised: false, dropout: 0.0, tied: None };
        if !layer.has_weights() {
            layer.activation = Activation::Identity;
        }
        layer
    }

    /// What a recipe's layer does with what it hears, and what it says.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn work_of(recipe: &LayerRecipe, from: Extent) -> Result<(LayerWork, Extent), String> {
        let (work, to) = Layer::unchecked_work_of(recipe, from)?;
        match to.is_possible() {
            true => Ok((work, to)),
            false => Err(format!("{to} is more than the {MOST_NUMBERS} numbers that a layer may say")),
        }
    }

    fn unchecked_work_of(recipe: &LayerRecipe, from: Extent) -> Result<(LayerWork, Extent), String> {
        let kind = match recipe {
            LayerRecipe::Dense(width) => return Ok((LayerWork::Dense, Extent::from(*width))),
            LayerRecipe::Other(kind) => kind,
        };
        let holds = |window: [usize; 2], to: Option<[usize; 2]>, channels: usize| match to {
            Some([height, width]) => Ok(Extent { height, width, channels }),
            None => Err(format!("a window of {}×{} pixels does not fit into {from}", window[0], window[1])),
        };
        // Windows that lie wholly beyond the picture see nothing.
        let sees = |form: &Convolution, window: [usize; 2]| {
            let reach = [0, 1].map(|axis| (window[axis] - 1) * form.dilation[axis] + 1);
            let large = [0, 1].into_iter().find(|axis| {
                let around = form.before[*axis].max(form.after[*axis]);
                around >= reach[*axis] || reach[*axis] > 2 * from.size()[*axis] + 1
            });
            match large {
                None => Ok(()),
                Some(_) => Err(format!(
                    "windows that reach over {}×{} pixels, with {}×{} zeros before {from}, see nothing but zeros",
                    reach[0], reach[1], form.before[0], form.before[1]
                )),
            }
        };
        let pool = |size: [usize; 2], stride: [usize; 2], padding| {
            let stride = [0, 1].map(|axis| if stride[axis] == 0 { size[axis] } else { stride[axis] });
            let form = around(padding, Convolution { stride, ..Convolution::default() }, from.size(), size);
            sees(&form, size)?;
            let pool = Pool { size, stride, before: form.before, after: form.after };
            holds(size, pool.output(from.size()), from.channels).map(|to| (pool, to))
        };
        Ok(match *kind {
            LayerKind::Convolution { channels, size, stride, dilation, padding, groups } => {
                if !from.channels.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
                    let found = format!("{} channels in and {channels} out", from.channels);
                    return Err(format!("{groups} groups do not divide {found}"));
                }
                let (size, form) = (
                    size.0,
                    Convolution { stride: stride.0, dilation: dilation.0, groups, ..Convolution::default() },
                );
                let form = around(padding, form, from.size(), size);
                sees(&form, size)?;
                let to = holds(size, form.output(from.size(), size), channels)?;
                (LayerWork::Convolution { form, size }, to)
            }
            LayerKind::TransposedConvolution { channels, size, stride, padding } => {
                let (size, form) = (size.0, Convolution { stride: stride.0, ..Convolution::default() });
                // With "same" a convolution of the result would give what the layer hears, stride by stride.
                let whole = [from.height * stride.0[0], from.width * stride.0[1]];
                let form = around(padding, form, whole, size);
                let to = match padding {
                    crate::recipe::Padding::Same => whole,
                    _ => [0, 1].map(|axis| {
                        ((from.size()[axis] - 1) * form.stride[axis] + size[axis])
                            .saturating_sub(form.before[axis] + form.after[axis])
                    }),
                };
                if to.contains(&0) || form.output(to, size) != Some(from.size()) {
                    return Err(format!("windows of {}×{} pixels cannot grow from {from}", size[0], size[1]));
                }
                let to = Extent { height: to[0], width: to[1], channels };
                (LayerWork::TransposedConvolution { form, size }, to)
            }
            LayerKind::MaxPool { size, stride, padding } => {
                let (pool, to) = pool(size.0, stride.0, padding)?;
                (LayerWork::MaxPool(pool), to)
            }
            LayerKind::AveragePool { size, stride, padding } => {
                let (pool, to) = pool(size.0, stride.0, padding)?;
                (LayerWork::AveragePool(pool), to)
            }
            LayerKind::GlobalPool => {
                let to = Extent { height: 1, width: 1, ..from };
                (LayerWork::AveragePool(Pool::of(from.size())), to)
            }
            LayerKind::Repeat { size } => {
                let [down, across] = size.0;
                let to = Extent { height: from.height * down, width: from.width * across, ..from };
                (LayerWork::Repeat { factor: size.0 }, to)
            }
            LayerKind::Reshape { height, width, channels } => {
                let to = Extent { height, width, channels };
                if !to.is_possible() || to.numbers() != from.numbers() {
                    return Err(format!("{to} is not as many numbers as {from}"));
                }
                (LayerWork::Reshape, to)
            }
        })
    }

    /// The layer that goes the other way.
    #[must_use]
    pub fn mirrored(&self, growth: Growth) -> (LayerWork, Extent) {
        let transposed =
            |form: &Convolution, size: [usize; 2]| LayerWork::TransposedConvolution { form: *form, size };
        let work = match &self.work {
            LayerWork::Dense => LayerWork::Dense,
            LayerWork::Convolution { form, size } | LayerWork::Upsampled { form, size, .. } => {
                if growth == Growth::Upsample && form.stride != [1, 1] {
                    let (shrinks, still) = (form.stride, Convolution { stride: [1; 2], ..*form });
                    let form = still.same(self.from.size(), *size);
                    LayerWork::Upsampled { factor: shrinks, form, size: *size }
                } else {
                    transposed(form, *size)
                }
            }
            LayerWork::TransposedConvolution { form, size } => {
                LayerWork::Convolution { form: *form, size: *size }
            }
            LayerWork::MaxPool(pool) | LayerWork::AveragePool(pool) => match growth {
                Growth::Transposed => {
                    let Pool { size, stride, before, after } = *pool;
                    transposed(&Convolution { stride, before, after, ..Convolution::default() }, size)
                }
                Growth::Repeat | Growth::Upsample => LayerWork::Repeat { factor: pool.stride },
            },
            LayerWork::Repeat { factor } => LayerWork::AveragePool(Pool::of(*factor)),
            LayerWork::Reshape => LayerWork::Reshape,
        };
        (work, self.from)
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

    fn groups(&self) -> usize {
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
        // Of a window that grows only every stride-th weight meets a pixel.
        let [heard, said] = match self.work {
            LayerWork::TransposedConvolution { form, .. } => {
                [window / (form.stride[0] * form.stride[1]) as f64, window]
            }
            LayerWork::Convolution { form, .. } => {
                [window, window / (form.stride[0] * form.stride[1]) as f64]
            }
            _ => [window, window],
        };
        let outputs_of = (outputs / self.groups()) as f64;
        ([rows, outputs], [(heard * inputs as f64).max(1.0), (said * outputs_of).max(1.0)])
    }

    /// What the layer says, B×outputs, when it hears x, B×inputs.
    pub fn apply<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>, x: Tensor<'g>) -> Tensor<'g> {
        graph.within(&self.name, || {
            let parameters = &mut pass.parameters;
            let rows = x.shape().rows();
            let mut sums = if self.is_dense() {
                dense(graph, parameters, &self.name, self.tied.as_deref(), x, self.outputs())
            } else {
                let Extent { height, width, channels } = self.from;
                maps::sums(graph, parameters, self, x.reshape([rows, height, width, channels]))
            };
            if self.normalised {
                let training = matches!(pass.mode, Mode::Training(_));
                sums = batch_normalisation(graph, parameters, &self.name, sums, training);
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

    /// Floating-point operations on one row, going forward: two for each weight and each number that it meets, one for each pixel of a
    /// window that is pooled.
    pub fn flops(&self) -> u64 {
        let weights = |pixels: usize| 2 * (pixels * self.weight_shape().iter().product::<usize>()) as u64;
        match &self.work {
            LayerWork::Dense => weights(1),
            LayerWork::Convolution { .. } | LayerWork::Upsampled { .. } => weights(self.to.pixels()),
            LayerWork::TransposedConvolution { .. } => weights(self.from.pixels()),
            LayerWork::MaxPool(pool) | LayerWork::AveragePool(pool) => {
                (self.outputs() * pool.size[0] * pool.size[1]) as u64
            }
            LayerWork::Repeat { .. } | LayerWork::Reshape => 0,
        }
    }

    /// A dense layer's weight, inputs×outputs.
    pub fn weight<'g>(&self, graph: &'g Graph, parameters: &mut Parameters<'g>) -> Tensor<'g> {
        weight(graph, parameters, &self.name, self.tied.as_deref(), [self.inputs(), self.outputs()])
    }

    /// Units that share nothing: channels of maps, or all numbers.
    pub fn units(&self) -> usize {
        if self.is_dense() { self.outputs() } else { self.to.channels }
    }

    /// Names and shapes of its states.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        if !self.has_weights() {
            return Vec::new();
        }
        let named = |state: &str, shape: &[usize]| (format!("{}.{state}", self.name), shape.to_vec());
        let mut all = vec![named("bias", &[self.units()])];
        if self.tied.is_none() {
            all.insert(0, named("weight", &self.weight_shape()));
        }
        if self.normalised {
            let states = ["scale", "shift", "mean", "variance"];
            all.extend(states.map(|state| named(state, &[self.units()])));
        }
        all
    }

    /// Numbers that training changes.
    pub fn parameter_count(&self) -> usize {
        let running = |name: &str| name.ends_with(".mean") || name.ends_with(".variance");
        let learned = self.tensors().into_iter().filter(|(name, _)| !running(name));
        learned.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// The units' sides that start at 1: what a normalisation multiplies by, and the variance that it assumes.
    pub fn starting_ones(&self) -> Vec<(String, Vec<f32>)> {
        let ones = |state: &str| (format!("{}.{state}", self.name), vec![1.0; self.units()]);
        if self.normalised { vec![ones("scale"), ones("variance")] } else { Vec::new() }
    }
}
