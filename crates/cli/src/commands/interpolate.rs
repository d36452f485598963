//! `narrows interpolate`: from one row to another by way of their codes.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, written};
use crate::{output, wording};
use clap::Args;
use narrows::apply::{Codec, generate};
use narrows::data::write_rows;
use std::path::PathBuf;

/// Options of `narrows interpolate`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// Number of the row to begin with, from 1
    #[arg(long, value_name = "ROW")]
    from: usize,
    /// Number of the row to end with, from 1
    #[arg(long, value_name = "ROW")]
    to: usize,
    /// How many rows, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    steps: u16,
    /// Where the rows go: a name that ends in .npy, .csv or .png (all in one picture), or a folder for pictures
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Decodes the codes on the straight line between those of two rows.
///
/// # Errors
/// A model or data that cannot be read or do not go together; rows that are not there or cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // A classifier is refused before its data are read.
    codec.decode(&[])?;
    let description = &codec.model().description;
    let rows = options.rows.load(description, &[&options.out])?;
    let row = |name: &str, number: usize| {
        if !(1..=rows.dataset.rows()).contains(&number) {
            return Err(Failure::new(
                format!("{name} {number}: the data have rows 1 to {}", rows.dataset.rows()),
                "give the number of a row, counted from 1",
            ));
        }
        Ok(rows.dataset.select(&[number as u32 - 1]).values.to_f32())
    };
    let (from, to) = (row("--from", options.from)?, row("--to", options.to)?);
    let codes = generate::between(&codec, &from, &to, usize::from(options.steps))?;
    let decoded = codec.decode(&codes)?;
    write_rows(&options.out, &description.shape, &decoded, written(description))?;
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    output::note(&format!(
        "{}: {} from row {} to row {}",
        options.out.display(),
        wording::of(usize::from(options.steps), "row", "rows"),
        options.from,
        options.to
    ));
    Ok(())
}
