//! Weights with channels first become weights with channels last.

use super::names::Module;
use crate::error::Error;
use crate::model_file::NamedTensor;
use crate::network::{EPSILON, Extent, Layer, LayerWork};

/// What a layer hears and says, where other programs write its numbers as maps, one after another; plain numbers are the channels of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maps {
    /// Heard.
    pub heard: Extent,
    /// Said.
    pub said: Extent,
}

impl From<&Layer> for Maps {
    fn from(layer: &Layer) -> Maps {
        Maps { heard: layer.from, said: layer.to }
    }
}

impl Maps {
    /// A number for each unit, in the order in which they lie here. Units of maps are channels, which have one order.
    fn in_order(&self, layer: &Layer, values: &[f32]) -> Vec<f32> {
        match values.len() == self.said.numbers() && layer.to.numbers() == values.len() {
            true => (0..values.len()).map(|unit| values[maps_first(self.said, unit)]).collect(),
            false => values.to_vec(),
        }
    }
}

fn named(layer: &Layer, part: &str, shape: Vec<usize>, values: Vec<f32>) -> NamedTensor {
    NamedTensor { name: format!("{}.{part}", layer.name), shape, values }
}

/// The layer's weights and bias; without a bias in the file sums begin at 0.
pub fn sums(layer: &Layer, maps: Maps, module: &Module) -> Vec<NamedTensor> {
    let stored = module.weight.as_ref().map_or(&[][..], |weight| &weight.values);
    let values = if layer.is_dense() { dense(maps, stored) } else { kernel(layer, stored) };
    let mut all = vec![named(layer, "weight", layer.weight_shape(), values)];
    if let Some(shape) = layer.bias_shape() {
        let bias = module.bias.as_ref().map_or(vec![0.0; layer.units()], |bias| bias.values.clone());
        // One for each place begins as one for all.
        let count = shape.iter().product::<usize>();
        let bias = maps.in_order(layer, &bias).into_iter().cycle().take(count).collect();
        all.push(named(layer, "bias", shape, bias));
    }
    all
}

/// What normalised numbers are multiplied by and moved by.
pub fn scale_and_shift(layer: &Layer, maps: Maps, module: &Module) -> Vec<NamedTensor> {
    let one = |state: &str, found: &Option<NamedTensor>, otherwise: f32| {
        let values = found.as_ref().map_or(vec![otherwise; layer.units()], |tensor| tensor.values.clone());
        named(layer, state, vec![layer.units()], maps.in_order(layer, &values))
    };
    vec![one("scale", &module.weight, 1.0), one("shift", &module.bias, 0.0)]
}

/// A batch normalisation: with an ε of its own, which variances are given here, and behind a bias, which means are.
///
/// # Errors
/// A variance that is none.
pub fn normalisation(
    layer: &Layer,
    maps: Maps,
    module: &Module,
    bias: Option<&[f32]>,
    epsilon: f32,
) -> Result<Vec<NamedTensor>, Error> {
    let running = |tensor: &Option<NamedTensor>| tensor.as_ref().map_or(Vec::new(), |it| it.values.clone());
    let (mut mean, mut variance) = (running(&module.mean), running(&module.variance));
    mean.iter_mut().zip(bias.unwrap_or_default()).for_each(|(mean, bias)| *mean -= bias);
    if let Some(least) = variance.iter().find(|variance| **variance + epsilon <= 0.0) {
        return Err(Error::Mismatch {
            what: format!("{}.running_var", module.name),
            expected: "variances above 0".to_owned(),
            found: format!("{least}"),
            hint: "take the weights from where they were published".to_owned(),
        });
    }
    variance.iter_mut().for_each(|variance| *variance += epsilon - EPSILON);
    let state =
        |state: &str, values: &[f32]| named(layer, state, vec![layer.units()], maps.in_order(layer, values));
    let mut all = scale_and_shift(layer, maps, module);
    all.extend([state("mean", &mean), state("variance", &variance)]);
    Ok(all)
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
