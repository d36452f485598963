//! `narrows inpaint`: fills what is missing in pictures.

use crate::arguments::ComputeOptions;
use crate::failure::Failure;
use crate::model_rows::{RowOptions, written};
use crate::{output, places, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::apply::inpaint::{Mask, block, inpaint, quality};
use narrows::data::{Dataset, ItemShape, read_mask, write_rows};
use narrows::recipe::Corruption;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Options of `narrows inpaint`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    #[command(flatten)]
    rows: RowOptions,
    /// What is missing: a picture that is bright there, in the size of the model's pictures; a folder of such pictures by the
    /// pictures' names; or block:WxH for a block at a random place of each picture
    #[arg(long, value_name = "PATH|block:WxH")]
    mask: Missing,
    /// Where the filled pictures go: a name that ends in .npy, .csv or .png, or a folder
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Where the pictures go before they are filled, what is missing being grey
    #[arg(long, value_name = "PATH")]
    masked: Option<PathBuf>,
    /// The seed of where blocks lie
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    /// A block of this height and width.
    Block(usize, usize),
    /// What is bright in a picture, or in the pictures of a folder.
    Bright(PathBuf),
}

impl FromStr for Missing {
    type Err = String;

    fn from_str(text: &str) -> Result<Missing, String> {
        let Some(size) = text.strip_prefix("block:") else { return Ok(Missing::Bright(PathBuf::from(text))) };
        let sides =
            size.split_once('x').and_then(|(wide, tall)| Some((tall.parse().ok()?, wide.parse().ok()?)));
        let sides: Option<(usize, usize)> = sides;
        sides
            .filter(|(tall, wide)| *tall > 0 && *wide > 0)
            .map(|(tall, wide)| Missing::Block(tall, wide))
            .ok_or_else(|| format!("expected a width and a height such as block:8x8, found {text}"))
    }
}

/// Fills every picture, in order.
///
/// # Errors
/// A model or data that cannot be read or do not go together; masks of another size; pictures that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // A model of another kind is refused before its data are read.
    codec.expect_autoencoder("inpaint")?;
    let description = &codec.model().description;
    if let Missing::Bright(mask) = &options.mask {
        places::expect_apart(&[mask], &[&options.out])?;
    }
    let to: Vec<&Path> = std::iter::once(&options.out).chain(&options.masked).map(PathBuf::as_path).collect();
    let rows = options.rows.load(description, &to)?;
    let shape = &rows.dataset.shape;
    let masks = masks(&options.mask, &rows.dataset, options.seed)?;
    if let (Missing::Bright(path), false) = (&options.mask, masks.iter().flatten().any(|missing| *missing)) {
        return Err(Failure::new(
            format!(
                "{}: expected a mask, bright where pixels are missing, found none that is",
                path.display()
            ),
            "paint white what is missing, and the rest black",
        ));
    }
    let stored = rows.dataset.values.to_f32();
    let filled = inpaint(&codec, &stored, &masks)?;
    let written = written(description);
    let range = written.range;
    write_rows(&options.out, shape, &filled, written)?;
    if let Some(path) = &options.masked {
        let channels = shape.features() / shape.pixels();
        let middle = (range.0 + range.1) / 2.0;
        let missing = masks.iter().flatten().flat_map(|missing| std::iter::repeat_n(*missing, channels));
        let seen: Vec<f32> = stored
            .iter()
            .zip(missing)
            .map(|(value, missing)| if missing { middle } else { *value })
            .collect();
        write_rows(path, shape, &seen, written)?;
    }
    // Where pixels were taken away for the occasion, it is known what they were.
    let known = matches!(options.mask, Missing::Block(..));
    let figures = known.then(|| quality(&stored, &filled, &masks, shape, f64::from(range.1 - range.0)));
    let untrained = (description.recipe.train.corruption == Corruption::None)
        .then_some("this model was trained on whole pictures, not to fill in what is missing; recipe inpaint and train.corruption=block are");
    if options.json {
        return output::json(&json!({
            "model": options.model.to_string_lossy(),
            "pictures": masks.len(),
            "psnr": figures.map(|figures| figures[0]),
            "psnr_border_mean": figures.map(|figures| figures[1]),
            "notes": rows.notes.iter().map(String::as_str).chain(untrained).collect::<Vec<_>>(),
        }));
    }
    for note in rows.notes.iter().map(String::as_str).chain(untrained) {
        output::note(&format!("note: {note}"));
    }
    let count = wording::of(masks.len(), "picture", "pictures");
    output::note(&format!("{}: {count}, filled", options.out.display()));
    if let Some([own, border]) = figures {
        output::result(&format!(
            "PSNR of the missing pixels: {own:.2} dB; filled with the mean of their border: {border:.2} dB"
        ))?;
    }
    Ok(())
}

/// What is missing in each picture.
fn masks(missing: &Missing, dataset: &Dataset, seed: u64) -> Result<Vec<Mask>, Failure> {
    let rows = 0..dataset.rows();
    let shape = &dataset.shape;
    let &ItemShape::Image { height, width, .. } = shape else {
        return Err(Failure::new(
            format!("the rows are {}, no pictures", shape.describe()),
            "inpaint pictures, with a model of pictures",
        ));
    };
    match missing {
        Missing::Block(tall, wide) => {
            rows.map(|row| Ok(block(shape, (*tall, *wide), row as u32, seed)?)).collect()
        }
        Missing::Bright(path) if path.is_dir() => {
            let Some(names) = &dataset.names else {
                return Err(Failure::new(
                    format!("{}: the pictures have no names by which masks could be found", path.display()),
                    "give one mask for all, or pictures as files",
                ));
            };
            // In sub-folders as the pictures', or all in one.
            let of = |name: &String| {
                let (whole, last) = (Path::new(name), Path::new(name).file_name().unwrap_or_default());
                let places = [whole, Path::new(last)].map(|name| path.join(name).with_extension("png"));
                mask(if places[0].is_file() { &places[0] } else { &places[1] }, (height, width))
            };
            names.iter().map(of).collect()
        }
        Missing::Bright(path) => {
            let one = mask(path, (height, width))?;
            Ok(rows.map(|_| one.clone()).collect())
        }
    }
}

fn mask(path: &Path, size: (usize, usize)) -> Result<Mask, Failure> {
    Ok(read_mask(path, size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_by_width_and_height() {
        assert_eq!("block:8x6".parse(), Ok(Missing::Block(6, 8)));
        assert_eq!("a/mask.png".parse(), Ok(Missing::Bright(PathBuf::from("a/mask.png"))));
        for wrong in ["block:8", "block:0x3", "block:axb", "block:"] {
            assert!(wrong.parse::<Missing>().unwrap_err().contains("block:8x8"), "{wrong}");
        }
    }
}
