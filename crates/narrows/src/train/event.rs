//! What training tells while it runs, and what it can be told.

use super::watch::LayerHealth;
use serde::{Deserialize, Serialize};

/// One epoch, as it stays in the model file's history and in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Stage of pre-training, from 1, whose losses these are; 0 in training itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stage: usize,
    /// Mean loss over the epoch's training rows, as they went by.
    pub train_loss: f64,
    /// Loss on the validation rows after the epoch; none without such rows.
    pub held_out_loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// How the layers that learn are doing, input side first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerHealth>,
}

fn is_zero(stage: &usize) -> bool {
    *stage == 0
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step is done.
    Step {
        /// From 1.
        epoch: usize,
        /// From 1, in the epoch.
        step: usize,
        /// Steps of the epoch.
        steps: usize,
        /// Steps of the whole run done, those before a resume included.
        done: usize,
        /// Rows of this step.
        rows: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// An epoch is done.
    Epoch {
        /// Its figures.
        record: EpochRecord,
        /// Whether its weights are the best so far.
        best: bool,
    },
    /// A checkpoint stands.
    Checkpoint,
    /// Training ended early: no better validation loss for so many epochs.
    Stopped {
        /// Epochs without a better loss.
        patience: usize,
    },
}

/// The answer to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    Continue,
    /// Finish here: save a checkpoint and return.
    Stop,
}
