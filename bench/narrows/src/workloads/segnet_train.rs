//! One training step of SegNet-Basic: see `bench/peers/segnet_train.py`. Network, loss and optimiser are the library's own.

use super::Step;
use crate::network::{self, Layer};
use crate::npy::Array;
use crate::{Error, Result, rows};
use narrows::autoencoder::Output;
use narrows::engine::cpu::{Executable, Feed, Run, States};
use narrows::engine::{Graph, Tensor};
use narrows::network::dense::Parameters;
use narrows::network::{Extent, Mode, Network, Pass};
use narrows::recipe::Recipe;
use narrows::train::Compute;
use narrows::train::optimiser::{StepScalars, add_updates, declare_scalars};
use std::path::Path;

const BATCH: usize = 4;
const ROWS: Extent = Extent { height: 120, width: 160, channels: 3 };
const CLASSES: usize = 11;
const TABLE_ROWS: usize = 16;
/// Steps on the same rows after which the check compares the weights.
const CHECK_STEPS: usize = 3;

/// Builds the step that is timed.
pub fn prepare(file: Option<&Path>, threads: usize) -> Result<Step> {
    let table = rows::table(file, TABLE_ROWS, ROWS.numbers())?;
    let maps = (0..TABLE_ROWS * ROWS.pixels()).map(|at| (at * 7 % CLASSES) as u8).collect();
    let mut trainer = Trainer::new(None, (table, maps), threads)?;
    Ok(Box::new(move || trainer.step()))
}

/// Loss and gradients for the folder's weights and rows, and the weights after three steps.
pub fn check(folder: &Path, threads: usize) -> Result<()> {
    let rows = Array::read(&folder.join("rows.npy"))?;
    let maps = Array::read(&folder.join("maps.npy"))?.data.iter().map(|class| *class as u8).collect();
    let layers = network::read_layers(folder, 9)?;
    let own = network::result_folder(folder)?;
    // A table of just one batch, so that every step reads the same rows.
    let mut trainer = Trainer::new(Some(&layers), (rows, maps), threads)?;
    let (loss, gradients) = trainer.loss_and_gradients(&layers, threads)?;
    Array::new(&[], vec![loss]).write(&own.join("loss.npy"))?;
    network::write_layers(&own, "gradient_", &gradients)?;
    for _ in 0..CHECK_STEPS {
        trainer.step()?;
    }
    let trained = like(&layers, |name| trainer.states.get(name).unwrap_or_default(), &trainer.network);
    network::write_layers(&own, "trained_", &trained)
}

/// Arrays of the layers' shapes, their values by the states' names: weights, and shifts or biases.
fn like(layers: &[Layer], values: impl Fn(&str) -> Vec<f32>, network: &Network) -> Vec<Layer> {
    let array = |name: String, like: &Array| Array::new(&like.shape, values(&name));
    names(network)
        .zip(layers)
        .map(|([weight, bias], like)| Layer {
            weight: array(weight, &like.weight),
            bias: array(bias, &like.bias),
        })
        .collect()
}

/// The states of each layer's weight and bias.
fn names(network: &Network) -> impl Iterator<Item = [String; 2]> {
    network.layers.iter().filter(|layer| layer.has_weights()).map(|layer| {
        let bias = if layer.normalised { "shift" } else { "bias" };
        [format!("{}.weight", layer.name), format!("{}.{bias}", layer.name)]
    })
}

/// The compiled training step with its states.
struct Trainer {
    recipe: Recipe,
    network: Network,
    table: Array,
    maps: Vec<u8>,
    executable: Executable,
    states: States,
    steps: u32,
}

