//! Stochastic pooling (Zeiler and Fergus 2013): of each window a pixel is drawn, as probable as it is large.

use narrows_engine::op::Distribution;
use narrows_engine::{Graph, Pool, Tensor};

/// A pixel of each window of N×H×W×C, drawn with probability aᵢ / Σ aⱼ, what is below 0 counting as 0: the largest of aᵢ / eᵢ, where e are
/// exponential draws. Windows that overlap share their draws. `row_ids` key the rows.
pub fn drawn<'g>(graph: &'g Graph, pool: &Pool, x: Tensor<'g>, row_ids: Tensor<'g>) -> Tensor<'g> {
    let zero = graph.constant(0.0);
    let numbers = x.shape().elements() / x.shape().sizes()[0];
    let draws = graph.random(row_ids, numbers, Distribution::Uniform).reshape(x.shape());
    // Draws are below 1; one that is 0 is never taken unless nothing else is there.
    let waiting = -(draws.maximum(graph.constant(f32::MIN_POSITIVE)).log());
    let positions = (zero.maximum(x.stop_gradient()) / waiting).pool_positions(pool);
    zero.maximum(x).pool_pick(pool, positions)
}

/// The mean of each window, its pixels weighed by their size: Σ aᵢ² / Σ aᵢ; 0 where nothing is above 0.
pub fn weighed<'g>(graph: &'g Graph, pool: &Pool, x: Tensor<'g>) -> Tensor<'g> {
    let (zero, one) = (graph.constant(0.0), graph.constant(1.0));
    let positive = zero.maximum(x);
    let sum = positive.pool_sum(pool);
    positive.square().pool_sum(pool) / sum.greater(zero).select(sum, one)
}
