//! Training Boltzmann machines: their steps, what they start from, and what becomes of them in the network.

use super::optimiser;
use super::programs::{Built, Heard, below, stored_rows};
use super::setup::Setup;
use super::stage::{Part, Stage, expect_machine};
use super::start::means;
use crate::autoencoder::Output;
use crate::autoencoder::penalty::{self, Penalised};
use crate::boltzmann::contrastive::{Contrast, contrast};
use crate::boltzmann::{Machine, Units, Windows};
use crate::error::Error;
use crate::network::initial::weights;
use crate::network::{LayerWork, Mode, Network, Pass};
use crate::recipe::{Chain, Initial};
use narrows_engine::cpu::States;
use narrows_engine::{Graph, Tensor};

/// A machine's starting weights where the recipe leaves them to us (Hinton 2012, section 8).
const START: Initial = Initial::Normal { deviation: 0.01 };

/// The machine of an encoder layer, which was checked when the stages were made.
fn machine(setup: &Setup, layer: usize) -> Result<Machine, Error> {
    expect_machine(&setup.network, layer, setup.rebuilt)
}

/// The loss of each number of visible rows, B×D, whose sums are these.
fn terms<'g>(machine: &Machine, sums: Tensor<'g>, rows: Tensor<'g>) -> Tensor<'g> {
    match machine.visible {
        Units::Bernoulli => Output::Bernoulli.terms(sums, rows),
        Units::Gaussian | Units::Rectified => Output::Gaussian.terms(sums, rows),
    }
}

/// A machine's part in training on `rows` rows. What is told is what one draw of the hidden units leaves of the rows.
///
/// # Errors
/// A graph that cannot be built.
pub fn build<'g>(
    graph: &'g Graph,
    setup: &Setup,
    stage: &Stage,
    layer: usize,
    rows: usize,
) -> Result<Built<'g>, Error> {
    let Heard { rows: clean, row_ids } = stored_rows(graph, setup, rows);
    let scalars = optimiser::declare_scalars(graph);
    let machine = machine(setup, layer)?;
    let heard = below(graph, setup, layer, clean);
    let mut pass = Pass::new(Mode::Use);
    // The layer's own pass is what penalties look at.
    let code = setup.network.apply(graph, &mut pass, layer..layer + 1, heard);
    let sums = pass.trace[0].sums;
    let weights = machine.weights(graph, &mut pass.parameters);
    let chains = matches!(stage.train.chain, Chain::Persistent { .. }).then(|| {
        let shape = [stage.batch(), machine.sizes[0]];
        let state = graph.state(&format!("chains/{}", machine.weight), shape);
        (state, graph.indices("chain ids", [stage.batch()]))
    });
    let Contrast { mut loss, rebuilt, chains: moved } =
        contrast(graph, &machine, weights, (heard, sums), row_ids, stage.train.chain, chains);
    if let (Some((state, _)), Some(moved)) = (chains, moved) {
        graph.update(state, moved);
    }
    let of = Penalised { graph, pass: &pass, encoder: 1, code, row_ids };
    // As the contrast is averaged over windows, penalties are.
    let places = machine.windows.map_or(1, |windows| windows.hidden.pixels());
    for term in penalty::all(&stage.train.penalty, &of)? {
        loss = loss + term * (1.0 / places as f32);
    }
    let told = terms(&machine, rebuilt, heard).sum_all() * (1.0 / rows as f32);
    Ok(Built { loss, told, pass, scalars, divergence: None })
}

/// What one draw of the hidden units leaves of each row, B×1.
///
/// # Errors
/// Units that no machine has.
pub fn loss<'g>(
    graph: &'g Graph,
    setup: &Setup,
    layer: usize,
    Heard { rows, row_ids }: Heard<'g>,
) -> Result<Tensor<'g>, Error> {
    let machine = machine(setup, layer)?;
    let heard = below(graph, setup, layer, rows);
    let weights = machine.weights(graph, &mut Pass::new(Mode::Use).parameters);
    let drawn = machine.hidden.draw(graph, weights.up(heard), row_ids);
    Ok(terms(&machine, weights.down(drawn), heard).sum(&[1]))
}

/// What a stage begins with: the machine before it unrolled, its own small weights and, where it sees the rows themselves, visible biases
/// by which units on their own would be as often on as in the data.
///
/// # Errors
/// None in practice: states that the network itself declared.
pub fn begin(setup: &Setup, at: usize, states: &mut States) -> Result<(), Error> {
    if let Some(Stage { part: Part::Machine(layer), .. }) =
        at.checked_sub(1).map(|before| &setup.stages[before])
    {
        unroll(&setup.network, *layer, states)?;
    }
    let Part::Machine(layer) = setup.stages[at].part else { return Ok(()) };
    let machine = machine(setup, layer)?;
    if setup.recipe.model.initial == Initial::Auto {
        let (own, seed) = (&setup.network.layers[layer], setup.recipe.train.seed);
        let weight = weights(START, own.activation, own.fans(), seed, layer as u32);
        states.set(&machine.weight, &weight)?;
    }
    let rows = setup.network.layers[..layer]
        .iter()
        .all(|below| below.work == LayerWork::Reshape && !below.normalised);
    if rows {
        let mut means = means(setup);
        if let Some(Windows { visible, .. }) = machine.windows {
            // A map has one bias.
            let of_map = |map: usize| means.iter().skip(map).step_by(visible.channels).sum::<f64>();
            means = (0..visible.channels).map(|map| of_map(map) / visible.pixels() as f64).collect();
        }
        let bias_of = |mean: f64| machine.visible.bias_of(mean) as f32;
        let bias: Vec<f32> = means.into_iter().map(bias_of).collect();
        states.set(&machine.visible_bias, &bias)?;
    }
    Ok(())
}

/// The mirror image of a trained machine's layer gets its weight, channels exchanged, unless it is the same one anyway.
fn unroll(network: &Network, layer: usize, states: &mut States) -> Result<(), Error> {
    let (own, mirror) = (&network.layers[layer], network.mirror(layer));
    // Partners are left behind.
    if mirror.tied.is_some() || !network.partners.is_empty() {
        return Ok(());
    }
    let weight = states.get(&format!("{}.weight", own.name)).unwrap_or_default();
    // K×L×(C/groups)×D to K×L×(D/groups)×C; of a dense layer inputs×outputs to outputs×inputs.
    let [.., heard, said] = own.weight_shape()[..] else { return Ok(()) };
    let (maps, of_group) = (heard * own.groups(), said / own.groups());
    let place = |at: usize| {
        let (window, within, map) = (at / (of_group * maps), at / maps % of_group, at % maps);
        (window * heard + map % heard) * said + map / heard * of_group + within
    };
    let turned: Vec<f32> = (0..weight.len()).map(|at| weight[place(at)]).collect();
    Ok(states.set(&format!("{}.weight", mirror.name), &turned)?)
}
