//! One training step of the dense deep autoencoder: read the next rows of a table, forward, backward, Adam.
//!
//! ReLU hidden units, linear code and output; loss = squared error summed over features, averaged over rows; Adam
//! with rate 1e-3, β 0.9 and 0.999, ε 1e-8, bias correction. The loss is not fetched.

use super::Step;
use crate::network::{self, AUTOENCODER, Layer};
use crate::npy::Array;
use crate::{Error, Result};
use std::path::Path;

/// Rows of the table that batches are taken from, one after the other, from the start again at its end.
const TABLE_ROWS: usize = 4096;
/// Steps on the same rows after which the check compares the weights: the very step that is timed.
const CHECK_STEPS: usize = 3;

/// Builds the step that is timed.
pub fn prepare(batch: usize, threads: usize) -> Result<Step> {
    let layers = network::random_layers(AUTOENCODER);
    let mut trainer =
        Trainer::new(&layers, network::random_rows(TABLE_ROWS, AUTOENCODER[0]), batch, threads)?;
    Ok(Box::new(move || trainer.step()))
}

/// Loss and gradients for the folder's weights and rows, and the weights after three steps.
pub fn check(folder: &Path, batch: usize, threads: usize) -> Result<()> {
    let layers = network::read_layers(folder, AUTOENCODER)?;
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
    #[expect(dead_code, reason = "the engine is not wired yet")]
    table: Array,
}

impl Trainer {
    /// Compiles the step for `batch` rows and `threads` threads; `table` has a whole number of batches.
    fn new(_layers: &[Layer], _table: Array, _batch: usize, _threads: usize) -> Result<Self> {
        Err(not_wired())
    }

    /// Reads the next rows of the table, goes forward and backward, updates every weight.
    fn step(&mut self) -> Result<()> {
        Err(not_wired())
    }

    /// The weights now.
    fn layers(&self) -> Result<Vec<Layer>> {
        Err(not_wired())
    }
}

/// Loss and its gradient by every weight and bias, in the layers' shapes.
fn loss_and_gradients(_layers: &[Layer], _rows: &Array, _threads: usize) -> Result<(f32, Vec<Layer>)> {
    Err(not_wired())
}

fn not_wired() -> Error {
    Error("dense-train: the engine is not wired yet".into())
}
