//! `narrows encode`: rows into codes.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, in_chunks};
use crate::{output, places, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::data::{DataError, write_csv, write_npy};
use std::path::{Path, PathBuf};

/// Options of `narrows encode`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// Where the codes go: a name that ends in .npy or .csv
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Encodes every row, in order.
///
/// # Errors
/// A model or data that cannot be read, do not go together, or codes that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let form = Form::of(&options.out)?;
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    let rows = options.rows.load(&codec.model().description, &[&options.out])?;
    let codes = in_chunks(&rows.dataset, |rows| codec.encode(rows))?;
    let width = codec.code();
    match form {
        Form::Npy => write_npy(&options.out, &[rows.dataset.rows(), width], &codes)?,
        Form::Csv => {
            let names: Vec<String> = (1..=width).map(|unit| format!("code_{unit}")).collect();
            write_csv(&options.out, Some(&names), width, &codes)?;
        }
    }
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    output::note(&format!(
        "{}: the codes of {}, {} each",
        options.out.display(),
        wording::of(rows.dataset.rows(), "row", "rows"),
        wording::of(width, "number", "numbers")
    ));
    Ok(())
}

/// How codes are written.
enum Form {
    Npy,
    Csv,
}

impl Form {
    /// What the path's ending asks for. Anything that is no plain file (a device, a pipe) takes CSV.
    fn of(path: &Path) -> Result<Form, Failure> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("npy") => Ok(Form::Npy),
            Some("csv") => Ok(Form::Csv),
            _ if places::is_special(path) => Ok(Form::Csv),
            other => {
                let found = other.map_or_else(
                    || "the name has no ending".to_owned(),
                    |ending| format!("the name ends in .{ending}"),
                );
                let path = path.to_path_buf();
                Err(DataError::OutputKind { path, expected: ".npy or .csv", found }.into())
            }
        }
    }
}
