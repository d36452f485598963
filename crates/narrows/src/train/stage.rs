//! Stages of training: what is trained, for how long, on which rows. A run without pre-training has one.

use crate::data::Dataset;
use crate::error::Error;
use crate::network::Network;
use crate::recipe::{ModelKind, Pretraining, Recipe, TrainRecipe};
use crate::streams;
use std::ops::Range;

/// A stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Stage of pre-training, from 1; 0 for training itself.
    pub number: usize,
    /// Encoder layers that learn, as an autoencoder of their own with their mirror images; none for the network as a whole. Layers
    /// before them give their input and stay as they are.
    pub layers: Option<Range<usize>>,
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
        Stage { number: 0, layers: None, train: train.clone(), rows: rows.to_vec(), first_epoch: 0 }
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

    /// In words: "layer 2", "3 layers", "the whole network".
    pub fn name(&self) -> String {
        match &self.layers {
            None => "the whole network".to_owned(),
            Some(layers) if layers.len() == 1 => format!("layer {}", layers.end),
            Some(layers) => format!("{} layers", layers.end),
        }
    }
}

/// The stages of a recipe on training rows.
///
/// # Errors
/// Labelled rows asked for that are not there.
pub fn stages(
    recipe: &Recipe,
    network: &Network,
    dataset: &Dataset,
    training: &[u32],
) -> Result<Vec<Stage>, Error> {
    let depth = network.encoder;
    // An autoencoder of all its layers is the whole network already.
    let grown = if recipe.model.kind == ModelKind::Classifier { depth } else { depth - 1 };
    let (parts, epochs): (Vec<Range<usize>>, usize) = match recipe.train.pretraining {
        Pretraining::None => (Vec::new(), 0),
        Pretraining::Greedy { epochs } => ((0..depth).map(|layer| layer..layer + 1).collect(), epochs),
        Pretraining::Growing { epochs } => ((1..=grown).map(|layers| 0..layers).collect(), epochs),
    };
    let mut stages: Vec<Stage> = Vec::new();
    for (before, layers) in parts.into_iter().enumerate() {
        stages.push(Stage {
            number: before + 1,
            layers: Some(layers),
            // Only the network as a whole is stopped early or averaged: what comes before is no model.
            train: TrainRecipe { epochs, patience: 0, average: 0.0, ..recipe.train.clone() },
            rows: training.to_vec(),
            first_epoch: before * epochs,
        });
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
