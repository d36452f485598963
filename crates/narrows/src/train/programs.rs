//! The graphs of a run, compiled: a step of training, and scoring without training.

use super::machines;
use super::optimiser::{self, Scalars};
use super::setup::{Compute, Setup};
use super::stage::{Part, Stage};
use crate::autoencoder::Output;
use crate::autoencoder::bottleneck::{self, Coded};
use crate::autoencoder::corruption::corrupt;
use crate::autoencoder::penalty::{self, Penalised, unit_atoms};
use crate::boltzmann::units::binarised;
use crate::data::{ItemShape, VOID, Values};
use crate::error::Error;
use crate::network::dropout::dropout;
use crate::network::prepare::prepare;
use crate::network::{Mode, Pass};
use crate::recipe::Activation;
use narrows_engine::cpu::Executable;
use narrows_engine::{Graph, Shape, Tensor};
use std::ops::Range;

/// States of a training graph, with their shapes.
pub type Declared = Vec<(String, Shape)>;

/// A stage's part in training, in a graph.
pub struct Built<'g> {
    /// What is differentiated, a number.
    pub loss: Tensor<'g>,
    /// What is told of the batch, a number: the loss itself, or for Boltzmann machines what they leave of the rows.
    pub told: Tensor<'g>,
    /// The layers' values and parameters.
    pub pass: Pass<'g>,
    /// What changes from step to step.
    pub scalars: Scalars<'g>,
    /// The divergence of each code unit's distribution from the prior, averaged over rows, 1×K, where there is one.
    pub divergence: Option<Tensor<'g>>,
}

/// What a stage does with `rows` rows.
///
/// # Errors
/// A graph that cannot be built.
pub fn build<'g>(graph: &'g Graph, setup: &Setup, stage: &Stage, rows: usize) -> Result<Built<'g>, Error> {
    match &stage.part {
        Part::Whole => network(graph, setup, stage, None, rows),
        Part::Layers(layers) => network(graph, setup, stage, Some(layers), rows),
        Part::Machine(layer) => machines::build(graph, setup, stage, *layer, rows),
    }
}

/// A training step of a stage for batches of `rows`.
///
/// # Errors
/// A graph or plan that cannot be built.
pub fn training_step(
    setup: &Setup,
    stage: &Stage,
    compute: &Compute,
    rows: usize,
) -> Result<(Executable, Declared), Error> {
    let graph = Graph::new();
    let Built { loss, told, pass, scalars, .. } = build(&graph, setup, stage, rows)?;
    graph.output("loss", told);
    let train = &stage.train;
    let atoms = (train.penalty.unit_atoms && stage.is_whole()).then(|| unit_atoms::atoms(&setup.network));
    optimiser::add_updates(&graph, loss, &pass.parameters, train, &scalars, atoms.as_ref())?;
    let executable = Executable::new(&graph, &compute.pool, compute.level)?;
    Ok((executable, graph.states()))
}

/// The network as a whole, or some of its layers as an autoencoder of their own.
fn network<'g>(
    graph: &'g Graph,
    setup: &Setup,
    stage: &Stage,
    layers: Option<&Range<usize>>,
    rows: usize,
) -> Result<Built<'g>, Error> {
    let Heard { rows: clean, row_ids } = stored_rows(graph, setup, rows);
    let scalars = optimiser::declare_scalars(graph);
    let train = &stage.train;
    let mut pass = Pass::new(Mode::Training(row_ids));
    let (input, target) = match layers {
        None => (clean, targets(graph, setup, clean)),
        Some(layers) => {
            let heard = below(graph, setup, layers.start, clean);
            (heard, heard)
        }
    };
    let at_rows = layers.is_none_or(|layers| layers.start == 0);
    let shape = if at_rows { setup.source.train.shape.clone() } else { numbers(input) };
    let corrupted = corrupt(graph, train.corruption, &shape, input, row_ids);
    let silenced = if at_rows { setup.recipe.model.input_dropout as f32 } else { 0.0 };
    let input = dropout(graph, corrupted.rows, row_ids, silenced);
    let learned = match layers {
        None => whole(graph, setup, &mut pass, (input, target, row_ids), scalars.bottleneck_weight),
        Some(layers) => {
            let code = setup.network.apply(graph, &mut pass, layers.clone(), input);
            let terms = rebuilt(graph, setup, &mut pass, layers, code, target);
            Learned { terms, code, encoder: layers.len(), costs: Vec::new(), divergence: None }
        }
    };
    let Learned { mut terms, code, encoder, mut costs, divergence } = learned;
    if let (Some(changed), true) = (corrupted.changed, train.emphasis != 1.0) {
        terms = terms * (changed * (train.emphasis as f32 - 1.0) + 1.0);
    }
    let of = Penalised { graph, pass: &pass, encoder, code, row_ids };
    costs.extend(penalty::all(&train.penalty, &of)?);
    let loss = costs.into_iter().fold(terms.sum_all() * (1.0 / rows as f32), |loss, cost| loss + cost);
    Ok(Built { loss, told: loss, pass, scalars, divergence })
}

