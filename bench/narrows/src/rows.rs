//! The rows that workloads are timed on.

use crate::network::random_rows;
use crate::npy::Array;
use crate::{Error, Result};
use narrows::data::{GLYPH_SIZE, GlyphPart, draw_glyph};
use std::path::Path;

/// As many rows as any workload asks for.
const GLYPHS: usize = 10_000;

/// Rows of a file, or noise.
pub struct Rows(Option<Array>);

impl Rows {
    /// Reads the file, if there is one.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self(None)) };
        match Array::read(file)? {
            array if array.shape.len() == 2 => Ok(Self(Some(array))),
            other => Err(Error(format!("{}: rows are a matrix, found {:?}", file.display(), other.shape))),
        }
    }

    /// The first `[rows, features]`; uniform in [0, 1) where the file is none or has others.
    pub fn table(&self, rows: usize, features: usize) -> Array {
        match &self.0 {
            Some(array) if array.shape[0] >= rows && array.shape[1] == features => {
                Array::new(&[rows, features], array.data[..rows * features].to_vec())
            }
            _ => random_rows(rows, features),
        }
    }
}

/// Digits drawn by the library.
pub fn glyphs() -> Array {
    let pixels = |row| draw_glyph(1, GlyphPart::Train, row).1;
    let data = (0..GLYPHS as u32).flat_map(pixels).map(|pixel| f32::from(pixel) / 255.0).collect();
    Array::new(&[GLYPHS, GLYPH_SIZE * GLYPH_SIZE], data)
}
