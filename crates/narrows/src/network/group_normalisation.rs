//! Group normalisation (Wu and He 2018): over the pixels of some channels of one row, so that rows do not depend on one another.

use super::batch_normalisation::EPSILON;
use super::dense::{Parameters, Role};
use narrows_engine::{Graph, Tensor};

/// Normalises maps, N×H×W×C, whose channels are cut into `groups`: γ (x − μ)/√(σ² + ε) + β. States `NAME.scale` and `NAME.shift`, one for each
/// channel.
pub fn group_normalisation<'g>(
    graph: &'g Graph,
    parameters: &mut Parameters<'g>,
    name: &str,
    x: Tensor<'g>,
    groups: usize,
) -> Tensor<'g> {
    let [rows, height, width, channels] = [0, 1, 2, 3].map(|axis| x.shape().sizes()[axis]);
    let scale = parameters.get(graph, &format!("{name}.scale"), &[channels], Role::Bias);
    let shift = parameters.get(graph, &format!("{name}.shift"), &[channels], Role::Bias);
    // A mean over a group is one over each channel's pixels, and one over channels: a product with what belongs together.
    let each = channels / groups;
    let together: Vec<f32> = (0..channels * channels)
        .map(|at| if at / channels / each == at % channels / each { 1.0 / each as f32 } else { 0.0 })
        .collect();
    let together = graph.table([channels, channels], &together);
    let share = 1.0 / (height * width) as f32;
    let mean = |values: Tensor<'g>| {
        let of_channels = values.sum(&[1, 2]).reshape([rows, channels]) * share;
        of_channels.matmul(together).reshape([rows, 1, 1, channels])
    };
    let centred = x - mean(x);
    let normal = centred / (mean(centred.square()) + EPSILON).sqrt();
    normal * scale + shift
}
