//! Batch normalisation (Ioffe and Szegedy 2015): over the batch while training, by running means in use, so that a row's
//! result in use does not depend on the rows beside it.

use super::dense::{Parameters, Role};
use narrows_engine::{Graph, Tensor};

/// Added to variances.
pub const EPSILON: f32 = 1e-5;
/// Share of the running means that a step keeps.
const KEPT: f32 = 0.9;

/// Normalises sums of shape B×H, or maps of B×H×W×C over all their pixels, and scales them: γ (x − μ)/√(σ² + ε) + β. States `NAME.scale`, `NAME.shift`, and the running
/// `NAME.mean` and `NAME.variance`, one for each unit or channel.
pub fn batch_normalisation<'g>(
    graph: &'g Graph,
    parameters: &mut Parameters<'g>,
    name: &str,
    x: Tensor<'g>,
    training: bool,
) -> Tensor<'g> {
    let units = x.shape().columns();
    let leading: Vec<usize> = (0..x.shape().rank() - 1).collect();
    let scale = parameters.get(graph, &format!("{name}.scale"), &[units], Role::Bias);
    let shift = parameters.get(graph, &format!("{name}.shift"), &[units], Role::Bias);
    let running_mean = graph.state(&format!("{name}.mean"), [units]);
    let running_variance = graph.state(&format!("{name}.variance"), [units]);
    // A short last batch of one row of one pixel has no variance to go by, nor to learn from: it is normalised as in use.
    let normal = if training && x.shape().rows() > 1 {
        let rows = x.shape().rows() as f32;
        let mean = x.mean(&leading);
        let centred = x - mean;
        let variance = centred.square().mean(&leading);
        // Running variances are of the population that the batch was drawn from, hence the n/(n − 1).
        let unbiased = variance * (rows / (rows - 1.0));
        let blend = |running: Tensor<'g>, batch: Tensor<'g>| {
            running * KEPT + batch.reshape([units]).stop_gradient() * (1.0 - KEPT)
        };
        graph.update(running_mean, blend(running_mean, mean));
        graph.update(running_variance, blend(running_variance, unbiased));
        centred / (variance + EPSILON).sqrt()
    } else {
        (x - running_mean) / (running_variance + EPSILON).sqrt()
    };
    normal * scale + shift
}
