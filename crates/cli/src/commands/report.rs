//! `narrows report`: what a model learned, on one page.

use crate::arguments::{self, ComputeOptions};
use crate::failure::Failure;
use crate::judged_rows::{JudgedRows, Which};
use crate::{output, places};
use clap::Args;
use narrows::apply::{Codec, Evaluation, Rival};
use narrows::data::{Kind, write_bytes_atomically};
use narrows::report::{of_model, render, write_report};
use narrows::train::Compute;
use std::path::{Path, PathBuf};

/// Options of `narrows report`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    /// The data; a model of drawn digits draws them again
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Kind of the data, where the path does not tell: idx, pictures, npy, csv or text
    #[arg(long, value_name = "KIND", value_parser = arguments::kind)]
    kind: Option<Kind>,
    /// The page; MODEL.html beside the model if not said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Which picture is followed through the layers: its number among those that judge the model, from 0, or its file's name
    #[arg(long, value_name = "NUMBER|NAME")]
    picture: Option<String>,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Judges a model and writes its report.
///
/// # Errors
/// A model or data that cannot be read or do not go together; files that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let page = options.out.clone().unwrap_or_else(|| options.model.with_extension("html"));
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    places::expect_writable(&page)?;
    let description = &codec.model().description;
    let data: Vec<&Path> = options.data.iter().map(PathBuf::as_path).collect();
    places::expect_apart(&data, &[&page])?;
    let rows = JudgedRows::load(description, options.data.as_deref(), options.kind, Which::Test)?;
    let followed = options.picture.as_deref().map(|picture| followed(&codec, &rows, picture)).transpose()?;
    let evaluation = rows.evaluate(&codec, 0, &compute)?;
    write(&codec, &rows, (&evaluation, &[]), followed.unwrap_or(0), &compute, &page)?;
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    // A page that went to stdout is followed by nothing.
    if places::is_special(&page) { Ok(()) } else { output::result(&page.display().to_string()) }
}

/// The place of a picture among the rows that judge a model.
fn followed(codec: &Codec, rows: &JudgedRows, picture: &str) -> Result<usize, Failure> {
    if !codec.network().layers.iter().any(|layer| layer.window().is_some()) {
        let problem = "the model has no layers of maps that a picture could be followed through";
        return Err(Failure::new(problem, "leave --picture out"));
    }
    let names = rows.split.test_dataset(&rows.source).names.as_deref().unwrap_or_default();
    let count = rows.split.test.len();
    let name = |row: &u32| names.get(*row as usize).map_or("", String::as_str);
    let is_named = |place: &usize| Path::new(name(&rows.split.test[*place])).ends_with(picture);
    let named: Vec<usize> = (0..count).filter(|place| !picture.is_empty() && is_named(place)).collect();
    match (&named[..], picture.parse()) {
        ([place], _) => Ok(*place),
        ([first, second, ..], _) => {
            let [first, second] = [first, second].map(|place| name(&rows.split.test[*place]));
            let hint = format!("say {first} or {second}");
            Err(Failure::new(format!("several pictures are called `{picture}`"), hint))
        }
        ([], Ok(number)) if number < count => Ok(number),
        _ => {
            let hint = "give a number from 0 to one below that, or a picture's file name";
            Err(Failure::new(format!("no picture `{picture}` among the {count} that judge the model"), hint))
        }
    }
}

/// Writes the report of a model that has been judged on `rows`, beside its rivals, one of the rows being followed through the layers; tells
/// how many pictures stand beside it.
///
/// # Errors
/// Files that cannot be written.
pub fn write(
    codec: &Codec,
    rows: &JudgedRows,
    (evaluation, rivals): (&Evaluation, &[Rival]),
    followed: usize,
    compute: &Compute,
    page: &Path,
) -> Result<usize, Failure> {
    let input = of_model(codec, &rows.source, &rows.split, evaluation, rivals, followed, compute)?;
    if places::is_special(page) {
        let rendered = render(&input).map_err(narrows::Error::from)?;
        write_bytes_atomically(page, rendered.html.as_bytes())?;
        return Ok(0);
    }
    Ok(write_report(&input, page)?.pictures.len())
}
