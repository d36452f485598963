//! The rows that workloads are timed on.

use crate::network::random_rows;
use crate::npy::Array;
use crate::{Error, Result};
use narrows::data::{GLYPH_SIZE, GlyphPart, draw_glyph};
use std::path::Path;

/// As many rows as any workload asks for.
const GLYPHS: u32 = 10_000;

/// The first `[rows, features]` of the file; uniform in [0, 1) where there is none, or its rows have another width.
pub fn table(file: Option<&Path>, rows: usize, features: usize) -> Result<Array> {
    let Some(file) = file else { return Ok(random_rows(rows, features)) };
    let found = Array::read_rows(file, rows)?;
    match found.shape[..] {
        [count, width] if count == rows && width == features => Ok(found),
        [_, width] if width != features => Ok(random_rows(rows, features)),
        _ => {
            let problem = format!("expected a matrix of {rows} rows or more, found {:?}", found.shape);
            Err(Error(format!("{}: {problem}", file.display())))
        }
    }
}

/// Digits drawn by the library.
pub fn glyphs() -> Array {
    let pixels = |row| draw_glyph(1, GlyphPart::Train, row).1;
    let data = (0..GLYPHS).flat_map(pixels).map(|pixel| f32::from(pixel) / 255.0).collect();
    Array::new(&[GLYPHS as usize, GLYPH_SIZE * GLYPH_SIZE], data)
}
