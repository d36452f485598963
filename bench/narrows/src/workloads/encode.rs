//! Rows to codes with a trained encoder.

use super::Step;
use crate::network::{self, ENCODER, Layer, SIMPLE_ENCODER};
use crate::npy::Array;
use crate::{Error, Result};
use std::path::Path;

/// An encoder: its widths, and whether its code is rectified (hidden layers always are).
#[derive(Debug)]
pub struct Shape {
    widths: &'static [usize],
    relu_code: bool,
}

/// 784-1000-500-250-30, linear code.
pub const DEEP: Shape = Shape { widths: ENCODER, relu_code: false };
/// 784-32, ReLU code.
pub const SIMPLE: Shape = Shape { widths: SIMPLE_ENCODER, relu_code: true };

/// Builds the step that is timed: all rows, from one resident array into another.
pub fn prepare(shape: &Shape, rows: usize, threads: usize) -> Result<Step> {
    let layers = network::random_layers(shape.widths);
    let rows = network::random_rows(rows, shape.widths[0]);
    let mut encoder = Encoder::new(&layers, shape.relu_code, rows.shape[0], threads)?;
    let width = shape.widths[shape.widths.len() - 1];
    let mut codes = vec![0.0; rows.shape[0] * width];
    Ok(Box::new(move || {
        encoder.encode(&rows.data, &mut codes)?;
        std::hint::black_box(&codes);
        Ok(())
    }))
}

/// The codes of the folder's rows.
pub fn check(folder: &Path, shape: &Shape, threads: usize) -> Result<()> {
    let layers = network::read_layers(folder, shape.widths)?;
    let rows = Array::read(&folder.join("rows.npy"))?;
    let own = network::result_folder(folder)?;
    let width = shape.widths[shape.widths.len() - 1];
    let mut codes = vec![0.0; rows.shape[0] * width];
    Encoder::new(&layers, shape.relu_code, rows.shape[0], threads)?.encode(&rows.data, &mut codes)?;
    Array::new(&[rows.shape[0], width], codes).write(&own.join("codes.npy"))
}

/// The compiled encoder.
struct Encoder;

impl Encoder {
    /// Compiles the encoder for so many rows at a time.
    fn new(_layers: &[Layer], _relu_code: bool, _rows: usize, _threads: usize) -> Result<Self> {
        Err(not_wired())
    }

    /// `[rows, features]` to `[rows, code units]`, both in C order.
    fn encode(&mut self, _rows: &[f32], _codes: &mut [f32]) -> Result<()> {
        Err(not_wired())
    }
}

fn not_wired() -> Error {
    Error("encode: the engine is not wired yet".into())
}
