//! The report: one self-contained HTML page on what a model learned, and its pictures as PNG files.
//!
//! Two halves: [`of_model`] (`build`) makes a [`ReportInput`] of plain values from a model and rows; the rest is pure
//! rendering from it to text and bytes and knows no model, no engine, no clock and no network. The page asks for nothing (its content policy forbids it), is readable on a phone,
//! in light and dark, and needs its few lines of script only for the pictures under the pointer. Each section of the
//! page is one file with a function from the input to a `Section`, and one line in `page.rs`.

mod axis;
mod build;
mod classes;
mod codes;
mod comparison;
mod curves;
mod feature_maps;
mod filters;
mod generated;
mod html;
mod input;
mod layers;
mod page;
mod palette;
mod segmentation;
mod sheet;
mod small_chart;
mod summary;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use build::of_model;
pub use input::{
    ClassFigures, CodeMap, Comparison, EpochPoint, Figure, Generated, Histogram, LayerMaps, Mistake,
    NamedRows, PictureShape, ReportInput, SegmentedPictures, Verdict,
};
pub use page::{ReportPage, render};

use crate::data::{WriteError, write_bytes_atomically};

/// Why a report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Values that do not belong together, a mistake of the caller.
    #[error("{what}: expected {expected} values in a picture, found {found}")]
    Shape {
        /// Which of the pictures.
        what: String,
        /// Values by the picture's shape.
        expected: usize,
        /// Values that were given.
        found: usize,
    },
    /// A picture could not be encoded.
    #[error("a picture of the report could not be encoded: {0}")]
    Picture(#[from] png::EncodingError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder for the pictures could not be made.
    #[error("{}: expected to make a folder for the pictures, found: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ReportError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Write(error) => error.hint(),
            Self::Folder { .. } => "choose another place with --out".to_string(),
            Self::Shape { .. } | Self::Picture(_) => {
                "this is a defect of narrows: please report it".to_string()
            }
        }
    }
}

/// The files of a written report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFiles {
    /// The page.
    pub page: PathBuf,
    /// The pictures, in a folder beside it.
    pub pictures: Vec<PathBuf>,
}

/// Writes the page to `path` and its pictures to a folder beside it: `report.html` and `report-pictures/`.
///
/// # Errors
///
/// When a picture has not the shape that was promised, or a file cannot be written; each file is written whole or not
/// at all, the page last.
pub fn write_report(input: &ReportInput, path: &Path) -> Result<ReportFiles, ReportError> {
    let page = render(input)?;
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push("-pictures");
    let folder = path.with_file_name(name);
    let mut pictures = Vec::new();
    if !page.pictures.is_empty() {
        fs::create_dir_all(&folder).map_err(|source| ReportError::Folder { path: folder.clone(), source })?;
    }
    for (name, png) in &page.pictures {
        let picture = folder.join(name);
        write_bytes_atomically(&picture, png)?;
        pictures.push(picture);
    }
    write_bytes_atomically(path, page.html.as_bytes())?;
    Ok(ReportFiles { page: path.to_path_buf(), pictures })
}