impl Trainer {
    fn new(layers: Option<&[Layer]>, (table, maps): (Array, Vec<u8>), threads: usize) -> Result<Self> {
        let adam =
            [("train.optimiser", "adam"), ("train.learning_rate", "1e-3"), ("train.weight_decay", "0")];
        let adam = adam.map(|(path, value)| (path.to_owned(), value.to_owned()));
        let text = Recipe::built_in("segnet").unwrap_or_default();
        let recipe = Recipe::parse(text, &adam).map_err(|problems| Error(problems.to_string()))?;
        let network = Network::new(&recipe.model, ROWS, CLASSES)?;
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, &network);
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &recipe.train, &scalars, None)?;
        let compute = Compute::new(threads)?;
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let mut states = States::new(&graph.states());
        network.initialise(&recipe.model, 1, &mut states)?;
        set(&network, layers, &mut states)?;
        Ok(Trainer { recipe, network, table, maps, executable, states, steps: 0 })
    }

    /// Reads the next pictures of the table, goes forward and backward, updates every weight.
    fn step(&mut self) -> Result<()> {
        let first = self.steps as usize * BATCH % self.table.shape[0];
        let train = &self.recipe.train;
        let scalars = StepScalars::new(train, train.learning_rate, 1.0, u64::from(self.steps)).as_array();
        let inputs = feeds(&self.table.data, &self.maps, first);
        let run = Run { inputs: &inputs, scalars: &scalars, seed: train.seed, step: self.steps };
        self.executable.run(&mut self.states, &run)?;
        self.steps += 1;
        Ok(())
    }

    /// Loss and its gradient by every weight and shift: a plan that only fetches them.
    fn loss_and_gradients(&self, layers: &[Layer], threads: usize) -> Result<(f32, Vec<Layer>)> {
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, &self.network);
        graph.output("loss", loss);
        let by: Vec<Tensor<'_>> = parameters.list.iter().map(|parameter| parameter.1).collect();
        for ((name, ..), gradient) in parameters.list.iter().zip(graph.gradient(loss, &by)?) {
            graph.output(name, gradient);
        }
        graph.keep_states();
        let compute = Compute::new(threads)?;
        let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let mut states = States::new(&graph.states());
        self.network.initialise(&self.recipe.model, 1, &mut states)?;
        set(&self.network, Some(layers), &mut states)?;
        let inputs = feeds(&self.table.data, &self.maps, 0);
        executable.infer(&states, &Run { inputs: &inputs, ..Run::default() })?;
        let shapes =
            |name: &str| parameters.list.iter().find(|known| known.0 == name).map(|known| known.1.shape());
        let fetch = |name: &str| {
            let mut values = vec![0.0; shapes(name).map_or(0, |shape| shape.elements())];
            if let Some(output) = executable.output_number(name) {
                executable.output(output, &mut values);
            }
            values
        };
        Ok((executable.number(0), like(layers, fetch, &self.network)))
    }
}

/// What a run is given from picture `first` on.
fn feeds<'a>(rows: &'a [f32], maps: &'a [u8], first: usize) -> Vec<Feed<'a>> {
    const IDS: [u32; BATCH] = [0, 1, 2, 3];
    let (width, pixels) = (ROWS.numbers(), ROWS.pixels());
    vec![
        Feed::F32(&rows[first * width..(first + BATCH) * width]),
        Feed::U32(&IDS),
        Feed::U8(&maps[first * pixels..(first + BATCH) * pixels]),
    ]
}

/// The mean cross-entropy of all pixels, and the parameters that it depends on.
fn loss<'g>(graph: &'g Graph, network: &Network) -> (Tensor<'g>, Parameters<'g>) {
    let rows = graph.input("rows", [BATCH, ROWS.numbers()]);
    let mut pass = Pass::new(Mode::Training(graph.indices("row ids", [BATCH])));
    let code = network.encode(graph, &mut pass, rows);
    let sums = network.decode(graph, &mut pass, code);
    let all = BATCH * ROWS.pixels();
    let maps = graph.pixels("maps", [BATCH, ROWS.pixels()]).convert().reshape([all, 1]);
    let numbers: Vec<f32> = (0..CLASSES).map(|class| class as f32).collect();
    let target = maps.equal(graph.table([CLASSES], &numbers));
    let loss = Output::Categorical.terms(sums.reshape([all, CLASSES]), target).sum_all();
    (loss * (1.0 / all as f32), pass.parameters)
}

fn set(network: &Network, layers: Option<&[Layer]>, states: &mut States) -> Result<()> {
    for ([weight, bias], layer) in names(network).zip(layers.unwrap_or_default()) {
        states.set(&weight, &layer.weight.data)?;
        states.set(&bias, &layer.bias.data)?;
    }
    Ok(())
}
