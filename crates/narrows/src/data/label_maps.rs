//! Label maps: for each picture a picture of class numbers, one a pixel, under the same name in a folder beside.

use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::error::DataError;
use super::folder::{self, Measured, Wanted, name_inside};
use super::picture_file;

/// What stands at a pixel whose class nobody knows.
pub const VOID: u8 = u8::MAX;

/// The class of every pixel of every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMaps {
    /// The classes' names; numbers where nobody gave any.
    pub names: Vec<String>,
    /// N × H × W places in `names`, or [`VOID`].
    pub of_pixel: Vec<u8>,
}

/// What a recipe says of label maps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapOptions {
    /// What the folder of maps has behind the name of the pictures' folder.
    pub suffix: String,
    /// The number of pixels that no class is known of.
    pub void: Option<u8>,
    /// The classes' names, in the order of their numbers; empty for the numbers themselves.
    pub names: Vec<String>,
}

impl LabelMaps {
    /// The maps of these rows, in that order; a row has so many pixels.
    pub(super) fn select(&self, rows: &[u32], pixels: usize) -> LabelMaps {
        let of = |row: &u32| &self.of_pixel[*row as usize * pixels..][..pixels];
        LabelMaps { names: self.names.clone(), of_pixel: rows.iter().flat_map(of).copied().collect() }
    }

    /// How many pixels of these rows have each class, and how many pixels the rows have in which it is seen.
    pub fn counts(&self, rows: &[u32], pixels: usize) -> Vec<[u64; 2]> {
        let mut counts = vec![[0; 2]; self.names.len()];
        for row in rows {
            let mut own = vec![0u64; self.names.len()];
            let map = &self.of_pixel[*row as usize * pixels..][..pixels];
            map.iter().filter(|class| **class != VOID).for_each(|class| own[*class as usize] += 1);
            let known: u64 = own.iter().sum();
            for (count, own) in counts.iter_mut().zip(&own).filter(|(_, own)| **own > 0) {
                count[0] += own;
                count[1] += known;
            }
        }
        counts
    }
}

/// Puts the maps of the pictures in `entries` beside `dataset`, whose rows they are.
pub(super) fn attach(
    dataset: &mut Dataset,
    folder: &Path,
    entries: &[Measured],
    options: &MapOptions,
    size: (usize, usize),
) -> Result<(), DataError> {
    let beside = beside(folder, &options.suffix)?;
    let mut numbers = Vec::with_capacity(entries.len() * size.0 * size.1);
    for (entry, picture) in entries {
        let path = beside.join(name_inside(folder, &entry.path)).with_extension("png");
        if !path.is_file() {
            return Err(DataError::NoLabelMap { picture: entry.path.clone(), expected: path });
        }
        let (map, found) = picture_file::read_numbers(&path)?;
        if found != *picture {
            return Err(DataError::LabelMapSize { path, expected: *picture, found });
        }
        // The nearest pixel: numbers of classes have no means.
        for row in 0..size.0 {
            let line = (2 * row + 1) * found.0 / (2 * size.0) * found.1;
            numbers.extend((0..size.1).map(|column| map[line + (2 * column + 1) * found.1 / (2 * size.1)]));
        }
    }
    let pixels = size.0 * size.1;
    dataset.maps = Some(numbered(&numbers, pixels, (&beside, entries), options)?);
    Ok(())
}

const MAPS: Wanted = Wanted { endings: &["png"], missing: |path| DataError::NoPictures { path } };

/// Refuses a folder that has more maps than there are pictures.
pub(super) fn expect_as_many(folder: &Path, options: &MapOptions, pictures: usize) -> Result<(), DataError> {
    let path = beside(folder, &options.suffix)?;
    let maps = folder::count(&path, &MAPS)?;
    if maps > pictures {
        return Err(DataError::LabelMapCount { path, maps, pictures });
    }
    Ok(())
}

/// The folder of maps: `train` and `trainannot`.
fn beside(folder: &Path, suffix: &str) -> Result<PathBuf, DataError> {
    let name = folder.canonicalize().ok();
    let name =
        name.as_deref().unwrap_or(folder).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = folder.join("..").join(format!("{name}{suffix}"));
    let plain = folder.with_file_name(format!("{name}{suffix}"));
    let found = [plain, beside].into_iter().find(|path| path.is_dir());
    found.ok_or_else(|| DataError::NoLabelMaps {
        folder: folder.to_path_buf(),
        expected: format!("{name}{suffix}"),
    })
}

/// Numbers as places in a list of names.
fn numbered(
    numbers: &[u8],
    pixels: usize,
    (folder, entries): (&Path, &[Measured]),
    options: &MapOptions,
) -> Result<LabelMaps, DataError> {
    // The largest number is the usual one for what nobody knows.
    let void = options.void.unwrap_or(VOID);
    let known = |number: &&u8| **number != void;
    let most = numbers.iter().filter(known).max().copied();
    let Some(most) = most else {
        return Err(DataError::Empty { name: folder.display().to_string(), found: "no known pixels" });
    };
    let names = match options.names.is_empty() {
        false => options.names.clone(),
        true => {
            let classes = (0..=most).filter(|number| *number != void);
            classes.map(|number| number.to_string()).collect()
        }
    };
    let place = |number: u8| match number {
        number if number == void => VOID,
        number if number > void => number - 1,
        _ => number,
    };
    let outside = |number: &u8| place(*number) != VOID && usize::from(place(*number)) >= names.len();
    if let Some(at) = numbers.iter().position(outside) {
        return Err(DataError::LabelMapClass {
            path: entries.get(at / pixels).map_or(folder.to_path_buf(), |(entry, _)| entry.path.clone()),
            found: numbers[at],
            classes: names.len(),
        });
    }
    Ok(LabelMaps { names, of_pixel: numbers.iter().map(|number| place(*number)).collect() })
}
