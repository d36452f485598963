//! IDX files, the format of MNIST: a magic number with element type and number of axes, their sizes, the elements.
//!
//! Written down by LeCun, Cortes and Burges with the MNIST database. All numbers are big-endian. Names in a folder are
//! understood as MNIST has them, `train-images-idx3-ubyte` and `t10k-labels.idx1-ubyte.gz` alike, whatever stands
//! before (`emnist-letters-train-images-…`).

use std::fs;
use std::path::{Path, PathBuf};

use super::bytes::{open, read_exactly, read_header};
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::labels::Labels;
use super::source::Source;

const FORMAT: &str = "IDX";

/// The largest number of axes of anything that could be rows: N × H × W × C.
const MOST_AXES: usize = 4;

/// One file's content.
#[derive(Debug)]
struct Array {
    sizes: Vec<usize>,
    values: Values,
}

/// Loads an IDX file, or the IDX files of a folder.
///
/// A single file brings its labels along if they lie beside it; a folder brings both parts.
pub(super) fn load(path: &Path) -> Result<Source, DataError> {
    let (train, test) = match path.is_dir() {
        false => (path.to_path_buf(), None),
        true => parts(path)?,
    };
    let test = test.map(|test| read_part(&test)).transpose()?;
    Ok(Source { name: "idx".to_string(), train: read_part(&train)?, test, notes: vec![] })
}

/// Whether a file name (in lower case, without `.gz`) is one of IDX.
pub(super) fn is_idx_name(name: &str) -> bool {
    let marked = |mark: &str| {
        let place = name.rfind(mark);
        place.is_some_and(|place| name[place + mark.len()..].starts_with(|c: char| c.is_ascii_digit()))
    };
    name.ends_with(".idx") || marked("-idx") || marked(".idx")
}

/// Whether a folder holds IDX images.
pub(super) fn is_folder_of(folder: &Path) -> Result<bool, DataError> {
    Ok(!images_in(folder)?.is_empty())
}

/// The files in `folder` that hold images, in the order of their names.
fn images_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = plain_name(&path);
        if is_idx_name(&name) && name.contains("images") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The training images and the test images of a folder.
///
/// A file that is there both packed and unpacked is one file. If there is only one part, it is the one to learn from.
fn parts(folder: &Path) -> Result<(PathBuf, Option<PathBuf>), DataError> {
    let mut images = images_in(folder)?;
    images.dedup_by_key(|path| plain_name(path).replace(".idx", "-idx"));
    let is_test = |path: &PathBuf| ["t10k", "test"].iter().any(|mark| plain_name(path).contains(mark));
    let (test, train): (Vec<PathBuf>, Vec<PathBuf>) = images.into_iter().partition(is_test);
    match (train.as_slice(), test.as_slice()) {
        ([train], []) => Ok((train.clone(), None)),
        ([train], [test]) => Ok((train.clone(), Some(test.clone()))),
        ([], [test]) => Ok((test.clone(), None)),
        ([], []) => Err(DataError::UnknownKind {
            path: folder.to_path_buf(),
            found: "no file named like train-images-idx3-ubyte".to_string(),
        }),
        _ => Err(DataError::UnknownKind {
            path: folder.to_path_buf(),
            found: format!("{} files of training images, {} of test images", train.len(), test.len()),
        }),
    }
}

/// A path's last name in lower case, without `.gz`.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.strip_suffix(".gz").map(str::to_string).unwrap_or(name)
}

/// Rows, and their labels if the file with "labels" for "images" in its name is there.
fn read_part(path: &Path) -> Result<Dataset, DataError> {
    let Array { sizes, values } = read(path)?;
    if sizes.contains(&0) {
        let found = if sizes[0] == 0 { "no rows" } else { "no columns" };
        return Err(DataError::Empty { name: path.display().to_string(), found });
    }
    let shape = match sizes[1..] {
        [width] => ItemShape::Vector { columns: None, width },
        [height, width] => ItemShape::Image { height, width, channels: 1 },
        [height, width, channels @ (1 | 3)] => ItemShape::Image { height, width, channels },
        _ => {
            return Err(DataError::Shape {
                path: path.to_path_buf(),
                expected: "rows × columns, or images × height × width (× 1 or 3 channels)".to_string(),
                found: format!("an array of {sizes:?}"),
            });
        }
    };
    let data = Dataset { maps: None, shape, values, labels: None, names: None };
    // Here the file is still known by name.
    data.check(&path.display().to_string())?;
    let labels = labels_beside(path).map(|path| read_labels(&path, data.rows())).transpose()?;
    Ok(Dataset { labels, ..data })
}

