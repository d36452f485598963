//! One update of a Boltzmann machine 784-500 by contrastive divergence with one Gibbs step, batch 100: draw
//! the hidden units from the rows, the visible ones from those, and learn the difference of what they have in
//! common.
//!
//! Bernoulli units, momentum 0.5, rate 0.05, no decay; the library's own parts. The check's random numbers
//! are those that the library draws: the peers make them again from seed, step, stream, row and column, which
//! compares the generators too.

use super::Step;
use crate::network::{self, Layer};
use crate::npy::Array;
use crate::{Error, Result, rows};
use narrows::autoencoder::Output;
use narrows::boltzmann::Machine;
use narrows::boltzmann::contrastive::contrast;
use narrows::engine::cpu::{Executable, Feed, Run, States};
use narrows::engine::{Graph, Tensor};
use narrows::network::dense::Parameters;
use narrows::network::{Mode, Network, Pass};
use narrows::recipe::Recipe;
use narrows::train::Compute;
use narrows::train::optimiser::{StepScalars, add_updates, declare_scalars};
use std::path::Path;

const BATCH: usize = 100;
const FEATURES: usize = 784;
/// Rows of the table that batches are taken from, one after the other, from the start again at its end.
const TABLE_ROWS: usize = 4000;
/// Updates on the same rows after which the check compares the parameters; each draws anew.
const CHECK_STEPS: usize = 3;
/// The seed, as the peers' file has it.
const SEED: u64 = 1;
const RECIPE: &str = r#"
    model = { kind = "boltzmann", hidden = [], code = 500, output = "bernoulli" }
    train = { optimiser = { kind = "momentum", momentum = 0.5 }, learning_rate = 0.05, chain = "contrastive" }
"#;

/// Builds the step that is timed.
pub fn prepare(file: Option<&Path>, threads: usize) -> Result<Step> {
    let layers = network::random_layers(&[FEATURES, 500, FEATURES]);
    let mut trainer = Trainer::new(&layers, rows::table(file, TABLE_ROWS, FEATURES)?, threads)?;
    Ok(Box::new(move || trainer.step()))
}

/// Gradients for the folder's parameters and rows, and the parameters after three updates.
pub fn check(folder: &Path, threads: usize) -> Result<()> {
    let read = |name: &str| Array::read(&folder.join(format!("{name}.npy")));
    // The second layer has the visible bias; its weight is the first one's, turned, and not used.
    let layers = [
        Layer { weight: read("weight")?, bias: read("hidden_bias")? },
        Layer { weight: Array::new(&[0], Vec::new()), bias: read("visible_bias")? },
    ];
    let rows = read("rows")?;
    let own = network::result_folder(folder)?;
    let write = |prefix: &str, values: [Vec<f32>; 3]| -> Result<()> {
        let like = [&layers[0].weight, &layers[0].bias, &layers[1].bias];
        for ((name, values), like) in ["weight", "hidden_bias", "visible_bias"].iter().zip(values).zip(like) {
            Array::new(&like.shape, values).write(&own.join(format!("{prefix}{name}.npy")))?;
        }
        Ok(())
    };
    write("gradient_", gradients(&layers, &rows, threads)?)?;
    // A table of just one batch, so that every step reads the same rows.
    let mut trainer = Trainer::new(&layers, rows, threads)?;
    for _ in 0..CHECK_STEPS {
        trainer.step()?;
    }
    write("trained_", trainer.parameters()?)
}

/// The compiled update with its states.
struct Trainer {
    table: Array,
    ids: Vec<u32>,
    recipe: Recipe,
    machine: Machine,
    executable: Executable,
    states: States,
    steps: u32,
}

