//! The graphs of a run, compiled: a step of training, and scoring without training.

use super::optimiser;
use super::setup::{Compute, Setup};
use crate::data::Values;
use crate::error::Error;
use crate::network::dense::Parameters;
use crate::network::prepare::prepare;
use crate::network::shape::Mode;
use narrows_engine::cpu::Executable;
use narrows_engine::op::Distribution;
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
    let target =
        if setup.classes.is_empty() { clean } else { graph.input("targets", [rows, setup.classes.len()]) };
    let input = corrupted(&graph, setup, clean, row_ids);
    let mut parameters = Parameters::default();
    let layers = 0..setup.network.layers.len();
    let sums = setup.network.apply(&graph, &mut parameters, layers, input, Mode::Training(row_ids));
    let loss = setup.output.loss(sums, target).sum_all() * (1.0 / rows as f32);
    graph.output("loss", loss);
    optimiser::add_updates(&graph, loss, &parameters, &setup.recipe.train)?;
    let executable = Executable::new(&graph, &compute.pool, compute.level)?;
    Ok((executable, graph.states()))
}

/// The loss of each of `rows` rows in use: nothing random, rows independent.
///
/// # Errors
/// A graph or plan that cannot be built.
pub fn scoring(setup: &Setup, compute: &Compute, rows: usize) -> Result<(Executable, Declared), Error> {
    let graph = Graph::new();
    let clean = prepare(&graph, &setup.preparation, stored_rows(&graph, setup, rows));
    let target =
        if setup.classes.is_empty() { clean } else { graph.input("targets", [rows, setup.classes.len()]) };
    let mut parameters = Parameters::default();
    let sums = setup.network.apply(&graph, &mut parameters, 0..setup.network.layers.len(), clean, Mode::Use);
    graph.output("loss", setup.output.loss(sums, target));
    let executable = Executable::new(&graph, &compute.pool, compute.level)?;
    Ok((executable, graph.states()))
}

fn stored_rows<'g>(graph: &'g Graph, setup: &Setup, rows: usize) -> Tensor<'g> {
    let shape = [rows, setup.source.train.features()];
    match setup.source.train.values {
        Values::U8(_) => graph.pixels("rows", shape),
        Values::F32(_) => graph.input("rows", shape),
    }
}

/// What training does to inputs; the loss compares with the clean ones.
fn corrupted<'g>(graph: &'g Graph, setup: &Setup, clean: Tensor<'g>, row_ids: Tensor<'g>) -> Tensor<'g> {
    let mut input = clean;
    let noise = setup.recipe.train.input_noise as f32;
    if noise > 0.0 {
        input = input + graph.random(row_ids, clean.shape().columns(), Distribution::Normal) * noise;
    }
    let silenced = setup.recipe.model.input_dropout as f32;
    crate::network::dropout::dropout(graph, input, row_ids, silenced)
}