/// What a part of the network makes of a batch in training.
struct Learned<'g> {
    /// The loss of each number that is rebuilt.
    terms: Tensor<'g>,
    /// The code as what follows gets it.
    code: Tensor<'g>,
    /// Layers up to the code.
    encoder: usize,
    /// What the code costs beside.
    costs: Vec<Tensor<'g>>,
    /// See [`Built`].
    divergence: Option<Tensor<'g>>,
}

/// The network as a whole.
fn whole<'g>(
    graph: &'g Graph,
    setup: &Setup,
    pass: &mut Pass<'g>,
    (input, target, row_ids): (Tensor<'g>, Tensor<'g>, Tensor<'g>),
    bottleneck_weight: Tensor<'g>,
) -> Learned<'g> {
    let network = &setup.network;
    let values = network.encode(graph, pass, input);
    let Coded { code, cost, spare, divergence } =
        bottleneck::training(graph, network, pass, values, row_ids, bottleneck_weight);
    let sums = network.decode(graph, pass, code);
    let revival = spare.and_then(|spare| {
        let residual = target - setup.output.mean(sums);
        let weight = network.layers[network.encoder].weight(graph, &mut pass.parameters);
        bottleneck::top_k::auxiliary(network.bottleneck, spare, residual, weight)
    });
    let beside = network.auxiliary.iter().filter_map(|head| {
        let sums = head.apply(graph, pass)?;
        let rows = target.shape().rows() as f32;
        Some(setup.output.loss(sums, target).sum_all() * (head.weight / rows))
    });
    let costs = cost.into_iter().chain(revival).chain(beside).collect();
    Learned { terms: terms(setup, sums, target), code, encoder: network.encoder, costs, divergence }
}

/// The loss of each of `rows` rows in a stage: rows independent, nothing random but draws from a distribution over codes or rows, keyed
/// by row.
///
/// # Errors
/// A graph or plan that cannot be built.
pub fn scoring(setup: &Setup, stage: &Stage, compute: &Compute, rows: usize) -> Result<Executable, Error> {
    let graph = Graph::new();
    let heard = stored_rows(&graph, setup, rows);
    let clean = heard.rows;
    let mut pass = Pass::new(Mode::Use);
    let loss = match &stage.part {
        Part::Whole => {
            let target = targets(&graph, setup, clean);
            let values = setup.network.encode(&graph, &mut pass, clean);
            let Coded { code, cost, .. } =
                bottleneck::scoring(&graph, &setup.network, &mut pass, values, heard.row_ids);
            let each = terms(setup, setup.network.decode(&graph, &mut pass, code), target).sum(&[1]);
            let loss = each.reshape([rows, each.shape().elements() / rows]).sum(&[1]);
            cost.map_or(loss, |cost| loss + cost)
        }
        Part::Layers(layers) => {
            let heard = below(&graph, setup, layers.start, clean);
            let code = setup.network.apply(&graph, &mut pass, layers.clone(), heard);
            rebuilt(&graph, setup, &mut pass, layers, code, heard).sum(&[1])
        }
        Part::Machine(layer) => machines::loss(&graph, setup, *layer, heard)?,
    };
    graph.output("loss", loss);
    Ok(Executable::new(&graph, &compute.pool, compute.level)?)
}

