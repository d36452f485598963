//! One training step of the dense deep autoencoder: read the next rows of a table, forward, backward, Adam.
//!
//! ReLU hidden units, linear code and output; loss = squared error summed over features, averaged over rows; Adam
//! with rate 1e-3, β 0.9 and 0.999, ε 1e-8, bias correction. The loss is not fetched. Network, loss and optimiser are
//! the library's own, so that the step that is timed is the one that `narrows train` runs.

use super::Step;
use crate::network::{self, AUTOENCODER, Layer};
use crate::npy::Array;
use crate::{Error, Result, rows};
use narrows::autoencoder::Output;
use narrows::engine::cpu::{Executable, Feed, Run, States};
use narrows::engine::{Graph, Tensor};
use narrows::network::dense::Parameters;
use narrows::network::{Mode, Network, Pass};
use narrows::recipe::Recipe;
use narrows::train::Compute;
use narrows::train::optimiser::{StepScalars, add_updates, declare_scalars};
use std::path::Path;

/// Rows of the table that batches are taken from, one after the other, from the start again at its end.
const TABLE_ROWS: usize = 4096;
/// Steps on the same rows after which the check compares the weights: the very step that is timed.
const CHECK_STEPS: usize = 3;
/// The network and how it is trained.
const RECIPE: &str = r#"
    model = { hidden = [1000, 500, 250], code = 30, activation = "relu", output = "gaussian" }
    train = { optimiser = { kind = "adam", beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }, learning_rate = 1e-3 }
"#;

/// Builds the step that is timed.
pub fn prepare(file: Option<&Path>, batch: usize, threads: usize) -> Result<Step> {
    let layers = network::random_layers(AUTOENCODER);
    let mut trainer = Trainer::new(&layers, rows::table(file, TABLE_ROWS, AUTOENCODER[0])?, batch, threads)?;
    Ok(Box::new(move || trainer.step()))
}

/// Loss and gradients for the folder's weights and rows, and the weights after three steps.
pub fn check(folder: &Path, batch: usize, threads: usize) -> Result<()> {
    let layers = network::read_dense(folder, AUTOENCODER)?;
    let rows = Array::read(&folder.join("rows.npy"))?;
    let own = network::result_folder(folder)?;

    let (loss, gradients) = loss_and_gradients(&layers, &rows, threads)?;
    Array::new(&[], vec![loss]).write(&own.join("loss.npy"))?;
    network::write_layers(&own, "gradient_", &gradients)?;

    // A table of just one batch, so that every step reads the same rows.
    let mut trainer = Trainer::new(&layers, rows, batch, threads)?;
    for _ in 0..CHECK_STEPS {
        trainer.step()?;
    }
    network::write_layers(&own, "trained_", &trainer.layers()?)
}

/// The compiled training step with its states.
struct Trainer {
    table: Array,
    batch: usize,
    recipe: Recipe,
    network: Network,
    executable: Executable,
    states: States,
    steps: u32,
}

impl Trainer {
    /// Compiles the step for `batch` rows and `threads` threads; `table` has a whole number of batches.
    fn new(layers: &[Layer], table: Array, batch: usize, threads: usize) -> Result<Self> {
        let recipe = recipe()?;
        let network = Network::new(&recipe.model, AUTOENCODER[0], 0)?;
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, &network, batch);
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &recipe.train, &scalars, None)?;
        let compute = Compute::new(threads)?;
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let states = states(&graph, &network, layers)?;
        Ok(Self { table, batch, recipe, network, executable, states, steps: 0 })
    }

    /// Reads the next rows of the table, goes forward and backward, updates every weight.
    fn step(&mut self) -> Result<()> {
        let length = self.batch * AUTOENCODER[0];
        let first = self.steps as usize * length % self.table.data.len();
        let train = &self.recipe.train;
        let scalars = StepScalars::new(train, train.learning_rate, 1.0, u64::from(self.steps)).as_array();
        let rows = Feed::F32(&self.table.data[first..first + length]);
        let run = Run { inputs: &[rows], scalars: &scalars, seed: train.seed, step: self.steps };
        self.executable.run(&mut self.states, &run)?;
        self.steps += 1;
        Ok(())
    }

    /// The weights now.
    fn layers(&self) -> Result<Vec<Layer>> {
        let read = |name: String, shape: &[usize]| -> Result<Array> {
            let values =
                self.states.get(&name).ok_or_else(|| Error(format!("there is no state `{name}`")))?;
            Ok(Array::new(shape, values))
        };
        let layer = |layer: &narrows::network::Layer| -> Result<Layer> {
            Ok(Layer {
                weight: read(format!("{}.weight", layer.name), &[layer.inputs(), layer.outputs()])?,
                bias: read(format!("{}.bias", layer.name), &[layer.outputs()])?,
            })
        };
        self.network.layers.iter().map(layer).collect()
    }
}

fn recipe() -> Result<Recipe> {
    Recipe::parse(RECIPE, &[]).map_err(|problems| Error(problems.to_string()))
}

/// The loss of `batch` rows and the parameters that it depends on: weight and bias of each layer in turn.
fn loss<'g>(graph: &'g Graph, network: &Network, batch: usize) -> (Tensor<'g>, Parameters<'g>) {
    let rows = graph.input("rows", [batch, network.features]);
    let mut pass = Pass::new(Mode::Use);
    let code = network.encode(graph, &mut pass, rows);
    let sums = network.decode(graph, &mut pass, code);
    let loss = Output::Gaussian.loss(sums, rows).sum_all() * (1.0 / batch as f32);
    graph.output("loss", loss);
    (loss, pass.parameters)
}

/// The graph's states, the weights set, all else 0.
fn states(graph: &Graph, network: &Network, layers: &[Layer]) -> Result<States> {
    let mut states = States::new(&graph.states());
    for (place, layer) in network.layers.iter().zip(layers) {
        states.set(&format!("{}.weight", place.name), &layer.weight.data)?;
        states.set(&format!("{}.bias", place.name), &layer.bias.data)?;
    }
    Ok(states)
}

/// Loss and its gradient by every weight and bias, in the layers' shapes: a plan that only fetches them.
fn loss_and_gradients(layers: &[Layer], rows: &Array, threads: usize) -> Result<(f32, Vec<Layer>)> {
    let network = Network::new(&recipe()?.model, AUTOENCODER[0], 0)?;
    let graph = Graph::new();
    let (loss, parameters) = loss(&graph, &network, rows.shape[0]);
    let by: Vec<Tensor<'_>> = parameters.list.iter().map(|parameter| parameter.1).collect();
    for ((name, ..), gradient) in parameters.list.iter().zip(graph.gradient(loss, &by)?) {
        graph.output(name, gradient);
    }
    let compute = Compute::new(threads)?;
    let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
    let states = states(&graph, &network, layers)?;
    executable.infer(&states, &Run { inputs: &[Feed::F32(&rows.data)], ..Run::default() })?;
    // Output 0 is the loss; the gradients follow in the parameters' order: weight and bias of each layer in turn.
    let fetch = |output: usize, like: &Array| {
        let mut values = vec![0.0; like.data.len()];
        executable.output(output, &mut values);
        Array::new(&like.shape, values)
    };
    let gradient = |(number, layer): (usize, &Layer)| Layer {
        weight: fetch(2 * number + 1, &layer.weight),
        bias: fetch(2 * number + 2, &layer.bias),
    };
    let gradients = layers.iter().enumerate().map(gradient).collect();
    Ok((executable.number(0), gradients))
}
