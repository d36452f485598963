//! `narrows denoise`: corrupted rows in, clean rows out.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, in_chunks, written};
use crate::{output, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::apply::family::Denoiser;
use narrows::data::write_rows;
use narrows::recipe::Corruption;
use std::path::{Path, PathBuf};

/// Options of `narrows denoise`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// Where the cleaned rows go: a name that ends in .npy, .csv or .png, or a folder for pictures
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Corrupt the rows first, as in training, and leave them here: to see what the model does with clean data
    #[arg(long, value_name = "PATH")]
    corrupt: Option<PathBuf>,
    /// The seed of that corruption
    #[arg(long, value_name = "N", default_value_t = 1, requires = "corrupt")]
    seed: u64,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Cleans every row, in order and in the scale it came in (counts of words come back as weights).
///
/// # Errors
/// A model or data that cannot be read, do not go together, or rows that cannot be written; corruption asked of a model that
/// was trained without.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // A classifier is refused before its data are read.
    codec.expect_autoencoder("denoise")?;
    let description = &codec.model().description;
    let corruption = description.recipe.train.corruption;
    if options.corrupt.is_some() && corruption == Corruption::None {
        return Err(Failure::new(
            format!("--corrupt: {} was trained on clean rows", options.model.display()),
            "leave --corrupt out, or train with --set train.corruption=masking",
        ));
    }
    let to: Vec<&Path> =
        std::iter::once(&options.out).chain(&options.corrupt).map(PathBuf::as_path).collect();
    let rows = options.rows.load(description, &to)?;
    let (shape, written) = (&rows.dataset.shape, written(description));
    let cleaned = match &options.corrupt {
        None => in_chunks(&rows.dataset, |rows| codec.reconstruct(rows))?,
        Some(path) => {
            let mut denoiser = Denoiser::new(&codec, corruption)?;
            let mut corrupted = Vec::new();
            let mut first = 0;
            let cleaned = in_chunks(&rows.dataset, |rows| {
                let last = first + (rows.len() / codec.features()) as u32;
                let ids: Vec<u32> = (first..last).collect();
                first = last;
                let [before, after] = denoiser.run(rows, &ids, options.seed)?;
                corrupted.extend(before);
                Ok(after)
            })?;
            description.preparation.restore(&mut corrupted);
            write_rows(path, shape, &corrupted, written)?;
            let mut cleaned = cleaned;
            description.preparation.restore(&mut cleaned);
            cleaned
        }
    };
    write_rows(&options.out, shape, &cleaned, written)?;
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    if corruption == Corruption::None {
        output::note("note: this model was trained on clean rows; it keeps what its code can hold");
    }
    let count = wording::of(rows.dataset.rows(), "row", "rows");
    output::note(&format!("{}: {count}, cleaned", options.out.display()));
    Ok(())
}
