//! Folders of pictures: PNG and JPEG, sub-folders being labels, `train/` and `test/` being parts.
//!
//! Pictures are taken in the order of their names, so that the same folder is the same data on every machine.
//! Transparent pixels are laid on white; 16 bits a channel become 8 (`picture_file`).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::Options;
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::folder::{self, Entry, Measured, Wanted, name_inside};
use super::label_maps;
use super::labels::Labels;
use super::patches::Cutter;
use super::picture_file::{self, Adapted, Picture};
use super::resize::{Resizer, recolour};
use super::source::{Source, chosen, patches_of};
use super::stored::{StoredRows, StoredWriter};

const WANTED: Wanted =
    Wanted { endings: &["png", "jpg", "jpeg"], missing: |path| DataError::NoPictures { path } };

/// Pictures of one size keep it up to this many pixels; larger ones were not made to be learned from as they are.
const MOST_OWN_PIXELS: usize = 256 * 256;

/// The longest side of pictures that differ in size or are too large, where the recipe does not say one.
const DEFAULT_SIDE: usize = 32;

/// Loads a folder of pictures, or a single one. Pictures that cannot be read are left out and told of, unless none is left.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let of_maps = options.maps.as_ref().map(|maps| maps.suffix.as_str());
    let (train, test) = folder::parts(path, &WANTED, of_maps, &mut notes)?;
    let pictures = [train.len(), test.as_ref().map_or(0, Vec::len)];
    let train = limited(train, options.rows, options.seed, 0);
    let test = test.map(|test| limited(test, options.test_rows, options.seed, 1));
    let mut failures = Failures::default();
    let mut train = failures.measured(path, train);
    let mut test = test.map(|test| failures.measured(path, test));
    if let Some(failure) = failures.first.take_if(|_| train.is_empty()) {
        return Err(failure);
    }
    test = test.filter(|test| !test.is_empty());
    let size = match options.image_size {
        Some((height, width)) if height > 0 && width > 0 => (height, width),
        _ => common_size(train.iter().chain(test.iter().flatten()).map(|(_, size)| *size), &mut notes)?,
    };
    let all = (train.len() + test.as_ref().map_or(0, Vec::len)) as u64;
    let bytes = all.saturating_mul((size.0 * size.1) as u64).saturating_mul(3);
    let cache =
        options.cache.as_ref().filter(|cache| bytes > cache.most_in_memory && options.patch.is_none());
    let mut part = 0;
    let mut read = |entries: &mut Vec<Measured>| -> Result<Dataset, DataError> {
        part += 1;
        let mut dataset = match cache {
            None => read_all(path, entries, size, &mut failures)?,
            Some(cache) => {
                let mut file = cache.path.clone().into_os_string();
                file.push(if part == 1 { "" } else { ".test" });
                let colour = options.colour.unwrap_or(failures.coloured);
                store_all(path, entries, (size, colour), &mut failures, Path::new(&file))?
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
    let colour = options.colour.unwrap_or_else(|| !(grey(&train) && test.as_ref().is_none_or(grey)));
    if let Some(cache) = cache {
        notes.push(format!(
            "the pictures take {} MB, more than the {} MB of data.in_memory: they were decoded into {}",
            bytes / 1_000_000,
            cache.most_in_memory / 1_000_000,
            cache.path.display()
        ));
    } else if !colour {
        for part in std::iter::once(&mut train).chain(&mut test) {
            part.values = recolour(&part.values, 1);
            part.shape = ItemShape::Image { height: size.0, width: size.1, channels: 1 };
        }
    }
    failures.tell(colour, &mut notes);
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Pictures that could not be read, and what was done to others.
#[derive(Default)]
struct Failures {
    first: Option<DataError>,
    names: Vec<String>,
    /// Whether any is stored in colours.
    coloured: bool,
    all: usize,
    turned: usize,
    transparent: usize,
    deep: usize,
    grey: usize,
}

/// Names that are told of pictures that cannot be read.
const MOST_NAMES: usize = 3;

impl Failures {
    fn add(&mut self, root: &Path, entry: &Entry, failure: DataError) {
        self.names.push(name_inside(root, &entry.path));
        self.first.get_or_insert(failure);
    }

    fn count(&mut self, adapted: Adapted) {
        let Adapted { turned, transparent, deep, grey } = adapted;
        self.all += 1;
        let counts = [
            (&mut self.turned, turned),
            (&mut self.transparent, transparent),
            (&mut self.deep, deep),
            (&mut self.grey, grey),
        ];
        counts.into_iter().for_each(|(count, is)| *count += usize::from(is));
    }

    /// The entries whose headers can be read, with height and width.
    fn measured(&mut self, root: &Path, entries: Vec<Entry>) -> Vec<Measured> {
        let sizes = in_parallel(entries.len(), |number| picture_file::size(&entries[number].path));
        let mut measured = Vec::new();
        for (entry, size) in entries.into_iter().zip(sizes) {
            match size {
                Ok((size, grey)) => {
                    self.coloured |= !grey;
                    measured.push((entry, size));
                }
                Err(failure) => self.add(root, &entry, failure),
            }
        }
        measured
    }

    fn tell(&mut self, colour: bool, notes: &mut Vec<String>) {
        let found = self.all + self.names.len();
        if !self.names.is_empty() {
            self.names.sort();
            let named = self.names[..self.names.len().min(MOST_NAMES)].join(", ");
            let more = if self.names.len() > MOST_NAMES { ", …" } else { "" };
            let reason = self.first.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default();
            notes.push(format!(
                "{} of {found} pictures could not be read and were left out: {named}{more}{reason}",
                self.names.len()
            ));
        }
        let mixed = self.grey > 0 && self.grey < self.all && colour;
        for (count, what) in [
            (self.turned, "turned the right way up, as their EXIF data say"),
            (self.transparent, "laid on white where they are transparent"),
            (self.deep, "brought from 16 bits a colour to 8"),
            (if mixed { self.grey } else { 0 }, "grey, and read as colour like the others"),
        ] {
            if count > 0 {
                let verb = if count == 1 { "was" } else { "were" };
                notes.push(format!("{count} of {found} pictures {verb} {what}"));
            }
        }
    }
}

/// The results of work on so many pictures, in order; each is done by one of the machine's threads.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let next = AtomicUsize::new(0);
    let taken = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return own;
            }
            own.push((number, work(number)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(taken)).collect();
        let mut all = taken();
        all.extend(threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(own) => own,
            Err(panic) => std::panic::resume_unwind(panic),
        }));
        all
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
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
    let mut failures = Failures::default();
    let mut read = |entries: &[Entry], cutter: Cutter| -> Result<Dataset, DataError> {
        let mut values = Vec::new();
        for (number, entry) in entries.iter().enumerate().take(cutter.count) {
            let (pixels, (height, width)) = match picture_file::read(&entry.path) {
                Ok(picture) => {
                    failures.count(picture.adapted);
                    (picture.pixels, picture.size)
                }
                Err(failure) => {
                    failures.add(path, entry, failure);
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
    if let Some(failure) = failures.first.take_if(|_| failures.all == 0) {
        return Err(failure);
    }
    failures.tell(true, &mut notes);
    Ok(Source { name: "pictures".to_string(), train, test, notes })
}

/// Which pixels of a picture are bright, above half: a mask. Masks are of the size that is asked for.
///
/// # Errors
/// A picture that cannot be read, or of another size.
pub fn read_mask(path: &Path, (height, width): (usize, usize)) -> Result<Vec<bool>, DataError> {
    let Picture { pixels, size, .. } = picture_file::read(super::existing(path)?)?;
    if size != (height, width) {
        return Err(DataError::MaskSize { path: path.to_path_buf(), expected: (height, width), found: size });
    }
    Ok(pixels
        .chunks_exact(3)
        .map(|pixel| pixel.iter().map(|value| u32::from(*value)).sum::<u32>() > 382)
        .collect())
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
        "the pictures {why} and were resized to {height}x{width}; data.size asks for another size"
    ));
    Ok((height, width))
}

/// Pictures that are decoded before any of them is resized into place.
const DECODED_TOGETHER: usize = 256;

/// Reads all pictures as colour, resized, and leaves out of `entries` those that cannot be read. Names are paths inside `root`.
fn read_all(
    root: &Path,
    entries: &mut Vec<Measured>,
    (height, width): (usize, usize),
    failures: &mut Failures,
) -> Result<Dataset, DataError> {
    let features = height * width * 3;
    let bytes = (entries.len() as u64).saturating_mul(features as u64);
    let too_large = |_| DataError::TooLarge { name: "pictures".to_string(), bytes };
    let mut values = Vec::new();
    values.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(too_large)?;
    let mut kept = Vec::with_capacity(entries.len());
    let all = std::mem::take(entries);
    decode(root, &all, (height, width), failures, |pixels| {
        kept.push(pixels.is_some());
        values.extend_from_slice(pixels.unwrap_or_default());
        Ok(())
    })?;
    *entries = all.into_iter().zip(kept).filter_map(|(entry, kept)| kept.then_some(entry)).collect();
    if let (Some(failure), true) = (failures.first.take_if(|_| entries.is_empty()), entries.is_empty()) {
        return Err(failure);
    }
    let labels: Option<Vec<&str>> = entries.iter().map(|(entry, _)| entry.label.as_deref()).collect();
    Ok(Dataset {
        shape: ItemShape::Image { height, width, channels: 3 },
        values: Values::U8(values),
        labels: labels.map(|labels| Labels::from_texts(&labels)),
        maps: None,
        names: Some(entries.iter().map(|(entry, _)| name_inside(root, &entry.path)).collect()),
    })
}

/// Decodes pictures in order, some ahead of each other on all threads, and hands on each one's pixels, or nothing where it cannot be read.
fn decode(
    root: &Path,
    all: &[Measured],
    size: (usize, usize),
    failures: &mut Failures,
    mut take: impl FnMut(Option<&[u8]>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    for chunk in all.chunks(DECODED_TOGETHER) {
        let decoded = in_parallel(chunk.len(), |number| {
            let picture = picture_file::read(&chunk[number].0.path)?;
            Ok((resized(picture.pixels, picture.size, size), picture.adapted))
        });
        for ((entry, _), picture) in chunk.iter().zip(decoded) {
            match picture {
                Ok((pixels, adapted)) => {
                    failures.count(adapted);
                    take(Some(&pixels))?;
                }
                Err(failure) => {
                    failures.add(root, entry, failure);
                    take(None)?;
                }
            }
        }
    }
    Ok(())
}

/// Decodes all pictures into a file, or takes them from there where they have been decoded before, and leaves out of `entries` those that
/// cannot be read.
fn store_all(
    root: &Path,
    entries: &mut Vec<Measured>,
    (size, colour): ((usize, usize), bool),
    failures: &mut Failures,
    path: &Path,
) -> Result<Dataset, DataError> {
    let channels = if colour { 3 } else { 1 };
    let features = size.0 * size.1 * channels;
    let key = key_of(root, entries, size, channels);
    let all = std::mem::take(entries);
    let (stored, left_out) = match StoredRows::open(path, &key, features) {
        Some((stored, left_out)) if stored.rows() + left_out.len() == all.len() => (stored, left_out),
        _ => {
            let mut writer = StoredWriter::new(path, key, features)?;
            let (mut number, mut left_out) = (0u32, Vec::new());
            decode(root, &all, size, failures, |pixels| {
                number += 1;
                match pixels {
                    Some(pixels) if colour => writer.add(pixels),
                    Some(pixels) => match recolour(&Values::U8(pixels.to_vec()), 1) {
                        Values::U8(grey) => writer.add(&grey),
                        _ => Ok(()),
                    },
                    None => {
                        left_out.push(number - 1);
                        Ok(())
                    }
                }
            })?;
            if let Some(failure) = failures.first.take_if(|_| left_out.len() == all.len()) {
                return Err(failure);
            }
            (writer.finish(&left_out)?, left_out)
        }
    };
    let again = !left_out.is_empty() && failures.names.is_empty();
    if again {
        // They were left out when the file was made.
        failures.all += stored.rows();
        failures.names.extend(left_out.iter().map(|number| name_inside(root, &all[*number as usize].0.path)));
    }
    let numbered = (0u32..).zip(all);
    *entries = numbered
        .filter(|(number, _)| left_out.binary_search(number).is_err())
        .map(|(_, entry)| entry)
        .collect();
    let labels: Option<Vec<&str>> = entries.iter().map(|(entry, _)| entry.label.as_deref()).collect();
    Ok(Dataset {
        shape: ItemShape::Image { height: size.0, width: size.1, channels },
        values: Values::Stored(stored),
        labels: labels.map(|labels| Labels::from_texts(&labels)),
        maps: None,
        names: Some(entries.iter().map(|(entry, _)| name_inside(root, &entry.path)).collect()),
    })
}

/// What decoded pictures depend on: names, sizes and times of change of the files, and the form asked for.
fn key_of(root: &Path, entries: &[Measured], size: (usize, usize), channels: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{}x{}x{channels};", size.0, size.1));
    for (entry, _) in entries {
        hash.update(name_inside(root, &entry.path));
        if let Ok(about) = std::fs::metadata(&entry.path) {
            hash.update(about.len().to_le_bytes());
            let changed =
                about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            hash.update(changed.map_or(0, |time| time.as_nanos()).to_le_bytes());
        }
    }
    hash.finalize().into()
}

/// No more files than asked for: a random choice by seed, as of other rows.
fn limited(entries: Vec<Entry>, most: Option<usize>, seed: u64, part: u32) -> Vec<Entry> {
    let Some(rows) = chosen(entries.len(), most, seed, part) else { return entries };
    let numbered = (0u32..).zip(entries);
    numbered.filter(|(number, _)| rows.binary_search(number).is_ok()).map(|(_, entry)| entry).collect()
}

/// A picture of three colours in the size asked for.
fn resized(pixels: Vec<u8>, from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    if from == to {
        return pixels;
    }
    let mut resized = vec![0f32; to.0 * to.1 * 3];
    Resizer::new((from.0, from.1, 3), to).resize(&pixels, &mut resized);
    resized.iter().map(|value| value.round() as u8).collect()
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
