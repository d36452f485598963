//! The top-k bottleneck: the k largest values of the code layer, all others 0 (Makhzani and Frey 2014; Gao et al. 2024).
//!
//! With `batch`, training keeps the k·B largest of the whole batch, so that rows share units as they need them, and use keeps what
//! passes a threshold, the running mean of the smallest value that training kept: a row's code never depends on other rows (BatchTopK;
//! Bussmann et al. 2024). A unit without a value in so many rows is dead; dead units learn to rebuild what the others leave.

use super::Coded;
use crate::recipe::Bottleneck;
use narrows_engine::op::Reduction;
use narrows_engine::{Graph, Tensor};

/// The state that holds the threshold.
pub const THRESHOLD: &str = "bottleneck.threshold";
/// The state that counts, for each unit, the rows since its last value.
pub const IDLE: &str = "bottleneck.idle";
/// Share of the running threshold that a step keeps.
const KEPT: f32 = 0.99;
/// Above any value; finite, so that no difference of two is undefined.
const HUGE: f32 = 1e30;

/// What dead units would say.
#[derive(Clone, Copy)]
pub struct Spare<'g> {
    /// The largest values of dead units in each row, all others 0, B×K.
    pub rows: Tensor<'g>,
    /// 1 where any unit is dead, a number.
    pub any: Tensor<'g>,
}

/// The code in training from the code layer's values, B×K; `features` is D.
pub fn training<'g>(
    graph: &'g Graph,
    bottleneck: Bottleneck,
    values: Tensor<'g>,
    features: usize,
) -> Coded<'g> {
    let Bottleneck::TopK { keep, batch, dead_after, auxiliary, auxiliary_keep } = bottleneck else {
        return Coded::plain(values);
    };
    let (rows, units) = (values.shape().rows(), values.shape().columns());
    let zero = graph.constant(0.0);
    let (code, sizes) = if batch {
        let all = values.reshape([1, rows * units]).largest(keep * rows).reshape([rows, units]);
        // What is not positive passes no threshold in use.
        let positive = all * values.greater(zero);
        learn_threshold(graph, values, positive);
        let code = positive.select(values, zero);
        (code, code.abs())
    } else {
        let positions = values.largest_positions(keep);
        let kept = values.pick(positions);
        // Spread values: no product with them touches the zeros between.
        (kept.spread(positions, units), kept.abs().spread(positions, units))
    };
    let used = sizes.sum(&[0]).greater(zero).reshape([units]);
    let idle = graph.state(IDLE, [units]);
    graph.update(idle, used.select(zero, idle + rows as f32));
    if auxiliary == 0.0 {
        return Coded::plain(code);
    }
    let dead = idle.greater(graph.constant(dead_after as f32));
    let most = if auxiliary_keep == 0 { (features / 2).clamp(1, units) } else { auxiliary_keep };
    let positions = dead.select(values, graph.constant(-HUGE)).largest_positions(most);
    let rows = (dead * values).pick(positions).spread(positions, units);
    let any = dead.reduce(Reduction::Maximum, &[0]).reshape([]);
    let spare = Spare { rows, any };
    Coded { spare: Some(spare), ..Coded::plain(code) }
}

/// α times what the dead units leave of the residual, ‖e − W z‖² averaged over rows, and nothing where none is dead; `residual` is
/// x − x̂, B×D, in values whatever the output, and counts as given; `weight` is the decoder's, K×D.
pub fn auxiliary<'g>(
    bottleneck: Bottleneck,
    spare: Spare<'g>,
    residual: Tensor<'g>,
    weight: Tensor<'g>,
) -> Option<Tensor<'g>> {
    let Bottleneck::TopK { auxiliary, .. } = bottleneck else { return None };
    let left = (residual.stop_gradient() - spare.rows.matmul(weight)).square().sum_all();
    let graph = residual.graph();
    Some(spare.any.select(left, graph.constant(0.0)) * (auxiliary as f32 / residual.shape().rows() as f32))
}

/// The code in use.
pub fn in_use(values: Tensor<'_>, keep: usize, batch: bool) -> Tensor<'_> {
    // Chosen rather than multiplied: no −0 stands in a code.
    let zero = values.graph().constant(0.0);
    if batch {
        let threshold = values.graph().state(THRESHOLD, [1]);
        return values.greater(threshold).select(values, zero);
    }
    values.largest(keep).select(values, zero)
}

/// Moves the threshold towards the smallest value kept, to which the first batch sets it; a batch without one leaves it where it
/// is.
fn learn_threshold<'g>(graph: &'g Graph, values: Tensor<'g>, kept: Tensor<'g>) {
    let threshold = graph.state(THRESHOLD, [1]);
    let smallest = -kept.select(-values, graph.constant(-HUGE)).reduce(Reduction::Maximum, &[0, 1]);
    let smallest = smallest.reshape([1]).stop_gradient();
    let started = threshold.greater(graph.constant(0.0));
    let moved = started.select(threshold * KEPT + smallest * (1.0 - KEPT), smallest);
    graph.update(threshold, graph.constant(HUGE).greater(smallest).select(moved, threshold));
}
