//! Kinds of units: what a unit's sum says about its value.

use crate::autoencoder::Output;
use crate::recipe::Activation;
use narrows_engine::op::Distribution;
use narrows_engine::{Graph, Tensor};

/// ½ ln 2π
pub const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// The smallest share of rows in which a Bernoulli unit is taken to be on, or off.
const SURE: f64 = 0.01;

/// A kind of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// 0 or 1: p(1) = σ(a).
    Bernoulli,
    /// Normal: mean a, variance 1.
    Gaussian,
    /// max(0, a + noise), the noise normal with variance σ(a): a stand-in for many Bernoulli units with the same weights and lower and
    /// lower biases (Nair and Hinton 2010).
    Rectified,
}

impl Units {
    /// The units whose means an activation gives, if there are any.
    pub fn of_activation(activation: Activation) -> Option<Units> {
        match activation {
            Activation::Sigmoid => Some(Units::Bernoulli),
            Activation::Identity => Some(Units::Gaussian),
            Activation::Relu => Some(Units::Rectified),
            _ => None,
        }
    }

    /// The units whose means an output distribution gives.
    pub fn of_output(output: Output) -> Units {
        match output {
            Output::Bernoulli => Units::Bernoulli,
            Output::Gaussian | Output::Categorical => Units::Gaussian,
        }
    }

    /// Means, from sums B×H.
    pub fn mean(self, sums: Tensor<'_>) -> Tensor<'_> {
        match self {
            Units::Bernoulli => sums.sigmoid(),
            Units::Gaussian => sums,
            Units::Rectified => sums.graph().constant(0.0).maximum(sums),
        }
    }

    /// The sum of a unit that has this mean by itself, kept away from certainty.
    pub fn bias_of(self, mean: f64) -> f64 {
        match self {
            Units::Bernoulli => {
                let inside = mean.clamp(SURE, 1.0 - SURE);
                (inside / (1.0 - inside)).ln()
            }
            Units::Gaussian | Units::Rectified => mean,
        }
    }

    /// Values drawn, from sums B×H; keyed by row.
    pub fn draw<'g>(self, graph: &'g Graph, sums: Tensor<'g>, row_ids: Tensor<'g>) -> Tensor<'g> {
        let columns = sums.shape().columns();
        match self {
            Units::Bernoulli => binarised(graph, sums.sigmoid(), row_ids),
            Units::Gaussian => sums + graph.random(row_ids, columns, Distribution::Normal),
            Units::Rectified => {
                let noise = graph.random(row_ids, columns, Distribution::Normal);
                graph.constant(0.0).maximum(sums + noise * sums.sigmoid().sqrt())
            }
        }
    }

    /// ln ∫ exp(a x) over a unit's values x, from sums B×H, without the constant ½ ln 2π of gaussian units; none for rectified ones, whose
    /// distribution has no such form.
    pub fn log_normaliser(self, sums: Tensor<'_>) -> Option<Tensor<'_>> {
        match self {
            Units::Bernoulli => Some(sums.softplus()),
            Units::Gaussian => Some(sums.square() * 0.5),
            Units::Rectified => None,
        }
    }

    /// The same of one number, constant included.
    pub fn log_normaliser_of(self, sum: f64) -> Option<f64> {
        match self {
            Units::Bernoulli => Some(sum.max(0.0) + (-sum.abs()).exp().ln_1p()),
            Units::Gaussian => Some(0.5 * sum * sum + HALF_LOG_TWO_PI),
            Units::Rectified => None,
        }
    }

    /// The constant that [`Units::log_normaliser`] leaves out.
    pub fn constant(self) -> f64 {
        if self == Units::Gaussian { HALF_LOG_TWO_PI } else { 0.0 }
    }
}

/// Zeros and ones drawn by probabilities, B×D; keyed by row.
pub fn binarised<'g>(graph: &'g Graph, probabilities: Tensor<'g>, row_ids: Tensor<'g>) -> Tensor<'g> {
    let columns = probabilities.shape().columns();
    probabilities.greater(graph.random(row_ids, columns, Distribution::Uniform))
}
