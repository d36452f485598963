//! Unit atoms: the decoder's weights from each code unit, brought back to length 1 after every step. Without it a penalty on
//! the size of codes is escaped by small codes and large weights (Olshausen and Field 1997).

use crate::network::Network;
use narrows_engine::Tensor;

/// Keeps an atom of zeros from becoming no number.
const TINY: f32 = 1e-12;

/// The state that holds the atoms, and the axis along which one of them lies: the first decoder layer's weight, K×H, or where that is
/// tied the code layer's, H×K.
pub fn atoms(network: &Network) -> (String, usize) {
    let layer = &network.layers[network.encoder];
    match &layer.tied {
        Some(encoder) => (format!("{encoder}.weight"), 0),
        None => (format!("{}.weight", layer.name), 1),
    }
}

/// The same weights, every atom of length 1.
pub fn of_unit_length(weight: Tensor<'_>, axis: usize) -> Tensor<'_> {
    weight / (weight.square().sum(&[axis]) + TINY).sqrt()
}
