//! The networks that the workloads use, and numbers to fill them with.

use crate::npy::Array;
use crate::{Error, Result};
use std::path::Path;

/// Hinton and Salakhutdinov's autoencoder for 28×28 pictures.
pub const AUTOENCODER: &[usize] = &[784, 1000, 500, 250, 30, 250, 500, 1000, 784];
/// Its first half.
pub const ENCODER: &[usize] = &[784, 1000, 500, 250, 30];
/// The smallest useful encoder.
pub const SIMPLE_ENCODER: &[usize] = &[784, 32];

/// One dense layer: y = x · weight + bias.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `[inputs, outputs]`
    pub weight: Array,
    /// `[outputs]`
    pub bias: Array,
}

impl Layer {
    /// A layer that is nothing yet.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        let weight = Array::new(&[inputs, outputs], vec![0.0; inputs * outputs]);
        Self { weight, bias: Array::new(&[outputs], vec![0.0; outputs]) }
    }
}

/// Layers with He-uniform weights and zero biases, the same for every call.
pub fn random_layers(widths: &[usize]) -> Vec<Layer> {
    let mut random = Random(1);
    widths
        .windows(2)
        .map(|pair| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let limit = (6.0 / inputs as f32).sqrt();
            let weight = (0..inputs * outputs).map(|_| limit * (2.0 * random.next() - 1.0)).collect();
            Layer {
                weight: Array::new(&[inputs, outputs], weight),
                bias: Array::new(&[outputs], vec![0.0; outputs]),
            }
        })
        .collect()
}

/// `[rows, features]`, uniform in [0, 1), the same for every call.
pub fn random_rows(rows: usize, features: usize) -> Array {
    let mut random = Random(2);
    Array::new(&[rows, features], (0..rows * features).map(|_| random.next()).collect())
}

/// Reads `weight_0.npy`, `bias_0.npy`, … of so many layers.
pub fn read_layers(folder: &Path, count: usize) -> Result<Vec<Layer>> {
    let read = |name: &str, index: usize| Array::read(&folder.join(format!("{name}_{index}.npy")));
    (0..count).map(|index| Ok(Layer { weight: read("weight", index)?, bias: read("bias", index)? })).collect()
}

/// Reads dense layers of these widths.
pub fn read_dense(folder: &Path, widths: &[usize]) -> Result<Vec<Layer>> {
    let layers = read_layers(folder, widths.len().saturating_sub(1))?;
    for (index, (layer, pair)) in layers.iter().zip(widths.windows(2)).enumerate() {
        if layer.weight.shape != pair || layer.bias.shape != pair[1..] {
            return Err(Error(format!(
                "layer {index}: expected {pair:?}, found weight {:?} and bias {:?}",
                layer.weight.shape, layer.bias.shape
            )));
        }
    }
    Ok(layers)
}

/// Writes `PREFIXweight_0.npy`, `PREFIXbias_0.npy`, …
pub fn write_layers(folder: &Path, prefix: &str, layers: &[Layer]) -> Result<()> {
    for (index, layer) in layers.iter().enumerate() {
        layer.weight.write(&folder.join(format!("{prefix}weight_{index}.npy")))?;
        layer.bias.write(&folder.join(format!("{prefix}bias_{index}.npy")))?;
    }
    Ok(())
}

/// Makes `DIR/narrows`, where this side's results go.
pub fn result_folder(folder: &Path) -> Result<std::path::PathBuf> {
    let own = folder.join("narrows");
    std::fs::create_dir_all(&own).map_err(|error| Error(format!("{}: {error}", own.display())))?;
    Ok(own)
}

/// SplitMix64: fillings need no quality, only to be the same every time.
struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}
