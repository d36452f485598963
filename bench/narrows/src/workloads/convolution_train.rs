//! One training step of two convolutional networks: see `bench/peers/convolution_train.py`. Layers, loss and optimiser are the
//! library's own.

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

/// Rows of the table that batches are taken from, one after the other, from the start again at its end.
const TABLE_ROWS: usize = 4096;
/// Steps on the same rows after which the check compares the weights.
const CHECK_STEPS: usize = 3;
/// What rows are.
const ROWS: Extent = Extent { height: 28, width: 28, channels: 1 };
const CLASSES: usize = 10;

/// A network.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// 1→32→64 and back.
    Autoencoder,
    /// 25 maps, 50 maps, 100 units, 10 classes.
    LectureCnn,
}

impl Kind {
    fn recipe(self) -> Result<Recipe> {
        let text = match self {
            Kind::Autoencoder => {
                r#"
                model.activation = "relu"
                model.output = "gaussian"
                model.hidden = [
                    { kind = "convolution", channels = 32, stride = 2, padding = 1 },
                    { kind = "convolution", channels = 64, stride = 2, padding = 1 },
                ]
                model.code = 0
                model.code_activation = "relu"
                model.decoder = [
                    { kind = "transposed-convolution", channels = 32, size = 4, padding = 1 },
                    { kind = "transposed-convolution", channels = 1, size = 4, padding = 1 },
                ]
                "#
            }
            Kind::LectureCnn => Recipe::built_in("lecture-cnn").unwrap_or_default(),
        };
        let adam =
            [("train.optimiser", "adam"), ("train.learning_rate", "1e-3"), ("train.weight_decay", "0")];
        let adam = adam.map(|(path, value)| (path.to_owned(), value.to_owned()));
        Recipe::parse(text, &adam).map_err(|problems| Error(problems.to_string()))
    }

    fn network(self, recipe: &Recipe) -> Result<Network> {
        Ok(Network::new(&recipe.model, ROWS, CLASSES)?)
    }

    fn output(self) -> Output {
        match self {
            Kind::Autoencoder => Output::Gaussian,
            Kind::LectureCnn => Output::Categorical,
        }
    }
}

/// Builds the step that is timed.
pub fn prepare(file: Option<&Path>, kind: Kind, batch: usize, threads: usize) -> Result<Step> {
    let table = rows::table(file, TABLE_ROWS, ROWS.numbers())?;
    let classes: Vec<f32> = (0..TABLE_ROWS).map(|row| (row * 7 % CLASSES) as f32).collect();
    let mut trainer = Trainer::new(kind, None, (table, &classes), batch, threads)?;
    Ok(Box::new(move || trainer.step()))
}

/// Loss and gradients for the folder's weights and rows, and the weights after three steps.
pub fn check(kind: Kind, folder: &Path, batch: usize, threads: usize) -> Result<()> {
    let rows = Array::read(&folder.join("rows.npy"))?;
    let targets = folder.join("targets.npy");
    let classes = if targets.exists() { Array::read(&targets)?.data } else { vec![0.0; batch] };
    let recipe = kind.recipe()?;
    let places = kind.network(&recipe)?;
    let count = places.layers.iter().filter(|layer| layer.has_weights()).count();
    let layers = network::read_layers(folder, count)?;
    let own = network::result_folder(folder)?;
    // A table of just one batch, so that every step reads the same rows.
    let mut trainer = Trainer::new(kind, Some(&layers), (rows, &classes), batch, threads)?;
    let (loss, gradients) = trainer.loss_and_gradients(&layers, threads)?;
    Array::new(&[], vec![loss]).write(&own.join("loss.npy"))?;
    network::write_layers(&own, "gradient_", &gradients)?;
    for _ in 0..CHECK_STEPS {
        trainer.step()?;
    }
    network::write_layers(&own, "trained_", &trainer.layers(&layers)?)
}

/// The compiled training step with its states.
struct Trainer {
    kind: Kind,
    recipe: Recipe,
    network: Network,
    table: Array,
    /// 1 for each row's class.
    targets: Vec<f32>,
    batch: usize,
    executable: Executable,
    states: States,
    steps: u32,
}

