//! The layer that goes the other way.

use super::layer::Layer;
use super::work::LayerWork;
use crate::recipe::{Activation, Growth};
use narrows_engine::{Convolution, Pool};

impl Layer {
    /// The layer that goes the other way, by this name; nothing for "opposite", which has none. `finish` gives layers with weights what goes
    /// around them.
    pub fn mirrored(
        &self,
        name: &str,
        growth: Growth,
        activation: Activation,
        finish: &dyn Fn(&mut Layer),
    ) -> Option<Layer> {
        let back = |layers: &[Layer], way: &str| -> Option<Vec<Layer>> {
            let last = layers.len().saturating_sub(1);
            let one = |(number, layer): (usize, &Layer)| {
                let activation = if number == last { Activation::Identity } else { activation };
                layer.mirrored(&format!("{name}.{way}.{number}"), growth, activation, finish)
            };
            layers.iter().rev().enumerate().map(one).collect()
        };
        let work = match &self.work {
            LayerWork::Residual { body, shortcut } => {
                LayerWork::Residual { body: back(body, "layers")?, shortcut: back(shortcut, "shortcut")? }
            }
            // What was put side by side hears its own part again, and what was given to all is what comes of all.
            LayerWork::Parallel { branches } => {
                let branch =
                    |(number, layers): (usize, &Vec<Layer>)| back(layers, &format!("branches.{number}"));
                LayerWork::Summed {
                    branches: branches.iter().enumerate().map(branch).collect::<Option<_>>()?,
                }
            }
            _ => self.mirrored_work(growth)?,
        };
        let mut layer = Layer::new(name.to_owned(), self.to, (work, self.from), activation);
        finish(&mut layer);
        Some(layer)
    }

    fn mirrored_work(&self, growth: Growth) -> Option<LayerWork> {
        let transposed =
            |form: &Convolution, size: [usize; 2]| LayerWork::TransposedConvolution { form: *form, size };
        Some(match &self.work {
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
            LayerWork::MaxPool(pool) if growth == Growth::Unpool => {
                LayerWork::Unpool { pool: *pool, of: self.name.clone() }
            }
            LayerWork::MaxPool(pool) | LayerWork::AveragePool(pool) | LayerWork::StochasticPool(pool) => {
                match growth {
                    Growth::Transposed => {
                        let Pool { size, stride, before, after } = *pool;
                        transposed(&Convolution { stride, before, after, ..Convolution::default() }, size)
                    }
                    Growth::Repeat | Growth::Upsample | Growth::Unpool => {
                        LayerWork::Repeat { factor: pool.stride }
                    }
                }
            }
            LayerWork::Unpool { pool, .. } => LayerWork::MaxPool(*pool),
            LayerWork::Repeat { factor } | LayerWork::Bilinear { factor } => {
                LayerWork::AveragePool(Pool::of(*factor))
            }
            LayerWork::Reshape | LayerWork::GroupNormalisation { .. } | LayerWork::LocalResponse { .. } => {
                LayerWork::Reshape
            }
            LayerWork::Residual { .. }
            | LayerWork::Parallel { .. }
            | LayerWork::Summed { .. }
            | LayerWork::Opposite => return None,
        })
    }
}
