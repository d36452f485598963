//! Learning by contrast: the gradient of ln p is what rows and hidden units have in common in the data, less what they have in common
//! in the machine's own rows, vₖ hₖᵀ from a Gibbs chain (Hinton 2002). Written as a loss whose derivative is that.

use super::machine::{Machine, Weights};
use super::units::Units;
use crate::recipe::Chain;
use narrows_engine::{Graph, Tensor};

/// What came of a batch.
pub struct Contrast<'g> {
    /// Its derivative by the parameters is the estimate of that of −ln p, averaged over rows and, where windows share them, over windows, so that
    /// one learning rate suits pictures of any size. Its value means nothing.
    pub loss: Tensor<'g>,
    /// Sums of the visible units that rebuild the rows from one draw of the hidden ones, B×D.
    pub rebuilt: Tensor<'g>,
    /// Where persistent chains stand now.
    pub chains: Option<Tensor<'g>>,
}

/// Learns from visible rows, B×D, whose hidden sums, B×H, are given. `chains`, with ids of their own, are where persistent chains stood.
pub fn contrast<'g>(
    graph: &'g Graph,
    machine: &Machine,
    weights: Weights<'g>,
    (rows, sums): (Tensor<'g>, Tensor<'g>),
    row_ids: Tensor<'g>,
    chain: Chain,
    chains: Option<(Tensor<'g>, Tensor<'g>)>,
) -> Contrast<'g> {
    let drawn = machine.hidden.draw(graph, sums, row_ids);
    let rebuilt = weights.down(drawn);
    let (steps, means) = match chain {
        Chain::Contrastive { steps, means } => (steps, means),
        Chain::Persistent { steps } => (steps, false),
    };
    let (mut hidden, ids) = match chains {
        Some((visible, ids)) => (machine.hidden.draw(graph, weights.up(visible), ids), ids),
        None => (drawn, row_ids),
    };
    let (mut visible, mut own_sums) = (rows, sums);
    for step in 0..steps {
        if step > 0 {
            hidden = machine.hidden.draw(graph, own_sums, ids);
        }
        let below = weights.down(hidden);
        visible = if means { machine.visible.mean(below) } else { machine.visible.draw(graph, below, ids) }
            .stop_gradient();
        own_sums = weights.up(visible);
    }
    let last = match machine.hidden {
        Units::Rectified => machine.hidden.draw(graph, own_sums, ids),
        units => units.mean(own_sums),
    };
    let first = if machine.hidden == Units::Rectified { drawn } else { machine.hidden.mean(sums) };
    let loss = energy(weights, rows, sums, first) - energy(weights, visible, own_sums, last);
    Contrast { loss, rebuilt, chains: chains.is_some().then_some(visible) }
}

/// −(b·v + Σ h ∘ (Wᵀv + c)), averaged over rows and windows, by the parameters: v and h are taken as given.
fn energy<'g>(weights: Weights<'g>, visible: Tensor<'g>, sums: Tensor<'g>, hidden: Tensor<'g>) -> Tensor<'g> {
    let places = weights.windows.map_or(1, |windows| windows.hidden.pixels());
    let count = (visible.shape().rows() * places) as f32;
    let own = weights.by_bias(visible.stop_gradient()).sum_all();
    (own + (hidden.stop_gradient() * sums).sum_all()) * (-1.0 / count)
}
