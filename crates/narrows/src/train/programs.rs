//! The graphs of a run, compiled: a step of training, and scoring without training.

use super::optimiser;
use super::setup::{Compute, Setup};
use crate::autoencoder::bottleneck::{self, Coded};
use crate::autoencoder::corruption::corrupt;
use crate::autoencoder::penalty::{self, Penalised, unit_atoms};
use crate::data::Values;
use crate::error::Error;
use crate::network::dropout::dropout;
use crate::network::prepare::prepare;
use crate::network::{Mode, Pass};
use narrows_engine::cpu::Executable;
use narrows_engine::{Graph, Shape, Tensor};

/// States of a training graph, with their shapes.
pub type Declared = Vec<(String, Shape)>;

/// A training step for batches of `rows`.
///
/// # Errors
/// A graph or plan that cannot be built.
pub fn training_step(setup: &Setup, compute: &Compute, rows: usize) -> Result<(Executable, Declared), Error> {
    let graph = Graph::new();
    let stored = stored_rows(&graph, setup, rows);
    let row_ids = graph.indices("row ids", [rows]);
    let clean = prepare(&graph, &setup.preparation, stored);
    let target = targets(&graph, setup, clean);
    let (train, network) = (&setup.recipe.train, &setup.network);
    let scalars = optimiser::declare_scalars(&graph);
    let corrupted = corrupt(&graph, train.corruption, &setup.source.train.shape, clean, row_ids);
    let silenced = setup.recipe.model.input_dropout as f32;
    let input = dropout(&graph, corrupted.rows, row_ids, silenced);

    let mut pass = Pass::new(Mode::Training(row_ids));
    let values = network.encode(&graph, &mut pass, input);
    let Coded { code, cost, spare } =
        bottleneck::training(&graph, network, &mut pass, values, row_ids, scalars.bottleneck_weight);
    let sums = network.decode(&graph, &mut pass, code);
    let revival = spare.and_then(|spare| {
        let residual = target - setup.output.mean(sums);
        let weight = network.layers[network.encoder].weight(&graph, &mut pass.parameters);
        bottleneck::top_k::auxiliary(network.bottleneck, spare, residual, weight)
    });

    let mut terms = setup.output.terms(sums, target);
    if let (Some(changed), true) = (corrupted.changed, train.emphasis != 1.0) {
        terms = terms * (changed * (train.emphasis as f32 - 1.0) + 1.0);
    }
    let mut loss = terms.sum_all() * (1.0 / rows as f32);
    let of = Penalised { graph: &graph, pass: &pass, encoder: network.encoder, code, row_ids };
    for term in cost.into_iter().chain(revival).chain(penalty::all(&train.penalty, &of)?) {
        loss = loss + term;
    }
    graph.output("loss", loss);
    let atoms = train.penalty.unit_atoms.then(|| unit_atoms::atoms(network));
    optimiser::add_updates(&graph, loss, &pass.parameters, train, &scalars, atoms.as_ref())?;
    let executable = Executable::new(&graph, &compute.pool, compute.level)?;
    Ok((executable, graph.states()))
}

/// The loss of each of `rows` rows: rows independent, nothing random but a draw from a distribution over codes, keyed by row.
///
/// # Errors
/// A graph or plan that cannot be built.
pub fn scoring(setup: &Setup, compute: &Compute, rows: usize) -> Result<(Executable, Declared), Error> {
    let graph = Graph::new();
    let stored = stored_rows(&graph, setup, rows);
    let row_ids = graph.indices("row ids", [rows]);
    let clean = prepare(&graph, &setup.preparation, stored);
    let target = targets(&graph, setup, clean);
    let mut pass = Pass::new(Mode::Use);
    let values = setup.network.encode(&graph, &mut pass, clean);
    let Coded { code, cost, .. } = bottleneck::scoring(&graph, &setup.network, &mut pass, values, row_ids);
    let sums = setup.network.decode(&graph, &mut pass, code);
    let loss = setup.output.loss(sums, target);
    graph.output("loss", cost.map_or(loss, |cost| loss + cost));
    let executable = Executable::new(&graph, &compute.pool, compute.level)?;
    Ok((executable, graph.states()))
}

/// What the outputs should be: the clean rows, or for a classifier the true classes.
fn targets<'g>(graph: &'g Graph, setup: &Setup, clean: Tensor<'g>) -> Tensor<'g> {
    if setup.classes.is_empty() {
        return clean;
    }
    graph.input("targets", [clean.shape().rows(), setup.classes.len()])
}

fn stored_rows<'g>(graph: &'g Graph, setup: &Setup, rows: usize) -> Tensor<'g> {
    let shape = [rows, setup.source.train.features()];
    match setup.source.train.values {
        Values::U8(_) => graph.pixels("rows", shape),
        Values::F32(_) => graph.input("rows", shape),
    }
}
