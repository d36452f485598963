//! The gaussian bottleneck: q(z|x) = N(μ(x), diag σ²(x)), the code layer giving μ and a layer beside it ln σ²; the prior is
//! N(0, 1) (Kingma and Welling 2014, appendix B: KL = ½ Σ (μ² + σ² − ln σ² − 1)).

use crate::network::{Network, Pass};
use narrows_engine::op::Distribution;
use narrows_engine::{Graph, Tensor};

/// A normal distribution over codes for every row.
#[derive(Clone, Copy)]
pub struct Posterior<'g> {
    /// μ, B×K.
    pub mean: Tensor<'g>,
    /// ln σ², B×K.
    pub log_variance: Tensor<'g>,
}

/// The posterior of rows whose code layer gave `mean`; the layer beside it hears what the code layer heard.
pub fn posterior<'g>(
    graph: &'g Graph,
    network: &Network,
    pass: &mut Pass<'g>,
    mean: Tensor<'g>,
) -> Posterior<'g> {
    let heard = pass.trace.last().map_or(mean, |step| step.input);
    let log_variance = network.log_variance.as_ref().map_or(mean, |layer| layer.apply(graph, pass, heard));
    Posterior { mean, log_variance }
}

impl<'g> Posterior<'g> {
    /// KL(q ‖ N(0, 1)) of every unit, B×K.
    pub fn divergence(&self) -> Tensor<'g> {
        let Posterior { mean, log_variance } = *self;
        (mean.square() + log_variance.exp() - log_variance - 1.0) * 0.5
    }

    /// ε, normal, keyed by row, B×K.
    pub fn noise(&self, graph: &'g Graph, row_ids: Tensor<'g>) -> Tensor<'g> {
        graph.random(row_ids, self.mean.shape().columns(), Distribution::Normal)
    }

    /// z = μ + σ ε (the reparametrisation), B×K.
    pub fn at(&self, noise: Tensor<'g>) -> Tensor<'g> {
        self.mean + (self.log_variance * 0.5).exp() * noise
    }

    /// A draw for every row, B×K.
    pub fn draw(&self, graph: &'g Graph, row_ids: Tensor<'g>) -> Tensor<'g> {
        self.at(self.noise(graph, row_ids))
    }
}
