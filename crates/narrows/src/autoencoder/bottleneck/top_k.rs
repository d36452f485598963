//! The top-k bottleneck: the k largest values of the code layer, all others 0 (Makhzani and Frey 2014; Gao et al. 2024).
//!
//! With `batch`, training keeps the k·B largest of the whole batch, so that rows share units as they need them, and use keeps what
//! passes a threshold, the running mean of the smallest value that training kept: a row's code never depends on other rows (BatchTopK;
//! Bussmann et al. 2024).
//!
//! A unit without a value in so many rows is dead. Dead units learn to rebuild what the others leave (Gao et al. 2024), and they have a
//! conscience (DeSieno 1988, for competitive learning): those that are chosen by value plus favour are kept by value. A dead
//! unit's favour grows until it is chosen and learns; one that is chosen gives its favour up little by little.

use super::Coded;
use crate::recipe::Bottleneck;
use narrows_engine::op::Reduction;
use narrows_engine::{Graph, Tensor};

/// The state that holds the threshold.
pub const THRESHOLD: &str = "bottleneck.threshold";
/// The state that counts, for each unit, the rows since its last value.
pub const IDLE: &str = "bottleneck.idle";
/// The state that holds each unit's favour.
pub const FAVOUR: &str = "bottleneck.favour";
/// Share of the running threshold that a step keeps.
const KEPT: f32 = 0.99;
/// Share of its favour that a step leaves to a unit that was chosen.
const FAVOUR_LEFT: f32 = 0.9;
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
    let Bottleneck::TopK { keep, batch, dead_after, auxiliary, auxiliary_keep, conscience } = bottleneck
    else {
        return Coded::plain(values);
    };
    let (rows, units) = (values.shape().rows(), values.shape().columns());
    let zero = graph.constant(0.0);
    let favour = (conscience > 0.0).then(|| graph.state(FAVOUR, [units]));
    let scores = favour.map_or(values, |favour| values + favour);
    let (code, sizes, chosen) = if batch {
        let all = scores.reshape([1, rows * units]).largest(keep * rows).reshape([rows, units]);
        // What is not positive passes no threshold in use.
        let positive = all * scores.greater(zero);
        learn_threshold(graph, scores, positive);
        let code = positive.select(values, zero);
        (code, code.abs(), positive)
    } else {
        let positions = scores.largest_positions(keep);
        let kept = values.pick(positions);
        // Spread values: no product with them touches the zeros between.
        let spread = |kept: Tensor<'g>| kept.spread(positions, units);
        (spread(kept), spread(kept.abs()), spread(graph.constant(1.0).stretch([rows, keep])))
    };
    let any = |of: Tensor<'g>| of.sum(&[0]).greater(zero).reshape([units]);
    let used = any(sizes);
    let idle = graph.state(IDLE, [units]);
    graph.update(idle, used.select(zero, idle + rows as f32));
    let dead = idle.greater(graph.constant(dead_after as f32));
    if let Some(favour) = favour {
        // A row keeps `keep` values, if on average only.
        let mean = sizes.sum_all().stop_gradient() / (rows * keep) as f32;
        let gain = mean * (conscience * rows as f64 / dead_after as f64) as f32;
        // Chosen, whatever it says then: a unit that can say nothing but 0 takes no place for long.
        graph.update(favour, any(chosen).select(favour * FAVOUR_LEFT, favour + dead * gain));
    }
    if auxiliary == 0.0 {
        return Coded::plain(code);
    }
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

/// The code in use: chosen as in training, by favours that no longer move.
pub fn in_use(bottleneck: Bottleneck, values: Tensor<'_>) -> Tensor<'_> {
    let Bottleneck::TopK { keep, batch, conscience, .. } = bottleneck else { return values };
    let graph = values.graph();
    let scores = match conscience > 0.0 {
        true => values + graph.state(FAVOUR, [values.shape().columns()]),
        false => values,
    };
    let kept = match batch {
        true => scores.greater(graph.state(THRESHOLD, [1])),
        false => scores.largest(keep),
    };
    // Chosen rather than multiplied: no −0 stands in a code.
    kept.select(values, graph.constant(0.0))
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
