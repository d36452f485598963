//! What can go wrong in the library; every error has one line and, where something can be done, a hint.

use crate::data::{DataError, WriteError};
use crate::model_file::ModelFileError;
use crate::recipe::RecipeProblems;
use crate::report::ReportError;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rows.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeProblems),
    /// The numerics.
    #[error(transparent)]
    Engine(#[from] narrows_engine::Error),
    /// A model file or checkpoint.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The PCA baseline.
    #[error(transparent)]
    Pca(#[from] crate::apply::pca::PcaError),
    /// A classifier without labels to learn from.
    #[error("{name}: a classifier needs labels, and these rows have none")]
    NoLabels {
        /// The data.
        name: String,
    },
    /// A segmenter without label maps to learn from.
    #[error("{name}: a segmenter needs label maps, and these rows have none")]
    NoLabelMaps {
        /// The data.
        name: String,
    },
    /// Labels that the model does not know.
    #[error("label `{label}`: the model knows {known} classes and this is none of them")]
    UnknownLabel {
        /// The label.
        label: String,
        /// Classes known.
        known: usize,
    },
    /// Rows that are not what the model was trained on.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// The object.
        what: String,
        /// What the model takes.
        expected: String,
        /// What was given.
        found: String,
        /// What to do.
        hint: String,
    },
    /// Rows in a file that cannot be read any more.
    #[error("rows cannot be read: {problem}")]
    Rows {
        /// The file and what the system said.
        problem: String,
    },
    /// The loss is no number any more.
    #[error("training diverged in epoch {epoch}, step {step}: the loss is {loss}")]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A model asked for what its kind does not do.
    #[error("{operation}: this model is {kind}")]
    WrongKind {
        /// What was asked.
        operation: &'static str,
        /// What the model is.
        kind: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A setting that does not go with the data.
    #[error("{setting}: {problem}")]
    Setting {
        /// Dotted path of the setting.
        setting: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Data(error) => error.hint(),
            Error::ModelFile(error) => error.hint(),
            Error::Write(error) => Some(error.hint()),
            Error::Recipe(problems) if problems.problems.len() == 1 => Some(problems.problems[0].hint()),
            Error::Report(error) => Some(error.hint()),
            Error::Pca(error) => error.hint(),
            Error::NoLabels { .. } => {
                Some("name the label column with --set data.label=NAME, or train an autoencoder".to_owned())
            }
            Error::Rows { .. } => {
                Some("leave the file of decoded pictures alone while training runs".to_owned())
            }
            Error::NoLabelMaps { .. } => Some(
                "say how their folders are named: --set data.maps=annot for train and trainannot".to_owned(),
            ),
            Error::UnknownLabel { .. } => {
                Some("evaluate on data with the classes that the model was trained on".to_owned())
            }
            Error::Mismatch { hint, .. } | Error::Setting { hint, .. } => Some(hint.clone()),
            Error::WrongKind { hint, .. } => Some((*hint).to_owned()),
            Error::Diverged { .. } => Some(
                "lower train.learning_rate, or limit the gradient with --set train.clip_norm=1".to_owned(),
            ),
            _ => None,
        }
    }
}