impl Trainer {
    fn new(
        kind: Kind,
        layers: Option<&[Layer]>,
        (table, classes): (Array, &[f32]),
        batch: usize,
        threads: usize,
    ) -> Result<Self> {
        let recipe = kind.recipe()?;
        let network = kind.network(&recipe)?;
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, kind, &network, batch);
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &recipe.train, &scalars, None)?;
        let compute = Compute::new(threads)?;
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let mut states = States::new(&graph.states());
        network.initialise(&recipe.model, 1, &mut states)?;
        set(&network, layers, &mut states)?;
        let targets =
            classes.iter().flat_map(|own| (0..CLASSES).map(move |class| f32::from(*own == class as f32)));
        let targets = targets.collect();
        Ok(Trainer { kind, recipe, network, table, targets, batch, executable, states, steps: 0 })
    }

    /// Reads the next rows of the table, goes forward and backward, updates every weight.
    fn step(&mut self) -> Result<()> {
        let rows = self.table.shape[0];
        let first = self.steps as usize * self.batch % rows;
        let train = &self.recipe.train;
        let scalars = StepScalars::new(train, train.learning_rate, 1.0, u64::from(self.steps)).as_array();
        let inputs = feeds(self.kind, &self.table.data, &self.targets, first, self.batch);
        let run = Run { inputs: &inputs, scalars: &scalars, seed: train.seed, step: self.steps };
        self.executable.run(&mut self.states, &run)?;
        self.steps += 1;
        Ok(())
    }

    /// The weights now.
    fn layers(&self, like: &[Layer]) -> Result<Vec<Layer>> {
        let read = |name: String, like: &Array| -> Result<Array> {
            let values =
                self.states.get(&name).ok_or_else(|| Error(format!("there is no state `{name}`")))?;
            Ok(Array::new(&like.shape, values))
        };
        let places = self.network.layers.iter().filter(|layer| layer.has_weights());
        places
            .zip(like)
            .map(|(place, like)| {
                Ok(Layer {
                    weight: read(format!("{}.weight", place.name), &like.weight)?,
                    bias: read(format!("{}.bias", place.name), &like.bias)?,
                })
            })
            .collect()
    }

    /// Loss and its gradient by every weight and bias: a plan that only fetches them.
    fn loss_and_gradients(&self, layers: &[Layer], threads: usize) -> Result<(f32, Vec<Layer>)> {
        let graph = Graph::new();
        let (loss, parameters) = loss(&graph, self.kind, &self.network, self.batch);
        graph.output("loss", loss);
        let by: Vec<Tensor<'_>> = parameters.list.iter().map(|parameter| parameter.1).collect();
        for ((name, ..), gradient) in parameters.list.iter().zip(graph.gradient(loss, &by)?) {
            graph.output(name, gradient);
        }
        let compute = Compute::new(threads)?;
        let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let mut states = States::new(&graph.states());
        set(&self.network, Some(layers), &mut states)?;
        let inputs = feeds(self.kind, &self.table.data, &self.targets, 0, self.batch);
        executable.infer(&states, &Run { inputs: &inputs, ..Run::default() })?;
        let fetch = |name: String, like: &Array| -> Result<Array> {
            let output = executable.output_number(&name);
            let output = output.ok_or_else(|| Error(format!("there is no gradient of `{name}`")))?;
            let mut values = vec![0.0; like.data.len()];
            executable.output(output, &mut values);
            Ok(Array::new(&like.shape, values))
        };
        let places = self.network.layers.iter().filter(|layer| layer.has_weights());
        let gradients = places.zip(layers).map(|(place, like)| {
            Ok(Layer {
                weight: fetch(format!("{}.weight", place.name), &like.weight)?,
                bias: fetch(format!("{}.bias", place.name), &like.bias)?,
            })
        });
        Ok((executable.number(0), gradients.collect::<Result<_>>()?))
    }
}

/// What a run is given for `batch` rows from `first` on.
fn feeds<'a>(kind: Kind, rows: &'a [f32], targets: &'a [f32], first: usize, batch: usize) -> Vec<Feed<'a>> {
    let part = |values: &'a [f32], width: usize| Feed::F32(&values[first * width..(first + batch) * width]);
    let mut feeds = vec![part(rows, ROWS.numbers())];
    if matches!(kind, Kind::LectureCnn) {
        feeds.push(part(targets, CLASSES));
    }
    feeds
}

/// The loss of `batch` rows and the parameters that it depends on.
fn loss<'g>(graph: &'g Graph, kind: Kind, network: &Network, batch: usize) -> (Tensor<'g>, Parameters<'g>) {
    let rows = graph.input("rows", [batch, ROWS.numbers()]);
    let mut pass = Pass::new(Mode::Use);
    let code = network.encode(graph, &mut pass, rows);
    let sums = network.decode(graph, &mut pass, code);
    let target = match kind {
        Kind::Autoencoder => rows,
        Kind::LectureCnn => graph.input("targets", [batch, CLASSES]),
    };
    (kind.output().loss(sums, target).sum_all() * (1.0 / batch as f32), pass.parameters)
}

fn set(network: &Network, layers: Option<&[Layer]>, states: &mut States) -> Result<()> {
    let places = network.layers.iter().filter(|layer| layer.has_weights());
    for (place, layer) in places.zip(layers.unwrap_or_default()) {
        states.set(&format!("{}.weight", place.name), &layer.weight.data)?;
        states.set(&format!("{}.bias", place.name), &layer.bias.data)?;
    }
    Ok(())
}
