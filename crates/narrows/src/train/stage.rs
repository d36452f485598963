//! Stages of training: what is trained, for how long, on which rows. A run without pre-training has one.

use crate::autoencoder::Output;
use crate::autoencoder::penalty::contraction::{MOST_UNITS, has_exact};
use crate::boltzmann::{Machine, Units};
use crate::data::Dataset;
use crate::error::Error;
use crate::network::Network;
use crate::recipe::{Contraction, ModelKind, Optimiser, Pretraining, Recipe, Schedule, TrainRecipe};
use crate::streams;
use std::ops::Range;

/// What learns in a stage. Layers before it give its input and stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The network as a whole.
    Whole,
    /// Encoder layers, as an autoencoder of their own with their mirror images.
    Layers(Range<usize>),
    /// An encoder layer, as a Boltzmann machine with the biases of its mirror image.
    Machine(usize),
}

/// A stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Stage of pre-training, from 1; 0 for training itself.
    pub number: usize,
    /// What learns.
    pub part: Part,
    /// How it is trained: the recipe's, with the stage's own epochs.
    pub train: TrainRecipe,
    /// Rows that it learns from.
    pub rows: Vec<u32>,
    /// Epochs of the stages before.
    pub first_epoch: usize,
}

impl Stage {
    /// Training of the whole network on these rows, with nothing before.
    pub fn whole(train: &TrainRecipe, rows: &[u32]) -> Stage {
        Stage { number: 0, part: Part::Whole, train: train.clone(), rows: rows.to_vec(), first_epoch: 0 }
    }

    /// Whether the network as a whole learns.
    pub fn is_whole(&self) -> bool {
        self.part == Part::Whole
    }

    /// Rows in a step: the batch, or all rows if they are fewer.
    pub fn batch(&self) -> usize {
        self.train.batch.min(self.rows.len())
    }

    /// Steps of an epoch, a short last one included.
    pub fn steps(&self) -> usize {
        self.rows.len().div_ceil(self.batch())
    }

    /// The first epoch of the whole run that is not its own.
    pub fn end(&self) -> usize {
        self.first_epoch + self.train.epochs
    }

    /// In words: "layer 2", "3 layers", "machine 1", "the whole network".
    pub fn name(&self) -> String {
        match &self.part {
            Part::Whole => "the whole network".to_owned(),
            Part::Layers(layers) if layers.len() == 1 => format!("layer {}", layers.end),
            Part::Layers(layers) => format!("{} layers", layers.end),
            Part::Machine(layer) => format!("machine {}", layer + 1),
        }
    }
}

/// The stages of a recipe on training rows; `rebuilt` is what the rows are where they are rebuilt.
///
/// # Errors
/// Labelled rows asked for that are not there.
pub fn stages(
    recipe: &Recipe,
    network: &Network,
    dataset: &Dataset,
    training: &[u32],
    rebuilt: Output,
) -> Result<Vec<Stage>, Error> {
    let depth = network.encoder;
    // An autoencoder of all its layers is the whole network already.
    let grown = if recipe.model.kind == ModelKind::Classifier { depth } else { depth - 1 };
    let machines = recipe.model.kind == ModelKind::Boltzmann;
    // What has no weights, nor has its mirror image, has nothing to learn.
    let learns = |layer: &usize| network.layers[*layer].learns() || network.mirror(*layer).learns();
    let parts: Vec<Part> = match recipe.train.pretraining {
        Pretraining::None if machines => {
            let layers = 0..depth;
            layers.map(|layer| as_machine(network, layer, rebuilt)).collect::<Result<_, Error>>()?
        }
        Pretraining::None => Vec::new(),
        Pretraining::Rbm { .. } => {
            let layers = (0..depth).filter(|layer| network.layers[*layer].learns());
            layers.map(|layer| as_machine(network, layer, rebuilt)).collect::<Result<_, Error>>()?
        }
        Pretraining::Greedy { .. } => {
            (0..depth).filter(learns).map(|layer| Part::Layers(layer..layer + 1)).collect()
        }
        Pretraining::Growing { .. } => {
            (0..grown).filter(learns).map(|layer| Part::Layers(0..layer + 1)).collect()
        }
    };
    let whole = (!machines).then_some(Part::Whole);
    parts.iter().chain(&whole).try_for_each(|part| expect_jacobian(recipe, network, part))?;
    let mut stages: Vec<Stage> = Vec::new();
    for (before, part) in parts.into_iter().enumerate() {
        stages.push(Stage {
            number: before + 1,
            train: training_of(recipe, network, &part, rebuilt),
            part,
            rows: training.to_vec(),
            first_epoch: stages.last().map_or(0, Stage::end),
        });
    }
    if machines {
        // The machine on top is the last to be trained; nothing comes after it.
        stages.iter_mut().last().into_iter().for_each(|top| top.number = 0);
        return Ok(stages);
    }
    let rows = match (recipe.data.labels_per_class, &dataset.labels) {
        (Some(each), Some(labels)) if recipe.model.kind == ModelKind::Classifier => {
            let drawn = labels.some_of_each(training, each, (recipe.train.seed, streams::LABELLED, 0));
            let mut rows = drawn.map_err(|(class, found)| Error::Setting {
                setting: "data.labels_per_class",
                problem: format!(
                    "{each} rows of class `{}` are asked for, and {found} are among the training rows",
                    labels.names[class]
                ),
                hint: "ask for fewer".to_owned(),
            })?;
            rows.sort_unstable();
            rows
        }
        _ => training.to_vec(),
    };
    let first_epoch = stages.last().map_or(0, Stage::end);
    stages.push(Stage { first_epoch, ..Stage::whole(&recipe.train, &rows) });
    Ok(stages)
}

