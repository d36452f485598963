//! Folders of pictures: PNG and JPEG, sub-folders being labels, `train/` and `test/` being parts.
//!
//! Pictures are taken in the order of their names, so that the same folder is the same data on every machine.
//! Transparent pixels are laid on white; 16 bits a channel become 8 (`picture_file`).

use std::path::Path;

use super::Options;
use super::dataset::{Dataset, ItemShape, Values};
use super::decoding::{Reading, decode};
use super::error::DataError;
use super::folder::{self, Entry, Measured, Wanted, name_inside};
use super::label_maps;
use super::labels::Labels;
use super::patches::Cutter;
use super::picture_cache::store_all;
use super::picture_file::{self, Picture};
use super::resize::{luminance, recolour};
use super::source::{Source, chosen, patches_of};

const WANTED: Wanted =
    Wanted { endings: &["png", "jpg", "jpeg"], missing: |path| DataError::NoPictures { path } };

/// Pictures of one size keep it up to this many pixels; larger ones were not made to be learned from as they are.
const MOST_OWN_PIXELS: usize = 256 * 256;

/// The longest side of pictures that differ in size or are too large, where the recipe does not say one.
const DEFAULT_SIDE: usize = 64;

/// Proportions that differ by more than this are told of.
const SQUEEZED: f64 = 0.05;

/// Loads a folder of pictures, or a single one. Pictures that cannot be read are left out and told of, unless none is left.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let of_maps = options.maps.as_ref().map(|maps| maps.suffix.as_str());
    let (train, test) = folder::parts(path, &WANTED, of_maps, &mut notes)?;
    let pictures = [train.len(), test.as_ref().map_or(0, Vec::len)];
    let train = limited(train, options.rows, options.seed, 0);
    let test = test.map(|test| limited(test, options.test_rows, options.seed, 1));
    let mut reading = Reading::default();
    let mut train = reading.measured(path, train);
    let mut test = test.map(|test| reading.measured(path, test));
    if let Some(failure) = reading.first.take_if(|_| train.is_empty()) {
        return Err(failure);
    }
    test = test.filter(|test| !test.is_empty());
    let size = match options.image_size {
        Some((height, width)) if height > 0 && width > 0 => (height, width),
        _ => common_size(train.iter().chain(test.iter().flatten()).map(|(_, size)| *size), &mut notes)?,
    };
    tell_resized(train.iter().chain(test.iter().flatten()).map(|(_, own)| *own), size, &mut notes);
    let all = (train.len() + test.as_ref().map_or(0, Vec::len)) as u64;
    // Where every file is grey, or is to be, no colours are kept.
    let coloured = options.colour.unwrap_or(reading.coloured);
    let channels = if coloured { 3 } else { 1 };
    let bytes = all.saturating_mul((size.0 * size.1) as u64).saturating_mul(channels);
    let cache =
        options.cache.as_ref().filter(|cache| bytes > cache.most_in_memory && options.patch.is_none());
    let mut part = 0;
    let mut read = |entries: &mut Vec<Measured>| -> Result<Dataset, DataError> {
        part += 1;
        let mut dataset = match cache {
            None => read_all(path, entries, (size, coloured), &mut reading)?,
            Some(cache) => {
                let mut file = cache.path.clone().into_os_string();
                file.push(if part == 1 { "" } else { ".test" });
                store_all(path, entries, (size, coloured), &mut reading, Path::new(&file))?
            }
        };
        if let (Some(options), Some((first, _))) = (&options.maps, entries.first()) {
            let parts = ["train", "training", "test", "testing"].map(|name| path.join(name));
            let folder =
                parts.into_iter().find(|part| first.path.starts_with(part)).unwrap_or(path.to_path_buf());
            label_maps::expect_as_many(&folder, options, pictures[part - 1])?;
            label_maps::attach(&mut dataset, &folder, entries, options, size)?;
        }
        Ok(dataset)
    };
    let mut train = read(&mut train)?;
    let mut test = test.as_mut().map(read).transpose()?;
    if let (Some(own), Some(other)) = (&mut train.maps, test.as_mut().and_then(|test| test.maps.as_mut())) {
        // Both parts have the classes of that which shows more.
        let names = if own.names.len() >= other.names.len() { &own.names } else { &other.names }.clone();
        (own.names, other.names) = (names.clone(), names);
    }
    let grey = |part: &Dataset| matches!(&part.values, Values::U8(v) if v.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    let colour = coloured && (options.colour.is_some() || !(grey(&train) && test.as_ref().is_none_or(grey)));
    if let Some(cache) = cache {
        notes.push(format!(
            "the pictures take {} MB, more than the {} MB of data.in_memory: they were decoded into {}",
            bytes / 1_000_000,
            cache.most_in_memory / 1_000_000,
            cache.path.display()
        ));
    } else if coloured && !colour {
        for part in std::iter::once(&mut train).chain(&mut test) {
            part.values = recolour(&part.values, 1);
            part.shape = ItemShape::Image { height: size.0, width: size.1, channels: 1 };
        }
    }
    if options.colour == Some(false) {
        reading.tell_colours(&mut notes);
    }
    reading.tell(colour, &mut notes);
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Patches of the pictures in a folder, each in its own size; colours are kept.
pub(super) fn load_patches(
    path: &Path,
    size: (usize, usize),
    options: &Options,
) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (train, test) = folder::parts(path, &WANTED, None, &mut notes)?;
    let [cutter, of_test] = patches_of(size, options);
    let mut reading = Reading::default();
    let mut read = |entries: &[Entry], cutter: Cutter| -> Result<Dataset, DataError> {
        let mut values = Vec::new();
        for (number, entry) in entries.iter().enumerate().take(cutter.count) {
            let (pixels, (height, width)) = match picture_file::read(&entry.path) {
                Ok(picture) => {
                    reading.count(picture.adapted);
                    (picture.pixels, picture.size)
                }
                Err(failure) => {
                    reading.add(path, entry, failure);
                    continue;
                }
            };
            let name = entry.path.display().to_string();
            cutter.cut(&pixels, (height, width, 3), (number, entries.len()), &name, &mut values)?;
        }
        let shape = ItemShape::Image { height: size.0, width: size.1, channels: 3 };
        Ok(Dataset { shape, values: Values::U8(values), labels: None, maps: None, names: None })
    };
    let train = read(&train, cutter)?;
    let test = test.map(|test| read(&test, of_test)).transpose()?;
    if let Some(failure) = reading.first.take_if(|_| reading.all == 0) {
        return Err(failure);
    }
    reading.tell(true, &mut notes);
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Which pixels of a picture are bright, above half, or 1 where there is nothing but 0 and 1: a mask. Masks are of the size that is asked for.
///
/// # Errors
/// A picture that cannot be read, or of another size.
pub fn read_mask(path: &Path, (height, width): (usize, usize)) -> Result<Vec<bool>, DataError> {
    let Picture { pixels, size, .. } = picture_file::read(super::existing(path)?)?;
    if size != (height, width) {
        return Err(DataError::MaskSize { path: path.to_path_buf(), expected: (height, width), found: size });
    }
    let dark = if pixels.iter().all(|value| *value <= 1) { 0 } else { 382 };
    Ok(pixels
        .chunks_exact(3)
        .map(|pixel| pixel.iter().map(|value| u32::from(*value)).sum::<u32>() > dark)
        .collect())
}

/// Height and width of a picture, the way up that its EXIF data say.
///
/// # Errors
/// A file that cannot be read.
pub fn picture_size(path: &Path) -> Result<(usize, usize), DataError> {
    Ok(picture_file::size(path)?.0)
}

/// Whether there is a picture in the folder, at any depth.
pub(super) fn any_in(folder: &Path) -> Result<bool, DataError> {
    folder::any_in(folder, &WANTED)
}

/// The size that all pictures are brought to: their own, if they share one that is not too large.
fn common_size(
    sizes: impl Iterator<Item = (usize, usize)>,
    notes: &mut Vec<String>,
) -> Result<(usize, usize), DataError> {
    let sizes: Vec<(usize, usize)> = sizes.collect();
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
        "the pictures {why}: {height}x{width} is small enough to learn from quickly; data.size asks for another size"
    ));
    Ok((height, width))
}

