//! `narrows decode`: codes into rows.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::written;
use crate::{output, places, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::data::{DataError, read_codes, write_rows};
use std::path::PathBuf;

/// Options of `narrows decode`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    /// The codes: an NPY or CSV file, a row for each, as `narrows encode` writes them
    #[arg(long, value_name = "FILE")]
    codes: PathBuf,
    /// Where the rows go: a name that ends in .npy or .csv, or a folder for pictures
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Decodes every code, in order.
///
/// # Errors
/// A model or codes that cannot be read, do not go together, or rows that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    places::expect_apart(&[&options.codes], &[&options.out])?;
    let codes = read_codes(&options.codes)?;
    if codes.width != codec.code() {
        let name = options.codes.display().to_string();
        return Err(Failure::from(DataError::Width { name, expected: codec.code(), found: codes.width })
            .with_hint("give codes that `narrows encode` made with this model"));
    }
    let rows = codec.decode(&codes.values)?;
    let description = &codec.model().description;
    write_rows(&options.out, &description.shape, &rows, written(description))?;
    output::note(&format!(
        "{}: {} of {}",
        options.out.display(),
        wording::of(codes.rows, "row", "rows"),
        description.shape.describe()
    ));
    Ok(())
}