fn as_machine(network: &Network, number: usize, rebuilt: Output) -> Result<Part, Error> {
    expect_machine(network, number, rebuilt).map(|_| Part::Machine(number))
}

/// A layer as a machine.
///
/// # Errors
/// A layer that no machine is like.
pub fn expect_machine(network: &Network, number: usize, rebuilt: Output) -> Result<Machine, Error> {
    Machine::of_layer(network, number, rebuilt).map_err(|problem| Error::Setting {
        setting: "model.hidden",
        problem: format!("{} is no Boltzmann machine: {problem}", network.layers[number].name),
        hint: "use widths, and convolutions with pooling between them, of \"sigmoid\", \"identity\" or \"relu\" units with a bias for each map"
            .to_owned(),
    })
}

/// Makes sure that the exact Jacobian of a part can be built, whose last layer is its code.
fn expect_jacobian(recipe: &Recipe, network: &Network, part: &Part) -> Result<(), Error> {
    let layers = match part {
        Part::Whole => &network.layers[..network.encoder],
        Part::Layers(layers) => &network.layers[layers.clone()],
        Part::Machine(layer) => &network.layers[*layer..layer + 1],
    };
    match layers.last() {
        Some(code)
            if matches!(recipe.train.penalty.contraction, Contraction::Exact { .. })
                && !has_exact(layers) =>
        {
            Err(Error::Setting {
                setting: "train.penalty.contraction",
                problem: format!(
                    "{} says {} numbers, and where not all layers are dense the exact Jacobian is built for {MOST_UNITS} at most",
                    code.name,
                    code.outputs()
                ),
                hint: "use \"estimate\", or a narrower code without pre-training".to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// How a part is trained before the whole, or instead of it.
fn training_of(recipe: &Recipe, network: &Network, part: &Part, rebuilt: Output) -> TrainRecipe {
    // Only the network as a whole is stopped early or averaged: what comes before is no model.
    let own = TrainRecipe { patience: 0, average: 0.0, ..recipe.train.clone() };
    match (recipe.train.pretraining, part) {
        (Pretraining::Greedy { epochs } | Pretraining::Growing { epochs }, _) => {
            TrainRecipe { epochs, ..own }
        }
        (
            Pretraining::Rbm { epochs, learning_rate, real_learning_rate, momentum, weight_decay },
            Part::Machine(layer),
        ) => {
            let machine = Machine::of_layer(network, *layer, rebuilt);
            let binary = |machine: &Machine| [machine.hidden, machine.visible] == [Units::Bernoulli; 2];
            let rate = if machine.as_ref().is_ok_and(binary) { learning_rate } else { real_learning_rate };
            TrainRecipe {
                epochs,
                learning_rate: rate,
                optimiser: Optimiser::Momentum { momentum },
                weight_decay,
                schedule: Schedule::Constant,
                warmup: 0.0,
                clip_norm: 0.0,
                clip_value: 0.0,
                ..own
            }
        }
        _ => own,
    }
}
