//! Dropout: units silenced at random while training (Srivastava et al. 2014), the others scaled up so that nothing changes in use.

use narrows_engine::op::{Binary, Distribution};
use narrows_engine::{Graph, Tensor};

/// Silences a share `rate` of the units of x, B×H, anew in every step; `row_ids` key the rows.
pub fn dropout<'g>(graph: &'g Graph, x: Tensor<'g>, row_ids: Tensor<'g>, rate: f32) -> Tensor<'g> {
    if rate <= 0.0 {
        return x;
    }
    let draws = graph.random(row_ids, x.shape().columns(), Distribution::Uniform);
    let kept = draws.binary(Binary::GreaterOrEqual, graph.constant(rate));
    kept.select(x * (1.0 / (1.0 - rate)), graph.constant(0.0))
}
