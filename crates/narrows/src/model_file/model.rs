//! A trained model: its description and its weights.

use super::container::{self, ModelFileError, NamedTensor, Payload};
use crate::autoencoder::Output;
use crate::data::{ItemShape, Preparation};
use crate::error::Error;
use crate::network::Network;
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
        let model = Model { description, tensors: payload.tensors };
        for layer in &model.network().layers {
            let name = format!("{}.weight", layer.name);
            let expected = vec![layer.inputs, layer.outputs];
            match model.tensors.iter().find(|tensor| tensor.name == name) {
                Some(tensor) if tensor.shape == expected => {}
                Some(tensor) => {
                    let problem = format!("{name}: expected shape {expected:?}, found {:?}", tensor.shape);
                    return Err(inconsistent(problem).into());
                }
                None => return Err(inconsistent(format!("{name} is missing")).into()),
            }
        }
        Ok(model)
    }

    /// The model's layers.
    pub fn network(&self) -> Network {
        let features = self.description.shape.features();
        Network::new(&self.description.recipe.model, features, self.description.classes.len())
    }

    /// Whether it tells classes.
    pub fn is_classifier(&self) -> bool {
        self.description.recipe.model.kind == ModelKind::Classifier
    }
}
