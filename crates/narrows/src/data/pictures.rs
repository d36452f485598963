//! Folders of pictures: PNG and JPEG, sub-folders being labels, `train/` and `test/` being parts.
//!
//! Pictures are taken in the order of their names, so that the same folder is the same data on every machine.
//! Transparent pixels are laid on white; 16 bits a channel become 8 (`picture_file`).

use std::path::Path;

use super::Options;
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::folder::{self, Entry, Wanted, name_inside};
use super::labels::Labels;
use super::patches::Cutter;
use super::picture_file;
use super::resize::{Resizer, recolour};
use super::source::{Source, patches_of};

const WANTED: Wanted =
    Wanted { endings: &["png", "jpg", "jpeg"], missing: |path| DataError::NoPictures { path } };

/// Pictures of one size keep it up to this many pixels; larger ones were not made to be learned from as they are.
const MOST_OWN_PIXELS: usize = 256 * 256;

/// The longest side of pictures that differ in size or are too large, where the recipe does not say one.
const DEFAULT_SIDE: usize = 32;

/// Loads a folder of pictures, or a single one.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (train, test) = folder::parts(path, &WANTED, &mut notes)?;
    let size = match options.image_size {
        Some((height, width)) if height > 0 && width > 0 => (height, width),
        _ => common_size(train.iter().chain(test.iter().flatten()), &mut notes)?,
    };
    let mut train = read_all(path, &train, size)?;
    let mut test = test.map(|test| read_all(path, &test, size)).transpose()?;
    let grey = |part: &Dataset| matches!(&part.values, Values::U8(v) if v.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    let colour = options.colour.unwrap_or_else(|| !(grey(&train) && test.as_ref().is_none_or(grey)));
    if !colour {
        for part in std::iter::once(&mut train).chain(&mut test) {
            part.values = recolour(&part.values, 1);
            part.shape = ItemShape::Image { height: size.0, width: size.1, channels: 1 };
        }
    }
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Patches of the pictures in a folder, each in its own size; colours are kept.
pub(super) fn load_patches(
    path: &Path,
    size: (usize, usize),
    options: &Options,
) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (train, test) = folder::parts(path, &WANTED, &mut notes)?;
    let [cutter, of_test] = patches_of(size, options);
    let read = |entries: &[Entry], cutter: Cutter| -> Result<Dataset, DataError> {
        let mut values = Vec::new();
        for (number, entry) in entries.iter().enumerate().take(cutter.count) {
            let (pixels, (height, width)) = picture_file::read(&entry.path)?;
            let name = entry.path.display().to_string();
            cutter.cut(&pixels, (height, width, 3), (number, entries.len()), &name, &mut values)?;
        }
        let shape = ItemShape::Image { height: size.0, width: size.1, channels: 3 };
        Ok(Dataset { shape, values: Values::U8(values), labels: None, names: None })
    };
    let train = read(&train, cutter)?;
    let test = test.map(|test| read(&test, of_test)).transpose()?;
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Whether there is a picture in the folder, at any depth.
pub(super) fn any_in(folder: &Path) -> Result<bool, DataError> {
    folder::any_in(folder, &WANTED)
}

/// The size that all pictures are brought to: their own, if they share one that is not too large.
fn common_size<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    notes: &mut Vec<String>,
) -> Result<(usize, usize), DataError> {
    let mut sizes = Vec::new();
    for entry in entries {
        sizes.push(picture_file::size(&entry.path)?);
    }
    let first = sizes[0];
    let equal = sizes.iter().all(|&size| size == first);
    if equal && first.0 * first.1 <= MOST_OWN_PIXELS {
        return Ok(first);
    }
    // The middle shape keeps most pictures close to their proportions.
    let mut shapes: Vec<f64> = sizes.iter().map(|&(height, width)| height as f64 / width as f64).collect();
    shapes.sort_by(f64::total_cmp);
    let shape = shapes[shapes.len() / 2];
    let longest = sizes.iter().map(|&(height, width)| height.max(width)).max().unwrap_or(1).min(DEFAULT_SIDE);
    let side = |share: f64| ((longest as f64 * share.min(1.0)).round() as usize).max(1);
    let (height, width) = (side(shape), side(1.0 / shape));
    let why = if equal { format!("are {}x{}", first.0, first.1) } else { "differ in size".to_string() };
    notes.push(format!(
        "the pictures {why} and were resized to {height}x{width}; data.size asks for another size"
    ));
    Ok((height, width))
}

/// Reads all pictures as colour, resized. Their names are their paths inside `root`.
fn read_all(root: &Path, entries: &[Entry], (height, width): (usize, usize)) -> Result<Dataset, DataError> {
    let features = height * width * 3;
    let bytes = (entries.len() as u64).saturating_mul(features as u64);
    let too_large = |_| DataError::TooLarge { name: "pictures".to_string(), bytes };
    let mut values = Vec::new();
    values.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(too_large)?;
    let mut resized = vec![0f32; features];
    for entry in entries {
        let (pixels, from) = picture_file::read(&entry.path)?;
        if from == (height, width) {
            values.extend_from_slice(&pixels);
        } else {
            Resizer::new((from.0, from.1, 3), (height, width)).resize(&pixels, &mut resized);
            values.extend(resized.iter().map(|value| value.round() as u8));
        }
    }
    let labels: Option<Vec<&str>> = entries.iter().map(|entry| entry.label.as_deref()).collect();
    Ok(Dataset {
        shape: ItemShape::Image { height, width, channels: 3 },
        values: Values::U8(values),
        labels: labels.map(|labels| Labels::from_texts(&labels)),
        names: Some(entries.iter().map(|entry| name_inside(root, &entry.path)).collect()),
    })
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
