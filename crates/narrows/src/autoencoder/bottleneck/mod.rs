//! Bottlenecks: what stands between encoder and decoder. In use a code is a function of its row alone; in training it may be
//! drawn, thresholded over the batch, and bring a loss of its own.

mod binary;
pub mod gaussian;
pub mod top_k;

use crate::network::{Network, Pass};
use crate::recipe::Bottleneck;
use narrows_engine::{Graph, Tensor};

/// A code as the decoder gets it.
#[derive(Clone, Copy)]
pub struct Coded<'g> {
    /// The code, B×K.
    pub code: Tensor<'g>,
    /// What it costs, if anything: a number in training, one for each row (B×1) in scoring.
    pub cost: Option<Tensor<'g>>,
    /// What dead units would say, where there is a loss for them.
    pub spare: Option<top_k::Spare<'g>>,
    /// The divergence of each unit's distribution from the prior, averaged over rows, 1×K, in training.
    pub divergence: Option<Tensor<'g>>,
}

impl<'g> Coded<'g> {
    /// A code that costs nothing.
    fn plain(code: Tensor<'g>) -> Coded<'g> {
        Coded { code, cost: None, spare: None, divergence: None }
    }
}

/// The code in training. `values` are the code layer's, B×K; `weight` is the share of the bottleneck's loss that counts in this step.
pub fn training<'g>(
    graph: &'g Graph,
    network: &Network,
    pass: &mut Pass<'g>,
    values: Tensor<'g>,
    row_ids: Tensor<'g>,
    weight: Tensor<'g>,
) -> Coded<'g> {
    match network.bottleneck {
        Bottleneck::Plain => Coded::plain(values),
        Bottleneck::Gaussian { beta, free_bits, .. } => {
            let posterior = gaussian::posterior(graph, network, pass, values);
            let divergence = posterior.divergence().mean(&[0]);
            let charged = if free_bits > 0.0 {
                divergence.maximum(graph.constant(free_bits as f32))
            } else {
                divergence
            };
            let cost = charged.sum_all() * (weight * beta as f32);
            let code = posterior.draw(graph, row_ids);
            Coded { cost: Some(cost), divergence: Some(divergence), ..Coded::plain(code) }
        }
        Bottleneck::Binary { noise, straight_through } => {
            Coded::plain(binary::training(graph, values, row_ids, noise as f32, straight_through))
        }
        top_k @ Bottleneck::TopK { .. } => top_k::training(graph, top_k, values, network.features),
    }
}

/// The code for scoring: as in use, but drawn where the model is a distribution over codes, by one draw keyed by row. All of the
/// divergence counts, free bits or not.
pub fn scoring<'g>(
    graph: &'g Graph,
    network: &Network,
    pass: &mut Pass<'g>,
    values: Tensor<'g>,
    row_ids: Tensor<'g>,
) -> Coded<'g> {
    match network.bottleneck {
        Bottleneck::Gaussian { beta, .. } => {
            let posterior = gaussian::posterior(graph, network, pass, values);
            let cost = posterior.divergence().sum(&[1]) * beta as f32;
            Coded { cost: Some(cost), ..Coded::plain(posterior.draw(graph, row_ids)) }
        }
        other => Coded::plain(in_use(other, values)),
    }
}

/// Names and shapes of what a bottleneck of so many units needs to know in use, beside the layers' own.
pub fn tensors(bottleneck: Bottleneck, units: usize) -> Vec<(String, Vec<usize>)> {
    let Bottleneck::TopK { batch, conscience, .. } = bottleneck else { return Vec::new() };
    let threshold = batch.then(|| (top_k::THRESHOLD.to_owned(), vec![1]));
    let favour = (conscience > 0.0).then(|| (top_k::FAVOUR.to_owned(), vec![units]));
    threshold.into_iter().chain(favour).collect()
}

/// The code in use.
pub fn in_use(bottleneck: Bottleneck, values: Tensor<'_>) -> Tensor<'_> {
    match bottleneck {
        // The mean of the posterior is the code layer's value.
        Bottleneck::Plain | Bottleneck::Gaussian { .. } => values,
        Bottleneck::Binary { .. } => binary::in_use(values),
        top_k @ Bottleneck::TopK { .. } => top_k::in_use(top_k, values),
    }
}
