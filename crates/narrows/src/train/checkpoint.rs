//! Checkpoints: everything that training needs to go on as if nothing had happened.

use super::event::EpochRecord;
use super::schedule::Plateau;
use crate::error::Error;
use crate::model_file::{self, ModelFileError, NamedTensor, Payload};
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How far training has come.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Steps of the current epoch done.
    pub step: usize,
    /// Sum of the losses of the epoch's rows so far.
    pub loss_sum: f64,
    /// Rows of the epoch so far.
    pub rows: usize,
    /// Every epoch done.
    pub history: Vec<EpochRecord>,
    /// What a plateau schedule has done.
    pub plateau: Plateau,
    /// Best epoch so far and its validation loss, where early stopping is on.
    pub best: Option<(usize, f64)>,
    /// Whether early stopping has ended training.
    pub stopped: bool,
}

#[derive(Serialize, Deserialize)]
struct Description {
    recipe: Recipe,
    fingerprint: String,
    progress: Progress,
}

const KIND: &str = "checkpoint";
/// Names of the best weights so far begin with this.
pub const BEST: &str = "best/";

/// Where the checkpoint of a model file stands: beside it.
pub fn checkpoint_path(model: &Path) -> PathBuf {
    let mut name = model.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoint");
    model.with_file_name(name)
}

/// Writes a checkpoint.
pub fn save(
    path: &Path,
    recipe: &Recipe,
    fingerprint: &str,
    progress: &Progress,
    tensors: Vec<NamedTensor>,
) -> Result<(), Error> {
    let description = Description {
        recipe: recipe.clone(),
        fingerprint: fingerprint.to_owned(),
        progress: progress.clone(),
    };
    let description = serde_json::to_string(&description).map_err(|error| ModelFileError::Inconsistent {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    model_file::write(path, KIND, &Payload { description, tensors })
}

/// Reads a checkpoint that was made by the same recipe on the same rows.
pub fn load(path: &Path, recipe: &Recipe, fingerprint: &str) -> Result<(Progress, Vec<NamedTensor>), Error> {
    let payload = model_file::read(path, KIND)?;
    let description: Description = serde_json::from_str(&payload.description).map_err(|error| {
        ModelFileError::Inconsistent { path: path.to_owned(), problem: error.to_string() }
    })?;
    let differs = |expected: &str, found: String| Error::Mismatch {
        what: path.display().to_string(),
        expected: expected.to_owned(),
        found,
        hint: "resume with the same recipe, data and --set options, or leave --resume out to start again"
            .to_owned(),
    };
    if description.fingerprint != fingerprint {
        return Err(differs("a checkpoint of a run on these rows", "one on other rows".to_owned()));
    }
    if description.recipe != *recipe {
        let found = difference(&description.recipe.to_toml(), &recipe.to_toml());
        return Err(differs("a checkpoint of a run with this recipe", format!("one with {found}")));
    }
    Ok((description.progress, payload.tensors))
}

/// The first line in which two recipes differ.
fn difference(theirs: &str, ours: &str) -> String {
    let line = theirs.lines().zip(ours.lines()).find(|(theirs, ours)| theirs != ours);
    line.map_or_else(|| "other settings".to_owned(), |(theirs, ours)| format!("{theirs} instead of {ours}"))
}
