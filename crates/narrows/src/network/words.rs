//! What a layer does, in words.

use super::layer::Layer;
use super::shape::Network;
use super::work::LayerWork;
use crate::recipe::Activation;
use narrows_engine::{Convolution, Pool};

/// Letters that a chain of widths may take before it is told by its ends.
const MOST_LETTERS: usize = 60;

impl Network {
    /// What its layers say, input first: 784-256-64-16-64-256-784, or 28×28×1-14×14×32-30; of many its ends, 224×224×3 → 1000 in 22 layers.
    pub fn widths(&self) -> String {
        let (first, last) = (&self.layers[0], &self.layers[self.layers.len() - 1]);
        let said = self.layers.iter().map(|layer| layer.to.to_string());
        let chain = std::iter::once(first.from.to_string()).chain(said).collect::<Vec<_>>().join("-");
        match chain.chars().count() > MOST_LETTERS {
            true => format!("{} → {} in {} layers", first.from, last.to, self.layers.len()),
            false => chain,
        }
    }
}

impl Layer {
    /// What it does: "convolution 3×3, stride 2, relu, normalised".
    pub fn in_words(&self) -> String {
        let mut words = vec![self.work_in_words()];
        words.retain(|word| !word.is_empty());
        if self.normalised {
            words.push("normalised".to_owned());
        }
        if self.activation != Activation::Identity || self.has_weights() {
            words.push(self.activation.name().to_owned());
        }
        if self.dropout > 0.0 {
            words.push(format!("dropout {}", self.dropout));
        }
        words.join(", ")
    }

    fn work_in_words(&self) -> String {
        let pooled = |name: &str, pool: &Pool| match pool.stride == pool.size {
            true => format!("{name} {}", pair(pool.size)),
            false => format!("{name} {}, stride {}", pair(pool.size), pair(pool.stride)),
        };
        match &self.work {
            LayerWork::Dense => String::new(),
            LayerWork::Convolution { form, size } => convolution("convolution", form, *size),
            LayerWork::TransposedConvolution { form, size } => {
                convolution("transposed convolution", form, *size)
            }
            LayerWork::Upsampled { factor, form, size } => {
                format!("repeat {}, {}", pair(*factor), convolution("convolution", form, *size))
            }
            LayerWork::MaxPool(pool) => pooled("max-pool", pool),
            LayerWork::AveragePool(pool) if pool.size == self.from.size() => "global-pool".to_owned(),
            LayerWork::AveragePool(pool) => pooled("average-pool", pool),
            LayerWork::StochasticPool(pool) => pooled("stochastic-pool", pool),
            LayerWork::Unpool { of, .. } => format!("unpool to where {of} found them"),
            LayerWork::Repeat { factor } => format!("repeat {}", pair(*factor)),
            LayerWork::Bilinear { factor } => format!("bilinear {}", pair(*factor)),
            LayerWork::GroupNormalisation { groups } => format!("normalised in {groups} groups"),
            LayerWork::LocalResponse { channels, .. } => format!("local response of {channels}"),
            LayerWork::Residual { .. } => "residual".to_owned(),
            LayerWork::Parallel { branches } => format!("{} side by side", branches.len()),
            LayerWork::Summed { branches } => format!("{} added up", branches.len()),
            LayerWork::Opposite => "opposite".to_owned(),
            LayerWork::Reshape if self.from != self.to => "reshape".to_owned(),
            LayerWork::Reshape => String::new(),
        }
    }
}

fn convolution(name: &str, form: &Convolution, size: [usize; 2]) -> String {
    let mut words = format!("{name} {}", pair(size));
    for (what, pixels) in [("stride", form.stride), ("dilation", form.dilation)] {
        if pixels != [1; 2] {
            words.push_str(&format!(", {what} {}", pair(pixels)));
        }
    }
    if form.groups > 1 {
        words.push_str(&format!(", {} groups", form.groups));
    }
    words
}

fn pair([down, across]: [usize; 2]) -> String {
    format!("{down}×{across}")
}