/// What the encoder layer `layer` hears in use, as a constant.
pub fn below<'g>(graph: &'g Graph, setup: &Setup, layer: usize, clean: Tensor<'g>) -> Tensor<'g> {
    let mut pass = Pass::new(Mode::Use);
    setup.network.apply(graph, &mut pass, 0..layer, clean).stop_gradient()
}

/// The loss of each number that encoder layers heard, by what their mirror images make of their code: the output's own where rows are
/// rebuilt, cross-entropy where the layer below has sigmoid units, squared error elsewhere.
fn rebuilt<'g>(
    graph: &'g Graph,
    setup: &Setup,
    pass: &mut Pass<'g>,
    layers: &Range<usize>,
    code: Tensor<'g>,
    heard: Tensor<'g>,
) -> Tensor<'g> {
    let values =
        layers.clone().rev().fold(code, |x, layer| setup.network.mirror(layer).apply(graph, pass, x));
    if layers.start == 0 {
        return setup.rebuilt.terms(values, heard);
    }
    // What was heard lies between 0 and 1 where the layer below says so.
    let below = setup.network.layers[layers.start - 1].activation;
    match pass.trace.last() {
        Some(step) if step.activation == Activation::Sigmoid && below == Activation::Sigmoid => {
            Output::Bernoulli.terms(step.sums, heard)
        }
        _ => (values - heard).square(),
    }
}

/// What a layer's values are to corruption: numbers.
fn numbers(values: Tensor<'_>) -> ItemShape {
    ItemShape::Vector { columns: None, width: values.shape().columns() }
}

/// What the outputs should be: the clean rows, B×D; for a classifier a one for the true class among zeros, B×classes; for a segmenter the
/// same of each pixel, B·H·W×classes, divided by the pixels of its row that anything is known of. Classes count what they are to count.
fn targets<'g>(graph: &'g Graph, setup: &Setup, clean: Tensor<'g>) -> Tensor<'g> {
    let (rows, classes) = (clean.shape().rows(), setup.classes.len());
    if classes == 0 {
        return clean;
    }
    let counted = |ones: Tensor<'g>| match setup.class_weights.is_empty() {
        true => ones,
        false => ones * graph.table([classes], &setup.class_weights),
    };
    if !setup.is_segmenter() {
        return counted(graph.input("targets", [rows, classes]));
    }
    let pixels = setup.source.train.shape.pixels();
    let map = graph.pixels("label maps", [rows, pixels]).convert();
    let numbers: Vec<f32> = (0..classes).map(|class| class as f32).collect();
    let of_pixel = |values: Tensor<'g>| values.reshape([rows * pixels, 1]);
    let ones = of_pixel(map).equal(graph.table([classes], &numbers));
    let (one, void) = (graph.constant(1.0), graph.constant(f32::from(VOID)));
    let known = one - map.equal(void);
    let share = known / one.maximum(known.sum(&[1]));
    counted(ones) * of_pixel(share)
}

/// The loss of each output, shaped as targets are.
fn terms<'g>(setup: &Setup, sums: Tensor<'g>, target: Tensor<'g>) -> Tensor<'g> {
    setup.output.terms(sums.reshape(target.shape()), target)
}

/// Rows as the first layer and the loss know them.
pub struct Heard<'g> {
    /// Prepared and, if asked for, drawn, B×D.
    pub rows: Tensor<'g>,
    /// Their ids, B.
    pub row_ids: Tensor<'g>,
}

/// The rows that a run is fed.
pub fn stored_rows<'g>(graph: &'g Graph, setup: &Setup, rows: usize) -> Heard<'g> {
    let shape = [rows, setup.source.train.features()];
    let stored = match setup.source.train.values {
        Values::U8(_) | Values::Stored(_) => graph.pixels("rows", shape),
        Values::F32(_) => graph.input("rows", shape),
    };
    let row_ids = graph.indices("row ids", [rows]);
    let prepared = prepare(graph, &setup.preparation, stored);
    let rows = if setup.recipe.data.binarise { binarised(graph, prepared, row_ids) } else { prepared };
    Heard { rows, row_ids }
}
