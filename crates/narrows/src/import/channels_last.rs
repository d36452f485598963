//! Weights with channels first become weights with channels last.

use super::names::Module;
use crate::model_file::NamedTensor;
use crate::network::{Extent, Layer, LayerWork};

/// What a dense layer hears and says, where other programs have maps in its place and write them one after another.
#[derive(Clone, Copy, Debug)]
pub struct Maps {
    /// Heard.
    pub heard: Extent,
    /// Said.
    pub said: Extent,
}

/// The layer's weights and bias; without a bias in the file sums begin at 0.
pub fn sums(layer: &Layer, maps: Maps, module: &Module) -> Vec<NamedTensor> {
    let named = |part: &str, shape: Vec<usize>, values: Vec<f32>| NamedTensor {
        name: format!("{}.{part}", layer.name),
        shape,
        values,
    };
    let stored = module.weight.as_ref().map_or(&[][..], |weight| &weight.values);
    let values = if layer.is_dense() { dense(maps, stored) } else { kernel(layer, stored) };
    let mut all = vec![named("weight", layer.weight_shape(), values)];
    if let Some(shape) = layer.bias_shape() {
        let units = layer.units();
        let mut bias = module.bias.as_ref().map_or(vec![0.0; units], |bias| bias.values.clone());
        if layer.is_dense() {
            bias = (0..units).map(|unit| bias[maps_first(maps.said, unit)]).collect();
        }
        // One for each place begins as one for all.
        let count = shape.iter().product::<usize>();
        all.push(named("bias", shape, bias.iter().copied().cycle().take(count).collect()));
    }
    all
}

/// Where a number of maps, channels last, lies if maps come one after another.
fn maps_first(extent: Extent, number: usize) -> usize {
    let (pixel, channel) = (number / extent.channels, number % extent.channels);
    channel * extent.pixels() + pixel
}

/// Outputs×inputs to inputs×outputs.
fn dense(Maps { heard, said }: Maps, stored: &[f32]) -> Vec<f32> {
    let (inputs, outputs) = (heard.numbers(), said.numbers());
    let rows: Vec<usize> = (0..outputs).map(|output| maps_first(said, output) * inputs).collect();
    let mut values = Vec::with_capacity(stored.len());
    for input in 0..inputs {
        let column = maps_first(heard, input);
        values.extend(rows.iter().map(|row| stored[row + column]));
    }
    values
}

/// D×(C/groups)×K×L, or where pixels are spread over windows C×(D/groups)×K×L, to K×L×(C/groups)×D.
fn kernel(layer: &Layer, stored: &[f32]) -> Vec<f32> {
    let [down, across, heard, said] = layer.kernel();
    let (window, of_group) = (down * across, said / layer.groups());
    let spread = matches!(layer.work, LayerWork::TransposedConvolution { .. });
    let mut values = Vec::with_capacity(stored.len());
    for place in 0..window {
        for input in 0..heard {
            values.extend((0..said).map(|output| {
                let (group, within) = (output / of_group, output % of_group);
                let row = match spread {
                    true => (group * heard + input) * of_group + within,
                    false => output * heard + input,
                };
                stored[row * window + place]
            }));
        }
    }
    values
}
