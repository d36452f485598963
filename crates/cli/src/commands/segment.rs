//! `narrows segment`: the class of each pixel of pictures, as pictures with a legend.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, in_chunks};
use crate::{output, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::data::{ItemShape, Legend, picture_size, write_label_pictures};
use std::path::PathBuf;

/// Options of `narrows segment`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// The folder for a PNG of each picture's classes, palette numbers being those of the classes, and for legend.html and classes.csv
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Segments every picture.
///
/// # Errors
/// A model or data that cannot be read or do not go together; a model of another kind; a folder that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // A model of another kind is refused before its data are read.
    codec.segment(&[])?;
    let rows = options.rows.load(&codec.model().description, &[&options.out])?;
    let ItemShape::Image { height, width, .. } = rows.dataset.shape else {
        return Err(Failure::new("the rows are no pictures", "give a folder of pictures"));
    };
    let classes = in_chunks(&rows.dataset, |rows| codec.segment(rows))?;
    let legend = Legend::new(&codec.model().description.classes);
    // Maps lie on the pictures that they are of, whatever size these had to be brought to.
    let data = &options.rows.data;
    let pictures: Option<Vec<_>> = rows.dataset.names.as_ref().map(|names| {
        let file = |name: &String| if data.is_dir() { data.join(name) } else { data.clone() };
        // A name that is no text is not found again; such a map keeps its own size.
        let size = |name: &String| picture_size(&file(name)).unwrap_or((height, width));
        names.iter().map(|name| (name.clone(), size(name))).collect()
    });
    write_label_pictures(&options.out, &classes, (height, width), pictures.as_deref(), &legend)?;
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    let pictures = wording::of(rows.dataset.rows(), "picture", "pictures");
    let classes = wording::of(legend.classes().len(), "class", "classes");
    output::note(&format!(
        "{}: {pictures}, each pixel one of {classes}; legend.html and classes.csv say which colour is which",
        options.out.display()
    ));
    Ok(())
}
