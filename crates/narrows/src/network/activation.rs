//! Activations: what a unit does with its sum, each written in the engine's primitives.

use crate::recipe::Activation;
use narrows_engine::Tensor;
use narrows_engine::op::Unary;

/// Slope of the leaky rectifier below 0 (Maas et al. 2013).
const LEAK: f32 = 0.01;

/// Applies an activation to sums of shape B×H.
pub fn activate(activation: Activation, sums: Tensor<'_>) -> Tensor<'_> {
    let zero = sums.graph().constant(0.0);
    match activation {
        Activation::Identity => sums,
        Activation::Sigmoid => sums.sigmoid(),
        Activation::Tanh => sums.tanh(),
        // The constant comes first: ties go to it, so the slope at 0 is 0.
        Activation::Relu => zero.maximum(sums),
        Activation::LeakyRelu => sums.greater(zero).select(sums, sums * LEAK),
        // The sum comes first: ties go to it, so the slope at 0 is 1 from both sides.
        Activation::Elu => {
            sums.greater(zero).select(sums, sums.minimum(zero).unary(Unary::ExponentialMinusOne))
        }
        Activation::Silu => sums * sums.sigmoid(),
        Activation::Gelu => {
            let scaled = sums * std::f32::consts::FRAC_1_SQRT_2;
            sums * 0.5 * (scaled.unary(Unary::ErrorFunction) + 1.0)
        }
        Activation::Softplus => sums.softplus(),
        Activation::Softmax => softmax(sums),
    }
}

/// Whether each unit's value depends on its own sum alone.
pub fn is_elementwise(activation: Activation) -> bool {
    activation != Activation::Softmax
}

/// exp(aⱼ) / Σ exp(aᵢ) along the last axis, the largest sum taken off first so that nothing overflows.
pub fn softmax(sums: Tensor<'_>) -> Tensor<'_> {
    let last = sums.shape().rank() - 1;
    let exponentials = (sums - sums.max(last).stop_gradient()).exp();
    exponentials / exponentials.sum(&[last])
}

/// ln softmax, for losses.
pub fn log_softmax(sums: Tensor<'_>) -> Tensor<'_> {
    let last = sums.shape().rank() - 1;
    let shifted = sums - sums.max(last).stop_gradient();
    shifted - shifted.exp().sum(&[last]).log()
}
