//! The binary bottleneck: a unit is 1 where its sum is above 0. Training uses a sigmoid; noise on its sums makes values between 0
//! and 1 useless to the decoder, so that the sums leave the middle (Salakhutdinov and Hinton 2009, semantic hashing), or the step itself
//! is taken, with the sigmoid's slope (straight-through; Bengio et al. 2013).

use narrows_engine::op::Distribution;
use narrows_engine::{Graph, Tensor};

/// The code in training from the code layer's sums, B×K.
pub fn training<'g>(
    graph: &'g Graph,
    sums: Tensor<'g>,
    row_ids: Tensor<'g>,
    noise: f32,
    straight_through: bool,
) -> Tensor<'g> {
    let mut noisy = sums;
    if noise > 0.0 {
        noisy = sums + graph.random(row_ids, sums.shape().columns(), Distribution::Normal) * noise;
    }
    let soft = noisy.sigmoid();
    if straight_through { soft + (in_use(noisy) - soft).stop_gradient() } else { soft }
}

/// The code in use.
pub fn in_use(sums: Tensor<'_>) -> Tensor<'_> {
    sums.greater(sums.graph().constant(0.0))
}