impl Trainer {
    /// Compiles the update; `table` has a whole number of batches.
    fn new(layers: &[Layer], table: Array, threads: usize) -> Result<Self> {
        let recipe = recipe()?;
        let (network, machine) = machine(&recipe)?;
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, &recipe, &network, &machine);
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &recipe.train, &scalars, None)?;
        let compute = Compute::new(threads)?;
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let states = states(&graph, &machine, layers)?;
        let ids = (0..table.shape[0] as u32).collect();
        Ok(Self { table, ids, recipe, machine, executable, states, steps: 0 })
    }

    /// Reads the next rows of the table and updates weight and biases.
    fn step(&mut self) -> Result<()> {
        let first = self.steps as usize * BATCH % self.ids.len();
        let rows = &self.table.data[first * FEATURES..(first + BATCH) * FEATURES];
        let inputs = [Feed::F32(rows), Feed::U32(&self.ids[first..first + BATCH])];
        let train = &self.recipe.train;
        let scalars = StepScalars::new(train, train.learning_rate, 1.0, u64::from(self.steps)).as_array();
        let run = Run { inputs: &inputs, scalars: &scalars, seed: SEED, step: self.steps };
        self.executable.run(&mut self.states, &run)?;
        self.steps += 1;
        Ok(())
    }

    /// Weight, hidden bias and visible bias now.
    fn parameters(&self) -> Result<[Vec<f32>; 3]> {
        let read =
            |name: &String| self.states.get(name).ok_or_else(|| Error(format!("there is no state `{name}`")));
        let Machine { weight, hidden_bias, visible_bias, .. } = &self.machine;
        Ok([read(weight)?, read(hidden_bias)?, read(visible_bias)?])
    }
}

fn recipe() -> Result<Recipe> {
    Recipe::parse(RECIPE, &[]).map_err(|problems| Error(problems.to_string()))
}

fn machine(recipe: &Recipe) -> Result<(Network, Machine)> {
    let network = Network::new(&recipe.model, FEATURES, 0)?;
    let machine = Machine::of_layer(&network, 0, Output::Bernoulli).map_err(Error)?;
    Ok((network, machine))
}

/// What is differentiated for a batch, as training has it, and the parameters.
fn loss<'g>(
    graph: &'g Graph,
    recipe: &Recipe,
    network: &Network,
    machine: &Machine,
) -> (Tensor<'g>, Parameters<'g>) {
    let rows = graph.input("rows", [BATCH, FEATURES]);
    let row_ids = graph.indices("row ids", [BATCH]);
    let mut pass = Pass::new(Mode::Use);
    network.apply(graph, &mut pass, 0..1, rows);
    let sums = pass.trace[0].sums;
    let weights = machine.weights(graph, &mut pass.parameters);
    let learned = contrast(graph, machine, weights, (rows, sums), row_ids, recipe.train.chain, None);
    (learned.loss, pass.parameters)
}

/// The graph's states, the parameters set, all else 0.
fn states(graph: &Graph, machine: &Machine, layers: &[Layer]) -> Result<States> {
    let mut states = States::new(&graph.states());
    states.set(&machine.weight, &layers[0].weight.data)?;
    states.set(&machine.hidden_bias, &layers[0].bias.data)?;
    states.set(&machine.visible_bias, &layers[1].bias.data)?;
    Ok(states)
}

/// The gradient by weight, hidden bias and visible bias in step 0: a plan that only fetches it.
fn gradients(layers: &[Layer], rows: &Array, threads: usize) -> Result<[Vec<f32>; 3]> {
    let recipe = recipe()?;
    let (network, machine) = machine(&recipe)?;
    let graph = Graph::new();
    let (loss, parameters) = loss(&graph, &recipe, &network, &machine);
    let by: Vec<Tensor<'_>> = parameters.list.iter().map(|parameter| parameter.1).collect();
    for ((name, ..), gradient) in parameters.list.iter().zip(graph.gradient(loss, &by)?) {
        graph.output(name, gradient);
    }
    let compute = Compute::new(threads)?;
    let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
    let states = states(&graph, &machine, layers)?;
    let ids: Vec<u32> = (0..BATCH as u32).collect();
    let inputs = [Feed::F32(&rows.data), Feed::U32(&ids)];
    executable.infer(&states, &Run { inputs: &inputs, seed: SEED, ..Run::default() })?;
    let fetch = |name: &str, length: usize| -> Result<Vec<f32>> {
        let number = executable
            .output_number(name)
            .ok_or_else(|| Error(format!("there is no gradient of `{name}`")))?;
        let mut values = vec![0.0; length];
        executable.output(number, &mut values);
        Ok(values)
    };
    Ok([
        fetch(&machine.weight, layers[0].weight.data.len())?,
        fetch(&machine.hidden_bias, layers[0].bias.data.len())?,
        fetch(&machine.visible_bias, layers[1].bias.data.len())?,
    ])
}
