//! `narrows classify`: the class of each row.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, in_chunks};
use crate::{output, places, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::apply::evaluate::largest;
use narrows::data::{DataError, write_bytes_atomically};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Options of `narrows classify`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// Where the classes go: a CSV file with row (from 1), name (of a picture or text), class and confidence; printed if not said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object, with the confidence in every class
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Classifies every row, in order.
///
/// # Errors
/// A model or data that cannot be read or do not go together; an autoencoder; a file that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    if let Some(path) = &options.out {
        expect_csv(path)?;
    }
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // An autoencoder is refused before its data are read.
    codec.classify(&[])?;
    let to: Vec<&Path> = options.out.iter().map(PathBuf::as_path).collect();
    let rows = options.rows.load(&codec.model().description, &to)?;
    let confidences = in_chunks(&rows.dataset, |rows| codec.classify(rows))?;
    let classes = &codec.model().description.classes;
    let told: Vec<&[f32]> = confidences.chunks_exact(classes.len()).collect();
    let names = rows.dataset.names.as_deref();
    let table = as_csv(classes, names, &told);
    if let Some(path) = &options.out {
        write_bytes_atomically(path, table.as_bytes())?;
    }
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    if options.json {
        return output::json(&json!({
            "model": options.model.to_string_lossy(),
            "rows": told.len(),
            "names": names,
            "classes": classes,
            "class": told.iter().map(|row| &classes[largest(row)]).collect::<Vec<_>>(),
            "confidences": told,
            "notes": rows.notes,
        }));
    }
    match &options.out {
        None => output::result(table.trim_end())?,
        Some(path) => output::note(&format!(
            "{}: the classes of {}",
            path.display(),
            wording::of(told.len(), "row", "rows")
        )),
    }
    Ok(())
}

/// Row number, name where rows have one, class and confidence in it, a line each.
fn as_csv(classes: &[String], names: Option<&[String]>, told: &[&[f32]]) -> String {
    let mut text =
        String::from(if names.is_some() { "row,name,class,confidence\n" } else { "row,class,confidence\n" });
    for (row, confidences) in told.iter().enumerate() {
        let class = largest(confidences);
        let name = names.map(|names| format!("{},", quoted(&names[row]))).unwrap_or_default();
        text.push_str(&format!("{},{name}{},{:?}\n", row + 1, quoted(&classes[class]), confidences[class]));
    }
    text
}

/// A CSV cell.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn expect_csv(path: &Path) -> Result<(), Failure> {
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if is_csv || places::is_special(path) {
        return Ok(());
    }
    let found = "the classes are written as a table".to_owned();
    Err(DataError::OutputKind { path: path.to_path_buf(), expected: ".csv", found }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_quoted_where_they_must_be() {
        let classes = ["a,b".to_owned(), "say \"c\"".to_owned()];
        let text = as_csv(&classes, None, &[&[0.75, 0.25], &[0.5, 0.5], &[0.0, 1.0]]);
        assert_eq!(text, "row,class,confidence\n1,\"a,b\",0.75\n2,\"a,b\",0.5\n3,\"say \"\"c\"\"\",1.0\n");
        let names = ["3/a.png".to_owned()];
        let named = as_csv(&classes, Some(&names), &[&[0.75, 0.25]]);
        assert_eq!(named, "row,name,class,confidence\n1,3/a.png,\"a,b\",0.75\n");
    }
}
