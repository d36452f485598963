//! A trained model: its description and its weights.

use super::container::{self, ModelFileError, NamedTensor, Payload};
use crate::autoencoder::{Output, bottleneck};
use crate::data::{ItemShape, Preparation};
use crate::error::Error;
use crate::network::{Layer, Network};
use crate::recipe::{ModelKind, Recipe};
use crate::train::EpochRecord;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How many rows a model was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Learned from.
    pub train: usize,
    /// Chosen by.
    pub validation: usize,
    /// Set aside for judging.
    pub test: usize,
}

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// How rows are prepared.
    pub preparation: Preparation,
    /// What a row is.
    pub shape: ItemShape,
    /// What the outputs are.
    pub output: Output,
    /// Names of the classes; empty for an autoencoder.
    pub classes: Vec<String>,
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// The epoch whose weights these are, where early stopping chose.
    pub best_epoch: Option<usize>,
    /// What kind of source the rows came from.
    pub source: String,
    /// Fingerprint of the data.
    pub fingerprint: String,
    /// Rows by use.
    pub rows: RowCounts,
}

impl Description {
    /// Whether the weights were made by another program.
    pub fn is_imported(&self) -> bool {
        self.history.is_empty() && self.rows.train == 0
    }
}

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Everything but the weights.
    pub description: Description,
    /// The weights and running statistics.
    pub tensors: Vec<NamedTensor>,
}

const KIND: &str = "model";

impl Model {
    /// Writes the model's file.
    ///
    /// # Errors
    /// The file cannot be written; nothing is left behind then.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let description = serde_json::to_string(&self.description).map_err(|error| {
            ModelFileError::Inconsistent { path: path.to_owned(), problem: error.to_string() }
        })?;
        container::write(path, KIND, &Payload { description, tensors: self.tensors.clone() })
    }

    /// Reads a model's file.
    ///
    /// # Errors
    /// A file that is missing, truncated, altered, of a newer version, or not ours.
    pub fn load(path: &Path) -> Result<Model, Error> {
        let payload = container::read(path, KIND)?;
        let inconsistent = |problem: String| ModelFileError::Inconsistent { path: path.to_owned(), problem };
        let description: Description =
            serde_json::from_str(&payload.description).map_err(|error| inconsistent(error.to_string()))?;
        let mut model = Model { description, tensors: payload.tensors };
        model.take_off_old_biases();
        model.check().map_err(inconsistent)?;
        Ok(model)
    }

    /// Numbers of a row, if there can be such rows.
    fn features(&self) -> Result<usize, String> {
        let sizes = match &self.description.shape {
            ItemShape::Vector { columns, width } => {
                let named = columns.as_ref().map_or(*width, Vec::len);
                if named != *width {
                    return Err(format!("a row of {width} columns has {named} names"));
                }
                vec![*width]
            }
            ItemShape::Image { height, width, channels } => vec![*height, *width, *channels],
        };
        let features = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let features = features.filter(|features| *features > 0);
        features.ok_or_else(|| format!("a row of {sizes:?} numbers cannot be"))
    }

    /// Up to version 3 normalised layers had a bias, which the mean takes off again: (x + b) − μ = x − (μ − b).
    fn take_off_old_biases(&mut self) {
        // What a file only claims is checked before anything is made of it.
        let network = self.features().ok().and_then(|_| self.network().ok());
        let Some(network) = network else { return };
        let all = network.all_layers().flat_map(Layer::with_inner);
        for layer in all.filter(|layer| layer.normalised && layer.bias_shape().is_none()) {
            let place = |state: &str| {
                let name = format!("{}.{state}", layer.name);
                self.tensors.iter().position(|tensor| tensor.name == name)
            };
            let (Some(bias), Some(mean)) = (place("bias"), place("mean")) else { continue };
            let bias = self.tensors[bias].values.clone();
            let means = self.tensors[mean].values.iter_mut().zip(&bias);
            means.for_each(|(mean, bias)| *mean -= bias);
            let name = format!("{}.bias", layer.name);
            self.tensors.retain(|tensor| tensor.name != name);
        }
    }

    /// Whether the parts of the model fit each other: nothing is allocated or computed by what a file only claims.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self) -> Result<(), String> {
        let Description { preparation, classes, .. } = &self.description;
        // Sizes are checked before anything is multiplied.
        self.features()?;
        let shape = &self.description.shape;
        preparation.expect_shape(shape, "the preparation").map_err(|error| error.to_string())?;
        if (self.is_classifier() || self.is_segmenter()) == classes.is_empty() {
            return Err(format!("{} classes do not go with this kind of model", classes.len()));
        }
        let mut expected = {
            let network = self.network().map_err(|error| error.to_string())?;
            let layers = network.all_layers().flat_map(Layer::tensors);
            layers.chain(bottleneck::tensors(network.bottleneck, network.code())).collect::<Vec<_>>()
        };
        for tensor in &self.tensors {
            let NamedTensor { name, shape, values } = tensor;
            let Some(at) = expected.iter().position(|(known, _)| known == name) else {
                return Err(format!("{name} is no part of the network, or is there twice"));
            };
            let (_, expected) = expected.swap_remove(at);
            if *shape != expected || values.len() != expected.iter().product::<usize>() {
                return Err(format!("{name}: expected shape {expected:?}, found {shape:?}"));
            }
        }
        expected.first().map_or(Ok(()), |(name, _)| Err(format!("{name} is missing")))
    }

    /// The model's layers.
    ///
    /// # Errors
    /// Layers that do not fit its rows.
    pub fn network(&self) -> Result<Network, Error> {
        let Description { recipe, shape, classes, .. } = &self.description;
        Network::new(&recipe.model, shape, classes.len())
    }

    /// Whether it is a stack of Boltzmann machines.
    pub fn is_boltzmann(&self) -> bool {
        self.description.recipe.model.kind == ModelKind::Boltzmann
    }

    /// Whether it rebuilds rows.
    pub fn is_autoencoder(&self) -> bool {
        !self.is_classifier() && !self.is_segmenter()
    }

    /// Whether it tells the class of each pixel.
    pub fn is_segmenter(&self) -> bool {
        self.description.recipe.model.kind == ModelKind::Segmenter
    }

    /// Whether it tells classes of rows.
    pub fn is_classifier(&self) -> bool {
        self.description.recipe.model.kind == ModelKind::Classifier
    }
}