/// The file of labels that belongs to a file of images.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let packed = name.ends_with(".gz");
    let bare = name.strip_suffix(".gz").unwrap_or(name);
    let labels = bare.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    if labels == bare {
        return None;
    }
    let other = match labels.contains(".idx") {
        true => labels.replace(".idx", "-idx"),
        false => labels.replace("-idx", ".idx"),
    };
    let mut candidates = Vec::new();
    for name in [labels, other] {
        let both = [name.clone(), format!("{name}.gz")];
        candidates.extend(if packed { [both[1].clone(), both[0].clone()] } else { both });
    }
    candidates.into_iter().map(|name| images.with_file_name(name)).find(|path| path.is_file())
}

/// One label for each of `rows` rows.
fn read_labels(path: &Path, rows: usize) -> Result<Labels, DataError> {
    let Array { sizes, values } = read(path)?;
    if sizes.len() != 1 {
        return Err(DataError::Shape {
            path: path.to_path_buf(),
            expected: "one label a row".to_string(),
            found: format!("an array of {sizes:?}"),
        });
    }
    if sizes[0] != rows {
        return Err(DataError::LabelCount { path: path.to_path_buf(), rows, labels: sizes[0] });
    }
    let texts: Vec<String> = values.to_f32().iter().map(f32::to_string).collect();
    Ok(Labels::from_texts(&texts))
}

/// Reads one file, trusting nothing that its header says.
fn read(path: &Path) -> Result<Array, DataError> {
    let mut opened = open(path)?;
    let mut magic = [0; 4];
    read_header(path, FORMAT, &mut *opened.reader, &mut magic)?;
    let (element, axes) = (magic[2], usize::from(magic[3]));
    let bytes = match element {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        0x0e => 8,
        _ => 0,
    };
    if magic[..2] != [0, 0] || bytes == 0 || !(1..=MOST_AXES).contains(&axes) {
        return Err(DataError::WrongMagic {
            path: path.to_path_buf(),
            format: "an IDX file",
            expected: "00 00, an element type 08 to 0e, and 1 to 4 axes",
            found: magic.map(|byte| format!("{byte:02x}")).join(" "),
        });
    }
    let mut header = vec![0; 4 * axes];
    read_header(path, FORMAT, &mut *opened.reader, &mut header)?;
    let sizes: Vec<usize> = header.chunks_exact(4).map(|b| be_u32(b) as usize).collect();
    let expected = sizes.iter().try_fold(bytes, |product: u64, &size| product.checked_mul(size as u64));
    let expected = expected.ok_or_else(|| DataError::Malformed {
        path: path.to_path_buf(),
        format: FORMAT,
        reason: format!("an array of {sizes:?} is larger than any memory"),
    })?;
    let left = opened.most.saturating_sub(4 + 4 * axes as u64);
    let content = read_exactly(path, FORMAT, &mut *opened.reader, expected, left)?;
    Ok(Array { sizes, values: decode(element, content) })
}

/// Elements as numbers; bytes stay bytes. `element` has been checked.
fn decode(element: u8, content: Vec<u8>) -> Values {
    fn each<const N: usize>(content: &[u8], number: impl Fn([u8; N]) -> f32) -> Values {
        let (elements, _) = content.as_chunks::<N>();
        Values::F32(elements.iter().map(|&bytes| number(bytes)).collect())
    }
    match element {
        0x08 => Values::U8(content),
        0x09 => each(&content, |b: [u8; 1]| f32::from(i8::from_be_bytes(b))),
        0x0b => each(&content, |b| f32::from(i16::from_be_bytes(b))),
        0x0c => each(&content, |b| i32::from_be_bytes(b) as f32),
        0x0d => each(&content, f32::from_be_bytes),
        _ => each(&content, |b| f64::from_be_bytes(b) as f32),
    }
}

/// Four bytes as a number.
fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
