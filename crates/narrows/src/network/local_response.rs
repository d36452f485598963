//! Local response normalisation (Krizhevsky et al. 2012, section 3.3).

use narrows_engine::{Graph, Tensor};

/// x / (k + α Σ x²)^β, the sum over the `channels` channels around a number's own, fewer at the ends; N×H×W×C.
pub fn local_response<'g>(
    graph: &'g Graph,
    x: Tensor<'g>,
    channels: usize,
    [offset, alpha, beta]: [f32; 3],
) -> Tensor<'g> {
    let sizes = x.shape();
    let all = sizes.columns();
    // As many on both sides; of an even number one more behind.
    let reach = |channel: usize| {
        let first = channel.saturating_sub((channels - 1) / 2);
        first..(channel + channels / 2 + 1).min(all)
    };
    let near: Vec<f32> = (0..all * all).map(|at| f32::from(reach(at % all).contains(&(at / all)))).collect();
    let squares = x.square().reshape([sizes.rows(), all]);
    let sums = squares.matmul(graph.table([all, all], &near)).reshape(sizes);
    x * ((sums * alpha + offset).log() * -beta).exp()
}
