//! `narrows reconstruct`: rows to codes and back.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, in_chunks, written};
use crate::{output, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::data::write_rows;
use std::path::PathBuf;

/// Options of `narrows reconstruct`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// Where the rows go: a name that ends in .npy or .csv, or a folder for pictures
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Reconstructs every row, in order and in the scale it came in (counts of words come back as weights).
///
/// # Errors
/// A model or data that cannot be read, do not go together, or rows that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    let description = &codec.model().description;
    let rows = options.rows.load(description, &[&options.out])?;
    let rebuilt = in_chunks(&rows.dataset, |rows| codec.reconstruct(rows))?;
    write_rows(&options.out, &rows.dataset.shape, &rebuilt, written(description))?;
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    output::note(&format!(
        "{}: {}, rebuilt from {} each",
        options.out.display(),
        wording::of(rows.dataset.rows(), "row", "rows"),
        wording::of(codec.code(), "number", "numbers")
    ));
    Ok(())
}
