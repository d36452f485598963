//! Starting values that depend on the training rows.

use super::setup::Setup;
use crate::autoencoder::Output;
use crate::error::Error;
use crate::network::Layer;
use crate::recipe::{Bottleneck, Initial};
use narrows_engine::cpu::States;

/// Centres a top-k dictionary: the decoder starts from the mean row, and the encoder hears rows less that mean, by its bias. Otherwise
/// the units that happen to lie along the mean are the largest for every row, and most others are never kept (Gao et al. 2024,
/// section 2.1, subtract the decoder's bias in use, too; here it is folded into the encoder's).
///
/// # Errors
/// None in practice: states that the network itself declared.
pub fn centre(setup: &Setup, states: &mut States) -> Result<(), Error> {
    let [encoder, decoder] = &setup.network.layers[..] else { return Ok(()) };
    let biased = |layer: &Layer| layer.is_dense() && layer.bias_shape().is_some();
    if !(biased(encoder) && biased(decoder)) {
        return Ok(());
    }
    let dictionary = matches!(setup.network.bottleneck, Bottleneck::TopK { .. });
    if !dictionary || setup.output != Output::Gaussian || setup.recipe.model.initial != Initial::Auto {
        return Ok(());
    }
    let mean = means(setup);
    let weight = states.get(&format!("{}.weight", encoder.name)).unwrap_or_default();
    let mut bias = vec![0.0f64; encoder.outputs()];
    for (row, mean) in weight.chunks_exact(encoder.outputs()).zip(&mean) {
        bias.iter_mut().zip(row).for_each(|(bias, weight)| *bias -= mean * f64::from(*weight));
    }
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    states.set(&format!("{}.bias", encoder.name), &narrow(&bias))?;
    Ok(states.set(&format!("{}.bias", decoder.name), &narrow(&mean))?)
}

/// Means of the prepared training rows.
pub fn means(setup: &Setup) -> Vec<f64> {
    let train = &setup.source.train;
    let mut sums = vec![0.0; train.features()];
    let mut row = vec![0.0; train.features()];
    for number in &setup.split.train {
        train.row_f32(*number as usize, &mut row);
        setup.preparation.prepare(&mut row);
        sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter().map(|sum| sum / setup.split.train.len().max(1) as f64).collect()
}