/// Tells how many pictures are brought to another size, and how many of them to other proportions.
fn tell_resized(
    sizes: impl Iterator<Item = (usize, usize)>,
    (height, width): (usize, usize),
    notes: &mut Vec<String>,
) {
    let (mut all, mut resized, mut squeezed) = (0, 0, 0);
    for own in sizes {
        all += 1;
        resized += usize::from(own != (height, width));
        // A rounded side is no other proportion.
        let [exact, rounded] = [own.0 as f64 * width as f64, own.1 as f64 * height as f64];
        let apart = (exact - rounded).abs() > SQUEEZED * exact.min(rounded) + 0.5 * (own.0 + own.1) as f64;
        squeezed += usize::from(apart);
    }
    if resized > 0 {
        let verb = if resized == 1 { "was" } else { "were" };
        let lost = if squeezed > 0 {
            format!(", {squeezed} of them squeezed out of proportion")
        } else {
            String::new()
        };
        notes.push(format!("{resized} of {all} pictures {verb} resized to {height}x{width}{lost}"));
    }
}

/// Reads all pictures, resized and in colour or grey, and leaves out of `entries` those that cannot be read. Names are paths inside `root`.
fn read_all(
    root: &Path,
    entries: &mut Vec<Measured>,
    ((height, width), coloured): ((usize, usize), bool),
    reading: &mut Reading,
) -> Result<Dataset, DataError> {
    let channels = if coloured { 3 } else { 1 };
    let features = height * width * channels;
    let bytes = (entries.len() as u64).saturating_mul(features as u64);
    let too_large = |_| DataError::TooLarge { name: "pictures".to_string(), bytes };
    let mut values = Vec::new();
    values.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(too_large)?;
    let mut kept = Vec::with_capacity(entries.len());
    let all = std::mem::take(entries);
    decode(root, &all, (height, width), reading, |pixels| {
        kept.push(pixels.is_some());
        let pixels = pixels.unwrap_or_default();
        if coloured {
            values.extend_from_slice(pixels);
        } else {
            values.extend(luminance(pixels));
        }
        Ok(())
    })?;
    *entries = all.into_iter().zip(kept).filter_map(|(entry, kept)| kept.then_some(entry)).collect();
    if let Some(failure) = reading.first.take_if(|_| entries.is_empty()) {
        return Err(failure);
    }
    let labels: Option<Vec<&str>> = entries.iter().map(|(entry, _)| entry.label.as_deref()).collect();
    Ok(Dataset {
        shape: ItemShape::Image { height, width, channels },
        values: Values::U8(values),
        labels: labels.map(|labels| Labels::from_texts(&labels)),
        maps: None,
        names: Some(entries.iter().map(|(entry, _)| name_inside(root, &entry.path)).collect()),
    })
}

/// No more files than asked for: a random choice by seed, as of other rows.
fn limited(entries: Vec<Entry>, most: Option<usize>, seed: u64, part: u32) -> Vec<Entry> {
    let Some(rows) = chosen(entries.len(), most, seed, part) else { return entries };
    let numbered = (0u32..).zip(entries);
    numbered.filter(|(number, _)| rows.binary_search(number).is_ok()).map(|(_, entry)| entry).collect()
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
