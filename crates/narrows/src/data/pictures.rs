//! Folders of pictures: PNG and JPEG, sub-folders being labels, `train/` and `test/` being parts.
//!
//! Pictures are taken in the order of their names, so that the same folder is the same data on every machine.
//! Transparent pixels are laid on white; 16 bits a channel become 8 (`picture_file`).

use std::fs;
use std::path::{Path, PathBuf};

use super::Options;
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::labels::Labels;
use super::patches::Cutter;
use super::picture_file;
use super::resize::{Resizer, recolour};
use super::source::{Source, patches_of};

/// Sub-folders deeper than this are a loop of links, not somebody's pictures.
const MOST_DEPTH: usize = 12;

/// Pictures of one size keep it up to this many pixels; larger ones were not made to be learned from as they are.
const MOST_OWN_PIXELS: usize = 256 * 256;

/// The longest side of pictures that differ in size or are too large, where the recipe does not say one.
const DEFAULT_SIDE: usize = 32;

/// A picture to read, and the sub-folder that it lies in.
struct Entry {
    path: PathBuf,
    label: Option<String>,
}

/// Loads a folder of pictures, or a single one.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (train, test) = match path.is_dir() {
        false => (vec![Entry { path: path.to_path_buf(), label: None }], None),
        true => parts(path, &mut notes)?,
    };
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
    let (train, test) = match path.is_dir() {
        false => (vec![Entry { path: path.to_path_buf(), label: None }], None),
        true => parts(path, &mut notes)?,
    };
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
    let mut found = Vec::new();
    collect(folder, 0, &mut found)?;
    Ok(!found.is_empty())
}

/// Whether the name is one of a picture. Hidden files, such as those that macOS leaves, are none.
fn is_picture_name(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// What a folder contains, by name: sub-folders, pictures.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_path_buf(), source };
    let (mut folders, mut pictures) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        } else if is_picture_name(&path) {
            pictures.push(path);
        }
    }
    folders.sort();
    pictures.sort();
    Ok((folders, pictures))
}

/// All pictures in a folder and its sub-folders.
fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    if depth > MOST_DEPTH {
        let source = std::io::Error::other(format!("sub-folders are nested more than {MOST_DEPTH} deep"));
        return Err(DataError::Unreadable { path: folder.to_path_buf(), source });
    }
    let (folders, pictures) = list(folder)?;
    found.extend(pictures);
    folders.iter().try_for_each(|folder| collect(folder, depth + 1, found))
}

/// The parts of a folder: `train/` and `test/` if it has the first, else the whole.
fn parts(folder: &Path, notes: &mut Vec<String>) -> Result<(Vec<Entry>, Option<Vec<Entry>>), DataError> {
    let (folders, _) = list(folder)?;
    let named = |names: [&str; 2]| folders.iter().find(|f| names.iter().any(|name| f.ends_with(name)));
    let Some(train) = named(["train", "training"]) else { return Ok((entries(folder)?, None)) };
    let test = named(["test", "testing"]);
    let others: Vec<String> = folders
        .iter()
        .filter(|folder| *folder != train && Some(*folder) != test)
        .filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()))
        .collect();
    if !others.is_empty() {
        notes.push(format!("of the sub-folders train and test are used; not used: {}", others.join(", ")));
    }
    Ok((entries(train)?, test.map(|test| entries(test)).transpose()?))
}

/// The pictures of one part; if all lie in sub-folders, these are their labels.
fn entries(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let (folders, pictures) = list(folder)?;
    let labelled = pictures.is_empty();
    let mut entries: Vec<Entry> = pictures.into_iter().map(|path| Entry { path, label: None }).collect();
    for sub in folders {
        let mut found = Vec::new();
        collect(&sub, 1, &mut found)?;
        let name = sub.file_name().map(|name| name.to_string_lossy().into_owned());
        entries
            .extend(found.into_iter().map(|path| Entry { path, label: name.clone().filter(|_| labelled) }));
    }
    if entries.is_empty() {
        return Err(DataError::NoPictures { path: folder.to_path_buf() });
    }
    Ok(entries)
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

/// A picture's path inside the folder, with `/` on every system; the name of a picture given by itself.
fn name_inside(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).ok().filter(|inside| !inside.as_os_str().is_empty());
    let parts = inside.unwrap_or(Path::new(path.file_name().unwrap_or_default())).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/")
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
